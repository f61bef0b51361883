// A loop whose ticks run in JavaScript.
#pragma once

#include <napi.h>

#include "loop.h"

namespace hotspare {

class NodeLoop final : public Loop {
 public:
  /// The owner of a loop.
  class Owner {
   public:
    virtual ~Owner() = default;
    /// The loop is about to delete itself.
    virtual void ended() = 0;
  };

  NodeLoop(Napi::Env env, const Napi::Function& onTick, Owner* owner)
      : env_(env), context_(env, "hotspare"), onTick_(Napi::Persistent(onTick)), owner_(owner) {}
  ~NodeLoop() override {
    if (hook_ != nullptr) napi_remove_async_cleanup_hook(hook_);
  }

  /// Ends the transport with the environment: a worker's loop must be empty then.
  void endWithEnvironment() { napi_add_async_cleanup_hook(env_, cleanup, this, &hook_); }

  bool tick(int rows, double* barrier) override {
    const Napi::HandleScope scope(env_);
    const napi_value argument = Napi::Number::New(env_, rows);
    const Napi::Value result = onTick_.MakeCallback(env_.Global(), {argument}, context_);
    if (env_.IsExceptionPending()) {
      napi_fatal_exception(env_, env_.GetAndClearPendingException().Value());
      return false;
    }
    if (result.IsEmpty()) return false;  // the environment is being torn down
    *barrier = result.IsNumber() ? result.As<Napi::Number>().DoubleValue() : 0;
    return true;
  }

  void stopped() override {
    const Napi::HandleScope scope(env_);
    owner_->ended();
    Loop::stopped();
  }

 private:
  static void cleanup(napi_async_cleanup_hook_handle, void* loop) {
    static_cast<NodeLoop*>(loop)->transport()->destroy();
  }

  Napi::Env env_;
  Napi::AsyncContext context_;
  Napi::FunctionReference onTick_;
  Owner* owner_;
  napi_async_cleanup_hook_handle hook_ = nullptr;
};

}  // namespace hotspare
