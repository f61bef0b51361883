// The transport's face and its ticks. See transport.h.
#include "transport.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "check.h"

namespace hotspare {
namespace {

constexpr int kRoundsPerTurn = 8;      // ticks before Node's timers get their turn
constexpr size_t kReadyEvents = 1024;  // fetched from epoll at once
constexpr double kTurnMs = 2;
constexpr size_t kLeftoverBytesMin = 256;

double milliseconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

}  // namespace

double monotonicMs() {
  return milliseconds(CLOCK_BOOTTIME);
}

Transport::Transport(const TransportOptions& options, const SharedTables& tables, Host* host)
    : options_(options),
      tables_(tables),
      host_(host),
      connections_(options.connectionsMax),
      connectionsLimit_(options.connectionsMax),
      scratch_(kScratchBytes) {
  for (size_t id = options.connectionsMax; id > 0; --id) {
    free_.push_back(static_cast<int32_t>(id - 1));
  }
}

Transport::~Transport() {
  destroyNow();
}

Failure Transport::start() {
  for (ReadySet& set : ready_) {
    set.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (set.epoll < 0) {
      const Failure failure{errno, "epoll_create1"};
      giveUp();
      return failure;
    }
    set.events.resize(kReadyEvents);
  }
  return {};
}

void Transport::giveUp() {
  closeEpolls();
  destroyed_ = true;
}

void Transport::turn() {
  if (inTurn_ || destroyed_) return;
  inTurn_ = true;
  double startMs = monotonicMs();
  const double endMs = startMs + kTurnMs;
  for (int round = 0; round < kRoundsPerTurn && !destroying_ && startMs <= endMs; ++round) {
    gather(startMs);
    if (rows_ == 0) {
      openGates();
      startMs = ended(startMs);
      if (!active_) break;
      continue;
    }
    tables_.counters[kTicks] += 1;
    tables_.counters[kMonotonicMs] = monotonicMs();
    tables_.counters[kRealtimeMs] = milliseconds(CLOCK_REALTIME);
    double barrier = 0;
    inTick_ = true;
    const bool done = host_->tick(rows_, &barrier);
    inTick_ = false;
    if (done) {
      settle(rows_);
      scatter(barrier);
    } else {
      destroying_ = true;
    }
    startMs = ended(startMs);
  }
  inTurn_ = false;
  if (destroying_) {
    destroyNow();
  } else {
    wake();
  }
}

/// A tick that began at `startMs` is over; returns when.
double Transport::ended(double startMs) {
  const double now = monotonicMs();
  double& longest = tables_.counters[kTickMicrosecondsMax];
  longest = std::max(longest, (now - startMs) * 1e3);
  return now;
}

Failure Transport::listen(const ListenOptions& options, Group group, int32_t* listener) {
  if (destroyed_) return {EBADF, "listen"};
  Listener opened;
  const Failure failure = openListener(options, &opened);
  if (failure) return failure;
  opened.group = group;
  // What it accepts inherits that.
  if (group == kLinks) tuneLink(opened.descriptor);
  *listener = static_cast<int32_t>(listenerPlace());
  epoll_event event{};
  event.events = 0;
  event.data.u64 = uint64_t{kListenerMark} << 32 | static_cast<uint32_t>(*listener);
  if (epoll_ctl(ready_[group].epoll, EPOLL_CTL_ADD, opened.descriptor, &event) != 0) {
    const int code = errno;
    hotspare::closeListener(&opened);
    return {code, "epoll_ctl"};
  }
  Listener& place = listeners_[static_cast<size_t>(*listener)];
  place = opened;
  countDescriptor(group, 1);
  if (listenerWanted(place)) arm(&place, true);
  return {};
}

int Transport::listenerPort(int32_t listener) const {
  if (listener < 0 || static_cast<size_t>(listener) >= listeners_.size()) return 0;
  return listeners_[static_cast<size_t>(listener)].port;
}

int Transport::listenerDescriptor(int32_t listener) const {
  if (listener < 0 || static_cast<size_t>(listener) >= listeners_.size()) return -1;
  return listeners_[static_cast<size_t>(listener)].descriptor;
}

void Transport::closeListener(int32_t listener) {
  if (listener < 0 || static_cast<size_t>(listener) >= listeners_.size()) return;
  Listener& closed = listeners_[static_cast<size_t>(listener)];
  if (closed.descriptor < 0) return;
  hotspare::closeListener(&closed);
  closed.closedTick = tick_;
  countDescriptor(closed.group, -1);
}

Failure Transport::connect(const std::string& host, int port, Group group, int32_t* id) {
  if (destroyed_) return {EBADF, "connect"};
  if (free_.empty()) return {ENOBUFS, "connect"};
  int descriptor = -1;
  int code = 0;
  const Failure failure = startConnect(host, port, group == kLinks, &descriptor, &code);
  if (failure) return failure;
  Connection* c = take(descriptor, group, State::kConnecting);
  if (c == nullptr) return {errno, "epoll_ctl"};
  *id = idOf(*c);
  if (code != 0 && code != EINPROGRESS) fail(c, code);
  wake();
  return {};
}

Failure Transport::pair(int32_t* id, int* other) {
  if (destroyed_) return {EBADF, "socketpair"};
  if (tables_.counters[kConnections] >= static_cast<double>(connectionsLimit_)) {
    tables_.counters[kRefused] += 1;
    return {ENOBUFS, "limit"};
  }
  if (free_.empty()) return {ENOBUFS, "socketpair"};
  int ends[2];
  const Failure failure = openPair(ends);
  if (failure) return failure;
  const Connection* c = take(ends[0], kClients, State::kOpen);
  if (c == nullptr) {
    const int code = errno;
    ::close(ends[1]);
    return {code, "epoll_ctl"};
  }
  *id = idOf(*c);
  *other = ends[1];
  return {};
}

Failure Transport::divert(int32_t id, int* socket, int* other) {
  Connection* c = live(id);
  if (c == nullptr || c->state != State::kOpen) return {ENOTCONN, "divert"};
  int ends[2];
  const Failure failure = openPair(ends);
  if (failure) return failure;
  // The new descriptor comes first: where epoll has no room for it the connection is as it was.
  const int code = exchange(c, ends[0]);
  if (code != 0) {
    for (const int end : ends) ::close(end);
    return {code, "epoll_ctl"};
  }
  *socket = c->descriptor;
  *other = ends[1];
  c->descriptor = ends[0];
  return {};
}

void Transport::limit(size_t connections, const std::string& refusal) {
  connectionsLimit_ = connections;
  refusal_ = refusal;
  refuses_ = !refusal.empty();
}

void Transport::sink(int32_t id, char* target, uint64_t length) {
  Connection* c = live(id);
  if (c == nullptr) return;
  // Bytes that were delivered and kept come before the bytes in the socket; only a row of their own
  // can give them away.
  HOTSPARE_CHECK(c->leftoverBytes == 0 || (inTick_ && c->servedTick == tick_));
  HOTSPARE_CHECK(c->sinkRest == 0);
  c->sink = target;
  c->sinkRest = length;
  c->sinkBytes = length;
  c->sinceMs = gatherStartMs_;
  c->crowded = newestSink_ != id;
  newestSink_ = id;
  if (length > 0) return;
  c->filled = true;
  deliverAgain(c);
  wake();
}

double Transport::stalledMs(int32_t id) const {
  const Connection* c = describable(id);
  if (c == nullptr || c->state != State::kOpen || c->sinkRest == 0) return -1;
  return gatherStartMs_ - c->sinceMs;
}

void Transport::close(int32_t id, bool flush) {
  if (id < 0 || static_cast<size_t>(id) >= connections_.size()) return;
  Connection* c = &connections_[static_cast<size_t>(id)];
  if (c->state == State::kOpen && flush) {
    end(c);
    if (!inTick_) drainEnded();
  } else if (c->state == State::kOpen || c->state == State::kConnecting ||
             c->state == State::kBroken) {
    bury(c);  // the CLOSED row of a Broken connection is not needed any more
  }
  wake();
}

void Transport::release(double sequence) {
  released_ = std::max(released_, sequence);
  if (inTick_) return;  // at the start of this tick's scatter
  openGates();
  wake();
}

void Transport::pause(bool paused) {
  if (paused == paused_ || destroyed_) return;
  paused_ = paused;
  // When a pause begins nothing is to be done: an event that epoll still reports is masked then.
  if (!paused) {
    for (Connection& c : connections_) {
      if (c.state == State::kOpen) resume(&c);
    }
    for (Listener& listener : listeners_) {
      if (listenerWanted(listener)) arm(&listener, true);
    }
  }
  wake();
}

const Connection* Transport::describable(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= connections_.size()) return nullptr;
  const Connection* c = &connections_[static_cast<size_t>(id)];
  const bool known =
      c->state == State::kOpen || c->state == State::kConnecting || c->state == State::kEnding;
  return known ? c : nullptr;
}

