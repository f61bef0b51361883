// The life of a slot of the connection table, as connection.h draws it.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "check.h"
#include "transport.h"

namespace hotspare {

/// The connection TypeScript may name by this id, or null.
Connection* Transport::live(int32_t id) {
  if (id < 0 || static_cast<size_t>(id) >= connections_.size()) return nullptr;
  Connection* c = &connections_[static_cast<size_t>(id)];
  return c->state == State::kOpen || c->state == State::kConnecting ? c : nullptr;
}

/// The connection a queue or epoll names, if it still has its descriptor.
Connection* Transport::find(const ConnectionName& name) {
  Connection* c = &connections_[static_cast<size_t>(name.id)];
  return c->generation == name.generation && c->descriptor >= 0 ? c : nullptr;
}

/// Gives a new socket a slot. Null (and the socket closed, errno set) when epoll refuses.
Connection* Transport::take(int descriptor, Group group, State state) {
  Connection* c = &connections_[static_cast<size_t>(free_.back())];
  const uint32_t generation = (c->generation + 1) & (kListenerMark - 1);
  *c = Connection{};
  c->generation = generation;
  c->group = group;
  c->descriptor = descriptor;
  c->interest = state == State::kConnecting ? EPOLLOUT : EPOLLIN;
  c->servedTick = tick_;
  epoll_event event{};
  event.events = c->interest;
  event.data.u64 = uint64_t{generation} << 32 | static_cast<uint32_t>(idOf(*c));
  if (epoll_ctl(ready_[group].epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) {
    const int code = errno;
    c->descriptor = -1;
    ::close(descriptor);
    errno = code;
    return nullptr;
  }
  free_.pop_back();
  slots_[group]++;
  c->state = state;
  if (state == State::kOpen && group == kClients) tables_.counters[kConnections] += 1;
  countDescriptor(group, 1);
  return c;
}

/// TypeScript will hear of this connection no more, and it does not count as a connection any more.
void Transport::leave(Connection* c) {
  if (c->state == State::kOpen && c->group == kClients) tables_.counters[kConnections] -= 1;
  c->again = false;
  c->againQueued = false;
  c->sinkRest = 0;
  keep(c, nullptr, 0);
}

/// The connection broke: everything of it is dropped, and TypeScript is told where it still knows
/// the id.
void Transport::fail(Connection* c, int code) {
  if (c->state != State::kOpen && c->state != State::kConnecting) {
    bury(c);
    return;
  }
  leave(c);
  c->connecting = c->state == State::kConnecting;
  c->state = State::kBroken;
  c->error = code;
  dropOutput(c);
  closeDescriptor(c);
  broken_[c->group].push(nameOf(*c));
}

/// No more input; this tick's replies still belong to it.
void Transport::end(Connection* c) {
  leave(c);
  c->state = State::kEnding;
  ending_.push_back(idOf(*c));
}

void Transport::drainEnded() {
  for (const int32_t id : ending_) drain(&connections_[static_cast<size_t>(id)]);
  ending_.clear();
}

/// The pending output is sent; then the connection closes.
void Transport::drain(Connection* c) {
  if (c->state != State::kEnding) return;
  c->state = State::kDraining;
  c->sinceMs = monotonicMs();
  if (c->pending() == 0) {
    drained(c);
  } else {
    watch(c, (c->peerEnded ? 0U : uint32_t{EPOLLIN}) | (waits(*c) ? uint32_t{EPOLLOUT} : 0U));
  }
}

void Transport::drained(Connection* c) {
  if (c->peerEnded || shutdown(c->descriptor, SHUT_WR) != 0) {
    bury(c);
    return;
  }
  dropOutput(c);
  c->state = State::kLingering;
  watch(c, EPOLLIN);
  if (c->group != kClients) return;
  while (!lingering_.empty() && find(lingering_.front()) == nullptr) lingering_.pop();
  lingering_.push(nameOf(*c));
}

void Transport::bury(Connection* c) {
  dropOutput(c);
  leave(c);
  closeDescriptor(c);
  c->state = State::kDead;
  dead_.push_back(idOf(*c));
}

void Transport::closeDescriptor(Connection* c) {
  if (c->descriptor < 0) return;
  ::close(c->descriptor);
  c->descriptor = -1;
  countDescriptor(c->group, -1);
}

/// Changes the events that epoll watches a connection for; kUnwatched takes the connection out, as
/// errors are always reported. The kernel may have no memory for one more watch: a connection of
/// which nothing would be heard any more has failed.
void Transport::watch(Connection* c, uint32_t interest) {
  if (c->interest == interest) return;
  epoll_event event{};
  event.events = interest;
  event.data.u64 = uint64_t{c->generation} << 32 | static_cast<uint32_t>(idOf(*c));
  int operation = EPOLL_CTL_MOD;
  if (interest == Connection::kUnwatched) operation = EPOLL_CTL_DEL;
  if (c->interest == Connection::kUnwatched) operation = EPOLL_CTL_ADD;
  if (epoll_ctl(ready_[c->group].epoll, operation, c->descriptor, &event) != 0) {
    fail(c, errno);
    return;
  }
  c->interest = interest;
}

/// Has epoll watch another descriptor for a connection instead of its own. 0, or errno: then the
/// caller must close the other descriptor.
int Transport::exchange(const Connection* c, int descriptor) {
  if (c->interest == Connection::kUnwatched) return 0;
  const int epoll = ready_[c->group].epoll;
  epoll_event event{};
  event.events = c->interest;
  event.data.u64 = uint64_t{c->generation} << 32 | static_cast<uint32_t>(idOf(*c));
  const bool exchanged = epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 &&
                         epoll_ctl(epoll, EPOLL_CTL_DEL, c->descriptor, &event) == 0;
  return exchanged ? 0 : errno;
}

void Transport::countDescriptor(int group, int change) {
  const int before = descriptors_[kClients] + descriptors_[kLinks];
  descriptors_[group] += change;
  if (destroyed_) return;
  if (before == 0 || before + change == 0) host_->keepAlive(before == 0);
}

}  // namespace hotspare
