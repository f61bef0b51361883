// See fabric_loop.h.
#include "fabric_loop.h"

#include <new>
#include <string>

namespace hotspare {

FabricLoop::FabricLoop(uv_loop_s* loop, FabricEndpoint* endpoint, Owner* owner)
    : loop_(loop), endpoint_(endpoint), owner_(owner) {
  idle_ = open(UV_IDLE);
  uv_idle_init(loop_, reinterpret_cast<uv_idle_s*>(idle_));
  uv_handle_set_data(idle_, this);
  prepare_ = open(UV_PREPARE);
  uv_prepare_init(loop_, reinterpret_cast<uv_prepare_s*>(prepare_));
  uv_handle_set_data(prepare_, this);
}

int FabricLoop::begin() {
  const int code = watch(&events_, endpoint_->eventsDescriptor());
  if (code != 0) return code;
  start(events_);
  settle();
  return 0;
}

void FabricLoop::settle() {
  if (stopped_) return;
  const int descriptor = endpoint_->completionsDescriptor();
  if (descriptor != watched_) {
    unwatch(&completions_);
    const int code = descriptor < 0 ? 0 : watch(&completions_, descriptor);
    watched_ = descriptor;
    if (code != 0) endpoint_->fail(std::string("uv_poll_init: ") + uv_strerror(code));
  }
  const bool restless = !endpoint_->progress();
  await();
  wake(restless || endpoint_->hasEvents() || owner_->isBehind());
}

void FabricLoop::settleWrites() {
  if (stopped_) return;
  const bool restless = !endpoint_->progressWrites();
  await();
  if (restless || endpoint_->hasEvents() || owner_->isBehind()) wake(true);
  if (!owner_->owesWrites()) return;
  uv_prepare_start(reinterpret_cast<uv_prepare_s*>(prepare_), [](uv_prepare_s* handle) {
    static_cast<FabricLoop*>(uv_handle_get_data(reinterpret_cast<uv_handle_s*>(handle)))
        ->postOwed();
  });
}

void FabricLoop::postOwed() {
  uv_prepare_stop(reinterpret_cast<uv_prepare_s*>(prepare_));
  owner_->postOwed();
  settleWrites();
}

/// A descriptor that nobody reads before the next write stays readable: it is not polled until
/// then.
void FabricLoop::await() {
  const bool awaits = completions_ != nullptr && endpoint_->awaitsCompletions();
  if (awaits == awaited_) return;
  awaited_ = awaits;
  if (awaits) {
    start(completions_);
  } else if (completions_ != nullptr) {
    uv_poll_stop(reinterpret_cast<uv_poll_s*>(completions_));
  }
}

void FabricLoop::wake(bool on) {
  if (on == awake_) return;
  awake_ = on;
  auto* idle = reinterpret_cast<uv_idle_s*>(idle_);
  if (on) {
    uv_idle_start(idle, [](uv_idle_s* handle) {
      static_cast<FabricLoop*>(uv_handle_get_data(reinterpret_cast<uv_handle_s*>(handle)))->turn();
    });
  } else {
    uv_idle_stop(idle);
  }
}

void FabricLoop::turn() {
  if (stopped_) return;
  endpoint_->progress();
  for (FabricEvent event; endpoint_->takeEvent(&event);) {
    owner_->event(event);
    if (stopped_) return;
  }
  owner_->turned();
  settle();
}

void FabricLoop::stop() {
  if (stopped_) return;
  stopped_ = true;
  unwatch(&completions_);
  unwatch(&events_);
  close(idle_);
  close(prepare_);
  endpoint_ = nullptr;
}

uv_handle_s* FabricLoop::open(int type) {
  open_++;
  return static_cast<uv_handle_s*>(::operator new(uv_handle_size(type)));
}

/// 0, or libuv's code: then there is no handle.
int FabricLoop::watch(uv_handle_s** handle, int descriptor) {
  auto* opened = static_cast<uv_handle_s*>(::operator new(uv_handle_size(UV_POLL)));
  const int code = uv_poll_init(loop_, reinterpret_cast<uv_poll_s*>(opened), descriptor);
  if (code != 0) {
    ::operator delete(opened);
    return code;
  }
  open_++;
  *handle = opened;
  uv_handle_set_data(*handle, this);
  uv_unref(*handle);
  return 0;
}

void FabricLoop::start(uv_handle_s* handle) {
  uv_poll_start(reinterpret_cast<uv_poll_s*>(handle), UV_READABLE, [](uv_poll_s* ready, int, int) {
    static_cast<FabricLoop*>(uv_handle_get_data(reinterpret_cast<uv_handle_s*>(ready)))->turn();
  });
}

void FabricLoop::unwatch(uv_handle_s** handle) {
  if (*handle == nullptr) return;
  close(*handle);
  *handle = nullptr;
  watched_ = -1;
  awaited_ = false;
}

void FabricLoop::close(uv_handle_s* handle) {
  uv_close(handle, [](uv_handle_s* closed) {
    auto* loop = static_cast<FabricLoop*>(uv_handle_get_data(closed));
    ::operator delete(closed);
    if (--loop->open_ == 0) delete loop;
  });
}

}  // namespace hotspare
