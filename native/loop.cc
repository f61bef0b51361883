// See loop.h.
#include "loop.h"

#include <new>

namespace hotspare {

Failure Loop::start(uv_loop_s* loop, const TransportOptions& options, const SharedTables& tables) {
  transport_ = std::make_unique<Transport>(options, tables, this);
  const Failure failure = transport_->start();
  if (failure) return failure;
  for (const Group group : {kClients, kLinks}) {
    uv_handle_s* handle = open(UV_POLL);
    auto* poll = reinterpret_cast<uv_poll_s*>(handle);
    const int code = uv_poll_init(loop, poll, transport_->descriptor(group));
    if (code != 0) {
      ::operator delete(handle);
      giveUp();
      return {-code, "uv_poll_init"};
    }
    polls_.push_back(handle);
  }
  for (uv_handle_s* handle : polls_) {
    uv_poll_start(reinterpret_cast<uv_poll_s*>(handle), UV_READABLE,
                  [](uv_poll_s* ready, int, int) { turn(ready); });
    uv_unref(handle);
  }
  idle_ = open(UV_IDLE);
  uv_idle_init(loop, reinterpret_cast<uv_idle_s*>(idle_));
  for (uv_handle_s* handle : {polls_[0], polls_[1], idle_}) uv_handle_set_data(handle, this);
  return {};
}

/// The loop has not started: its handles are let go of, and its owner, which was not told of the
/// transport yet, deletes it.
void Loop::giveUp() {
  for (uv_handle_s* poll : polls_) {
    uv_close(poll, [](uv_handle_s* closed) { ::operator delete(closed); });
  }
  polls_.clear();
  transport_->giveUp();
}

void Loop::wake(bool on) {
  if (on == awake_) return;
  awake_ = on;
  auto* idle = reinterpret_cast<uv_idle_s*>(idle_);
  if (on) {
    uv_idle_start(idle, [](uv_idle_s* ready) { turn(ready); });
  } else {
    uv_idle_stop(idle);
  }
}

void Loop::keepAlive(bool on) {
  for (uv_handle_s* poll : polls_) on ? uv_ref(poll) : uv_unref(poll);
}

void Loop::stopped() {
  for (uv_handle_s* poll : polls_) uv_close(poll, closed);
  if (idle_ != nullptr) uv_close(idle_, closed);
}

uv_handle_s* Loop::open(int type) {
  open_++;
  return static_cast<uv_handle_s*>(::operator new(uv_handle_size(type)));
}

template <typename Handle>
void Loop::turn(Handle* handle) {
  auto* loop = static_cast<Loop*>(uv_handle_get_data(reinterpret_cast<uv_handle_s*>(handle)));
  loop->transport_->turn();
}

void Loop::closed(uv_handle_s* handle) {
  auto* loop = static_cast<Loop*>(uv_handle_get_data(handle));
  ::operator delete(handle);
  if (--loop->open_ == 0) delete loop;
}

}  // namespace hotspare
