// Listeners: which connections are let in or refused, and when none can be.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "check.h"
#include "transport.h"

namespace hotspare {
namespace {

constexpr int kAcceptsPerTick = 64;

bool wantOfResources(int code) {
  return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

}  // namespace

bool Transport::accept(Listener* listener) {
  if (!listener->armed) return true;
  if (!listenerWanted(*listener)) {
    arm(listener, false);
    return true;
  }
  const auto group = static_cast<Group>(listener->group);
  while (accepted_ < kAcceptsPerTick) {
    const bool full = listener->group == kClients &&
                      tables_.counters[kConnections] >= static_cast<double>(connectionsLimit_);
    if (!roomForRow()) return false;
    if (full && !refuses_) {
      waitForRoom(true);
      return true;
    }
    // Links have slots of their own: clients that are on their way out do not keep a standby away.
    const bool crowded =
        listener->group == kClients && !full && slots_[kClients] >= connectionsLimit_;
    if (crowded || (free_.empty() && !full)) {
      if (!crowded || !makeRoom()) turnListeners(group, false);
      return true;
    }
    const int descriptor =
        accept4(listener->descriptor, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) {
      if (isTransient(errno)) return true;
      if (wantOfResources(errno)) {
        turnListeners(group, false);
        return true;
      }
      accepted_++;  // a connection that died in the queue
      continue;
    }
    accepted_++;
    if (full) {
      refuse(descriptor);
      continue;
    }
    if (listener->path.empty()) tune(descriptor);
    const Connection* c = take(descriptor, group, State::kOpen);
    if (c == nullptr) {
      turnListeners(group, false);
      return true;
    }
    const auto index = static_cast<int32_t>(listener - listeners_.data());
    addRow(kOpened, idOf(*c), index, 0, listener->group);
  }
  return true;
}

void Transport::refuse(int descriptor) {
  tables_.counters[kRefused] += 1;
  static_cast<void>(!::send(descriptor, refusal_.data(), refusal_.size(), MSG_NOSIGNAL));
  shutdown(descriptor, SHUT_WR);
  // Unread bytes would turn the close into a reset, which overtakes the text.
  static_cast<void>(!recv(descriptor, scratch_.data(), scratch_.size(), 0));
  ::close(descriptor);
}

bool Transport::listenerWanted(const Listener& listener) const {
  const bool stopped = listener.group == kClients && (paused_ || waiting_);
  return listener.descriptor >= 0 && !listenersOff_[listener.group] && !stopped;
}

/// The place of a new listener: that of a listener that was closed, and that no row of this tick
/// names.
size_t Transport::listenerPlace() {
  for (size_t i = 0; i < listeners_.size(); i++) {
    const Listener& listener = listeners_[i];
    if (listener.descriptor < 0 && !(inTick_ && listener.closedTick == tick_)) return i;
  }
  listeners_.emplace_back();
  return listeners_.size() - 1;
}

/// A listener that epoll will not watch waits for a sweep, as for want of descriptors; epoll is
/// told again to leave a listener alone when the next client comes.
void Transport::arm(Listener* listener, bool on) {
  if (listener->armed == on) return;
  epoll_event event{};
  event.events = on ? static_cast<uint32_t>(EPOLLIN) : 0;
  event.data.u64 =
      uint64_t{kListenerMark} << 32 | static_cast<uint32_t>(listener - listeners_.data());
  const int epoll = ready_[listener->group].epoll;
  if (epoll_ctl(epoll, EPOLL_CTL_MOD, listener->descriptor, &event) == 0) {
    listener->armed = on;
  } else if (on) {
    turnListeners(static_cast<Group>(listener->group), false);
  }
}

/// Turns listeners off for want of descriptors or slots, until some come free: polling would only
/// spin.
void Transport::turnListeners(Group group, bool on) {
  if (listenersOff_[group] == !on) return;
  listenersOff_[group] = !on;
  if (group == kClients && on) {
    const double offMs = monotonicMs() - listenersOffSinceMs_;
    tables_.counters[kListenersOffMicroseconds] += offMs * 1e3;
  } else if (group == kClients) {
    listenersOffSinceMs_ = monotonicMs();
    tables_.counters[kListenersOffTimes] += 1;
  }
  for (Listener& listener : listeners_) {
    if (listener.descriptor >= 0) arm(&listener, listenerWanted(listener));
  }
}

/// The first of the connections that were sent all, and have not closed yet, makes room for a new
/// one. False: there is none.
bool Transport::makeRoom() {
  while (!lingering_.empty()) {
    Connection* c = find(lingering_.front());
    lingering_.pop();
    if (c == nullptr || c->state != State::kLingering) continue;
    bury(c);
    return true;
  }
  return false;
}

/// Called at the limit, where clients are not refused: they wait in the kernel's queue until a
/// client leaves.
void Transport::waitForRoom(bool on) {
  if (waiting_ == on) return;
  waiting_ = on;
  if (on) {
    waitingSinceMs_ = monotonicMs();
    tables_.counters[kListenersOffTimes] += 1;
  } else {
    tables_.counters[kListenersOffMicroseconds] += (monotonicMs() - waitingSinceMs_) * 1e3;
  }
  for (Listener& listener : listeners_) {
    if (listener.descriptor >= 0) arm(&listener, listenerWanted(listener));
  }
}

}  // namespace hotspare