int32_t Transport::addMemory(const Memory& memory) {
  for (size_t i = 0; i < memories_.size(); i++) {
    if (memories_[i].bytes != nullptr) continue;
    memories_[i] = memory;
    return static_cast<int32_t>(i);
  }
  memories_.push_back(memory);
  return static_cast<int32_t>(memories_.size() - 1);
}

const Memory* Transport::memory(int32_t buffer) const {
  if (buffer < 0 || static_cast<size_t>(buffer) >= memories_.size()) return nullptr;
  const Memory* found = &memories_[static_cast<size_t>(buffer)];
  return found->bytes == nullptr ? nullptr : found;
}

void Transport::removeMemory(int32_t buffer) {
  const Memory* found = memory(buffer);
  if (found == nullptr) return;
  const Memory gone = *found;
  memories_[static_cast<size_t>(buffer)] = {nullptr, 0};
  for (Connection& c : connections_) {
    const bool reads = c.sinkRest > 0 && gone.contains(c.sink);
    const bool sends = c.output != nullptr && c.output->refersTo(gone.bytes, gone.length);
    if (!reads && !sends) continue;
    if (c.state == State::kOpen) {
      fail(&c, ECONNABORTED);
    } else {
      bury(&c);
    }
  }
  wake();
}

void Transport::sweep(double drainingMs) {
  if (destroyed_) return;
  const double now = monotonicMs();
  for (Connection& c : connections_) {
    // A connection that ends in this tick has drained for no time yet; its rows are dropped when
    // they come.
    if (c.state == State::kEnding && drainingMs <= 0) bury(&c);
    if (c.state != State::kDraining && c.state != State::kLingering) continue;
    if (now - c.sinceMs >= drainingMs) bury(&c);
  }
  // Descriptors may have come free elsewhere in the process.
  turnListeners(kClients, true);
  turnListeners(kLinks, true);
  wake();
}

