// Drives a fabric from Node's loop: polls its two descriptors, and takes another turn while there
// is work that no descriptor announces. What a batch owes is placed before the loop sleeps, when
// the replies have left. It deletes itself when all of libuv's handles are closed.
#pragma once

#include "fabric_endpoint.h"
#include "libuv.h"

namespace hotspare {

class FabricLoop {
 public:
  /// What a turn tells its owner; nothing after `stop`.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void event(const FabricEvent& event) = 0;
    /// Completions may have come.
    virtual void turned() = 0;
    /// True when some have that `turned` was not called for.
    virtual bool isBehind() const = 0;
    /// Writes were put off until `place`, which is called before the loop sleeps.
    virtual bool owes() const = 0;
    virtual void place() = 0;
  };

  FabricLoop(uv_loop_s* loop, FabricEndpoint* endpoint, Owner* owner);

  /// To be called once. 0, or libuv's code: then there is nothing left but to stop it.
  int begin();
  /// To be called after every call of the fabric: what it left to do is done soon.
  void settle();
  /// The same after writes, which change no connection.
  void settleWrites();
  /// Lets go of the endpoint at once, which may then be closed, and deletes itself when libuv has
  /// let go of the handles.
  void stop();

  /// Closes the connection's descriptor here before the fabric does.
  template <typename Close>
  void closing(Close close) {
    unwatch(&completions_);
    close();
  }

 private:
  void turn();
  void wake(bool on);
  void place();
  uv_handle_s* open(int type);
  void await();
  int watch(uv_handle_s** handle, int descriptor);
  void start(uv_handle_s* handle);
  void unwatch(uv_handle_s** handle);
  void close(uv_handle_s* handle);

  uv_loop_s* loop_;
  FabricEndpoint* endpoint_;
  Owner* owner_;
  uv_handle_s* events_ = nullptr;
  uv_handle_s* completions_ = nullptr;
  uv_handle_s* idle_ = nullptr;
  uv_handle_s* prepare_ = nullptr;
  int watched_ = -1;      // the descriptor of `completions_`
  bool awaited_ = false;  // it is polled
  int open_ = 0;
  bool awake_ = false;
  bool stopped_ = false;
};

}  // namespace hotspare
