// From sockets to event rows. Everything is level-triggered: a socket that is not served now is
// reported again.
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "check.h"
#include "transport.h"

namespace hotspare {
namespace {

constexpr size_t kSinkBytesPerRead = size_t{512} * 1024;
constexpr size_t kPatienceBytesLeast = size_t{512} * 1024;
// The time of a tick for reading, and for sending to connections that take the rest of their
// replies.
constexpr double kGatherMs = 2;
constexpr int kScratchParts = kSinkBytesPerRead / kScratchBytes;

}  // namespace

void Transport::gather(double startMs) {
  gatherStartMs_ = startMs;
  tick_++;
  rows_ = 0;
  inputUsed_ = 0;
  accepted_ = 0;
  active_ = false;
  if (!dead_.empty()) {
    for (const int32_t id : dead_) {
      Connection& c = connections_[static_cast<size_t>(id)];
      c.state = State::kFree;
      slots_[c.group]--;
      free_.push_back(id);
    }
    dead_.clear();
    turnListeners(kClients, true);
    turnListeners(kLinks, true);
    waitForRoom(false);
  }
  gatherGroup(kLinks);
  reportReleased();
  gatherGroup(kClients);
}

void Transport::gatherGroup(Group group) {
  // Bounds for each group, so that links cannot take the clients' share.
  filledBytes_ = 0;
  sunkBytes_ = 0;
  const bool still = group == kClients && paused_;
  if (!still) reportBroken(group);
  // Leftovers and fresh bytes are served first in turn, so that neither can take the whole input
  // buffer for ever.
  const bool leftoversFirst = tick_ % 2 == 0;
  if (leftoversFirst && !still) serveAgain(group);
  if (descriptors_[group] > 0) serveReady(group);
  if (!leftoversFirst && !still) serveAgain(group);
}

void Transport::reportBroken(Group group) {
  Queue<ConnectionName>& broken = broken_[group];
  for (; !broken.empty() && roomForRow(); broken.pop()) {
    const ConnectionName name = broken.front();
    Connection* c = &connections_[static_cast<size_t>(name.id)];
    if (c->generation != name.generation || c->state != State::kBroken) continue;
    addRow(c->connecting ? kConnected : kClosed, name.id, 0, c->error, group);
    bury(c);
  }
}

void Transport::reportReleased() {
  // At most half of the table: clients must get on too.
  for (size_t n = options_.eventsMax / 2; n > 0 && !pool_.released.empty() && roomForRow(); --n) {
    const Released released = pool_.released.front();
    pool_.released.pop();
    addRow(kReleased, released.connection, released.token, 0, 0);
  }
}

/// Delivers leftovers to connections that asked for them again, and reports sinks that were filled
/// from leftovers.
void Transport::serveAgain(Group group) {
  Queue<ConnectionName>& queue = again_[group];
  for (size_t n = queue.size(); n > 0; --n) {
    Connection* c = find(queue.front());
    if (c != nullptr && c->againQueued) {
      if (c->pending() >= options_.pendingHighBytes) {
        c->againQueued = false;  // relieve() queues it again
      } else {
        if (!roomForRow() || options_.inputBytes - inputUsed_ < c->leftoverBytes) return;
        if (c->filled && !roomForSink(*c)) return;
        deliver(c);
      }
    }
    queue.pop();
  }
}

void Transport::deliver(Connection* c) {
  const auto offset = static_cast<int32_t>(inputUsed_);
  if (c->leftoverBytes > 0) std::memcpy(tables_.input + offset, c->leftover, c->leftoverBytes);
  inputUsed_ += c->leftoverBytes;
  EventRow* row = addRow(kData, idOf(*c), offset, static_cast<int32_t>(c->leftoverBytes), c->group);
  if (c->filled) {
    row->filled = 1;
    filledBytes_ += c->sinkBytes;
  }
  c->filled = false;
  c->again = false;
  c->againQueued = false;
  c->servedTick = tick_;
}

/// Goes on in epoll's list where the last tick had no more room, then asks epoll once for more.
void Transport::serveReady(Group group) {
  ReadySet& set = ready_[group];
  for (int looks = 0;; ++looks) {
    for (; set.next < set.count; ++set.next) {
      active_ = true;
      if (monotonicMs() > gatherStartMs_ + kGatherMs) return;
      if (!serve(set.events[set.next])) return;
    }
    if (looks == 1) return;
    const int count =
        epoll_wait(set.epoll, set.events.data(), static_cast<int>(set.events.size()), 0);
    set.next = 0;
    set.count = count < 0 ? 0 : static_cast<size_t>(count);
  }
}

/// False: there is no room in this tick, and the event stays the first of the next.
bool Transport::serve(const epoll_event& event) {
  const auto id = static_cast<int32_t>(event.data.u64 & 0xffffffff);
  const auto generation = static_cast<uint32_t>(event.data.u64 >> 32);
  if (generation == kListenerMark) return accept(&listeners_[static_cast<size_t>(id)]);
  Connection* c = find({id, generation});
  if (c == nullptr) return true;
  if (c->state == State::kConnecting) return finishConnect(c);
  if ((event.events & EPOLLOUT) != 0) flush(c);
  if (c->state == State::kOpen) {
    if ((event.events & ~static_cast<uint32_t>(EPOLLOUT)) == 0) return true;
    return serveOpen(c, event.events);
  }
  if (c->state == State::kDraining || c->state == State::kLingering) discard(c, event.events);
  return true;
}

bool Transport::serveOpen(Connection* c, uint32_t mask) {
  if (c->servedTick == tick_) return true;
  if (!wanted(*c)) {
    quiet(c, mask);
    return true;
  }
  const size_t most = c->leftoverBytes + freshBytes(*c);
  if (!roomForRow() || options_.inputBytes - inputUsed_ < most) return false;
  if (c->sinkRest > 0 && sunkBytes_ >= options_.sinkBytesPerTick) return false;
  if (c->sinkRest > 0 && c->sinkRest <= kSinkBytesPerRead && !roomForSink(*c)) return false;
  read(c, mask);
  return true;
}

/// Bytes to read behind the leftover: a row is at most twice readBytesMax long.
size_t Transport::freshBytes(const Connection& c) const {
  return std::min(options_.readBytesMax, 2 * options_.readBytesMax - c.leftoverBytes);
}

bool Transport::finishConnect(Connection* c) {
  if (!roomForRow()) return false;
  const int code = socketError(c->descriptor);
  if (code != 0) {
    addRow(kConnected, idOf(*c), 0, code, c->group);
    bury(c);
    return true;
  }
  addRow(kConnected, idOf(*c), 0, 0, c->group);
  c->state = State::kOpen;
  c->servedTick = tick_;
  if (c->group == kClients) tables_.counters[kConnections] += 1;
  watch(c, EPOLLIN);
  flush(c);
  return true;
}

bool Transport::wanted(const Connection& c) const {
  return !c.again && !c.choked && !(paused_ && c.group == kClients);
}

/// epoll reports a connection that is not to be read from: only now is the system call that masks
/// the connection worth its price.
void Transport::quiet(Connection* c, uint32_t mask) {
  if ((mask & EPOLLERR) != 0) {
    const int code = socketError(c->descriptor);
    if (code != 0) {
      fail(c, code);
      return;
    }
  }
  const bool soon = c->againQueued && !(paused_ && c->group == kClients);
  if (!soon) ignore(c, mask);
}

/// Reads once: first into the sink, and the rest into the input buffer behind the leftover.
void Transport::read(Connection* c, uint32_t mask) {
  char* start = tables_.input + inputUsed_;
  iovec parts[kScratchParts + 1];
  int count = 0;
  const size_t sinking = std::min<uint64_t>(c->sinkRest, kSinkBytesPerRead);
  for (size_t left = sinking; left > 0; ++count) {
    char* at = c->sink == nullptr ? scratch_.data() : c->sink;
    parts[count] = {at, c->sink == nullptr ? std::min(left, scratch_.size()) : left};
    left -= parts[count].iov_len;
  }
  if (sinking == c->sinkRest) parts[count++] = {start + c->leftoverBytes, freshBytes(*c)};
  const ssize_t got = count == 1 ? recv(c->descriptor, parts[0].iov_base, parts[0].iov_len, 0)
                                 : readv(c->descriptor, parts, count);
  if (got < 0 && isTransient(errno)) {
    if ((mask & (EPOLLERR | EPOLLHUP)) != 0 && errno != EINTR) fail(c, ECONNRESET);
    return;
  }
  if (got < 0) {
    fail(c, errno);
    return;
  }
  if (got == 0) {
    addRow(kClosed, idOf(*c), 0, 0, c->group);
    c->peerEnded = true;
    end(c);
    return;
  }
  if (c->group == kClients) tables_.counters[kReadBytes] += static_cast<double>(got);
  const size_t sunk = std::min(static_cast<size_t>(got), sinking);
  sunkBytes_ += sunk;
  if (sunk > 0) c->sinceMs = gatherStartMs_;
  if (c->sink != nullptr) c->sink += sunk;
  c->sinkRest -= sunk;
  awaitSink(c);
  if (c->sinkRest > 0 || c->state != State::kOpen) return;
  c->filled = sinking > 0;
  const size_t received = static_cast<size_t>(got) - sunk;
  const size_t offset = inputUsed_;
  if (c->leftoverBytes > 0) std::memcpy(start, c->leftover, c->leftoverBytes);
  inputUsed_ += c->leftoverBytes + received;
  EventRow* row = addRow(kData, idOf(*c), static_cast<int32_t>(offset),
                         static_cast<int32_t>(inputUsed_ - offset), c->group);
  if (c->filled) {
    row->filled = 1;
    filledBytes_ += c->sinkBytes;
  }
  c->filled = false;
  c->servedTick = tick_;
}

/// The bytes of a sink are of no use before the last has come. Where several connections send large
/// ones, the kernel tells of them in large parts, and wakes nobody for each packet. A connection
/// that sends alone is read as its packets come: nobody else would use the time.
void Transport::awaitSink(Connection* c) {
  const size_t part = std::min<uint64_t>(c->sinkRest, kSinkBytesPerRead);
  const bool worth = part >= kPatienceBytesLeast && c->crowded;
  if (!worth && !c->patient) return;
  if (worth && c->patient && part == kSinkBytesPerRead) return;
  if (wakeAfter(c->descriptor, worth ? part : 1)) {
    c->patient = worth;
  } else if (!worth) {
    fail(c, errno);  // nobody would be told of the last bytes
  }
}

/// A closing connection's input is thrown away, so that its peer gets to read our last reply.
void Transport::discard(Connection* c, uint32_t mask) {
  if (!c->peerEnded) {
    if ((mask & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
    iovec parts[kScratchParts];
    for (iovec& part : parts) part = {scratch_.data(), scratch_.size()};
    const ssize_t got = readv(c->descriptor, parts, kScratchParts);
    const bool later = got < 0 && isTransient(errno) && (mask & (EPOLLHUP | EPOLLERR)) == 0;
    if (got > 0 || later) return;
    c->peerEnded = got == 0;
  }
  if (!c->peerEnded || c->state == State::kLingering || (mask & EPOLLERR) != 0) {
    bury(c);
    return;
  }
  ignore(c, mask);
}

/// Watches for room to write at most, and for nothing at all when epoll would go on to report that
/// the peer is gone.
void Transport::ignore(Connection* c, uint32_t mask) {
  const uint32_t output = c->interest & EPOLLOUT;
  watch(c, (mask & EPOLLHUP) != 0 && output == 0 ? Connection::kUnwatched : output);
}

EventRow* Transport::addRow(EventKind kind, int32_t id, int32_t offset, int32_t length,
                            int32_t group) {
  EventRow* row = &tables_.events[rows_++];
  *row = {kind, id, offset, length, 0, 0, kMore, group};
  return row;
}

}  // namespace hotspare