void Transport::destroy() {
  destroying_ = true;
  if (!inTurn_) destroyNow();
}

void Transport::destroyNow() {
  if (destroyed_) return;
  destroyed_ = true;
  for (Connection& c : connections_) {
    if (c.state != State::kFree && c.state != State::kDead) bury(&c);
  }
  for (Listener& listener : listeners_) hotspare::closeListener(&listener);
  host_->stopped();
  closeEpolls();
}

void Transport::closeEpolls() {
  for (ReadySet& set : ready_) {
    if (set.epoll >= 0) ::close(set.epoll);
    set.epoll = -1;
  }
}

/// Takes back the bytes that TypeScript left of each row.
void Transport::settle(int rows) {
  for (int i = 0; i < rows; ++i) {
    const EventRow& row = tables_.events[i];
    if (row.kind != kData) continue;
    Connection* c = &connections_[static_cast<size_t>(row.connection)];
    if (c->state == State::kOpen) settleRow(c, row);
  }
}

void Transport::settleRow(Connection* c, const EventRow& row) {
  HOTSPARE_CHECK(row.consumed >= 0 && row.consumed <= row.length);
  const char* bytes = tables_.input + row.offset + row.consumed;
  auto rest = static_cast<size_t>(row.length - row.consumed);
  if (c->sinkRest > 0 && rest > 0) {
    const size_t part = std::min<uint64_t>(rest, c->sinkRest);
    if (c->sink != nullptr) {
      std::memcpy(c->sink, bytes, part);
      c->sink += part;
    }
    c->sinkRest -= part;
    c->filled = c->sinkRest == 0;
    bytes += part;
    rest -= part;
  }
  awaitSink(c);
  if (c->state != State::kOpen) return;
  keep(c, bytes, rest);
  if (c->filled || (rest > 0 && row.next == kAgain)) {
    deliverAgain(c);
  } else if (rest >= 2 * options_.readBytesMax) {
    fail(c, EMSGSIZE);  // TypeScript asks for more, and there is no room for more
  } else if (!c->again) {
    resume(c);
  }
}

/// Keeps unconsumed bytes for the next row.
void Transport::keep(Connection* c, const char* bytes, size_t length) {
  if (length > c->leftoverCapacity || (length == 0 && c->leftover != nullptr)) {
    std::free(c->leftover);
    c->leftover = nullptr;
    c->leftoverCapacity = 0;
    if (length > 0) {
      const size_t capacity = std::max(length, kLeftoverBytesMin);
      c->leftover = static_cast<char*>(std::malloc(capacity));
      HOTSPARE_CHECK(c->leftover != nullptr);
      c->leftoverCapacity = static_cast<uint32_t>(capacity);
    }
  }
  if (length > 0) std::memcpy(c->leftover, bytes, length);
  c->leftoverBytes = static_cast<uint32_t>(length);
}

void Transport::deliverAgain(Connection* c) {
  c->again = true;
  if (c->againQueued) return;
  c->againQueued = true;
  again_[c->group].push(nameOf(*c));
}

/// Reads on, if nothing speaks against that and epoll was told not to look.
void Transport::resume(Connection* c) {
  const uint32_t interest = c->interest == Connection::kUnwatched ? 0 : c->interest;
  if ((interest & EPOLLIN) == 0 && wanted(*c)) watch(c, interest | EPOLLIN);
}

/// True when the next tick need not wait for a socket.
bool Transport::work() const {
  if (!again_[kLinks].empty() || !broken_[kLinks].empty() || !pool_.released.empty()) return true;
  if (mayOpen()) return true;
  const bool off = listenersOff_[kClients] || listenersOff_[kLinks] || waiting_;
  if (off && !dead_.empty()) return true;
  return !paused_ && (!again_[kClients].empty() || !broken_[kClients].empty());
}

void Transport::wake() {
  if (!inTurn_ && !destroyed_) host_->wake(work());
}

}  // namespace hotspare
