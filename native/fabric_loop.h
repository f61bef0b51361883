// Drives an endpoint from Node's loop: polls its two descriptors, and takes another turn while
// there is work that no descriptor announces. Writes that the owner has put off are posted before
// the loop sleeps, when the replies have left. A FabricLoop deletes itself when all of libuv's
// handles are closed.
#pragma once

#include "fabric_endpoint.h"
#include "libuv.h"

namespace hotspare {

class FabricLoop {
 public:
  /// The listener that a turn reports to. Nothing is called after `stop`.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void event(const FabricEvent& event) = 0;
    /// Completions may have come.
    virtual void turned() = 0;
    /// Completions have come for which `turned` was not called yet.
    virtual bool isBehind() const = 0;
    /// Writes were put off. `postOwed` posts them; it is called before the loop sleeps.
    virtual bool owesWrites() const = 0;
    virtual void postOwed() = 0;
  };

  FabricLoop(uv_loop_s* loop, FabricEndpoint* endpoint, Owner* owner);

  /// To be called once. Returns 0, or libuv's code: then nothing is left but to `stop`.
  int begin();
  /// To be called after every call of the endpoint: the work that the call left is done soon.
  void settle();
  /// To be called instead after writes, which change no connection.
  void settleWrites();
  /// Lets go of the endpoint at once, which may then be closed, and deletes itself when libuv has
  /// let go of the handles.
  void stop();

  /// Stops polling the connection's descriptor before `close` makes the endpoint close it.
  template <typename Close>
  void closing(Close close) {
    unwatch(&completions_);
    close();
  }

 private:
  void turn();
  void wake(bool on);
  void postOwed();
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
  bool awaited_ = false;  // `completions_` is polled
  int open_ = 0;
  bool awake_ = false;
  bool stopped_ = false;
};

}  // namespace hotspare
