// From reply rows to sockets: at once where possible; otherwise behind the bytes that are queued or
// held.
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "check.h"
#include "transport.h"

namespace hotspare {
namespace {

constexpr int kPartsMax = 64;  // of one sendmsg
// The most that is sent to one connection at once. A peer that reads as fast as we send would keep
// us for as long as there is something to send: the rest goes when epoll says that there is room,
// in a later tick.
constexpr size_t kSendBytesMax = size_t{1024} * 1024;
constexpr double kOpenMs = 2;       // of a tick, for what barriers held
constexpr int kFlushesPerLook = 4;  // between two looks at the clock

/// Bytes sent; 0 when the socket takes none now; -1 with errno.
ssize_t transmit(int descriptor, iovec* parts, int count) {
  size_t room = kSendBytesMax;
  for (int i = 0; i < count; ++i) {
    parts[i].iov_len = std::min(parts[i].iov_len, room);
    room -= parts[i].iov_len;
    if (room == 0) count = i + 1;
  }
  ssize_t sent;
  do {
    if (count == 1) {
      sent = ::send(descriptor, parts->iov_base, parts->iov_len, MSG_NOSIGNAL);
    } else {
      msghdr message{};
      message.msg_iov = parts;
      message.msg_iovlen = static_cast<size_t>(count);
      sent = sendmsg(descriptor, &message, MSG_NOSIGNAL);
    }
  } while (sent < 0 && errno == EINTR);
  return sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : sent;
}

}  // namespace

void Transport::scatter(double barrier) {
  openGates();
  const double count = tables_.counters[kReplyRows];
  tables_.counters[kReplyRows] = 0;
  HOTSPARE_CHECK(count >= 0 && count <= static_cast<double>(options_.repliesMax));
  const bool held = barrier > released_;
  // Barriers only grow, so that waiting connections stand in the order in which they are released.
  if (held && !held_.empty()) barrier = std::max(barrier, held_.back().barrier);
  const ReplyRow* row = tables_.replies;
  const ReplyRow* const end = row + static_cast<size_t>(count);
  while (row < end) {
    const ReplyRow* const first = row;
    while (row < end && row->connection == first->connection) ++row;
    HOTSPARE_CHECK(first->connection >= 0 &&
                   static_cast<size_t>(first->connection) < connections_.size());
    Connection* c = &connections_[static_cast<size_t>(first->connection)];
    if (c->state != State::kOpen && c->state != State::kEnding && c->state != State::kConnecting) {
      dropRows(first, row);
    } else if (held && c->group == kClients) {
      hold(c, barrier);
      queueRows(c, first, row, 0);
    } else if (c->pending() > 0 || c->state == State::kConnecting) {
      queueRows(c, first, row, 0);
    } else {
      sendRows(c, first, row);
    }
  }
  drainEnded();
}

/// Sends rows of one connection; the first that the socket does not take whole, and all after it,
/// are queued.
void Transport::sendRows(Connection* c, const ReplyRow* row, const ReplyRow* end) {
  while (row < end) {
    iovec parts[kPartsMax];
    int count = 0;
    size_t total = 0;
    const ReplyRow* const first = row;
    for (; row < end; ++row) {
      char* bytes = const_cast<char*>(bytesOf(*row));
      iovec* last = count > 0 ? &parts[count - 1] : nullptr;
      if (last != nullptr && static_cast<char*>(last->iov_base) + last->iov_len == bytes) {
        last->iov_len += row->length;
      } else if (count < kPartsMax) {
        parts[count++] = {bytes, row->length};
      } else {
        break;
      }
      total += row->length;
    }
    const ssize_t sent = total == 0 ? 0 : transmit(c->descriptor, parts, count);
    if (sent < 0) {
      fail(c, errno);
      dropRows(first, end);
      return;
    }
    if (c->group == kClients) tables_.counters[kWrittenBytes] += static_cast<double>(sent);
    if (static_cast<size_t>(sent) < total) {
      queueRows(c, first, end, static_cast<size_t>(sent));
      waitWritable(c);
      return;
    }
    dropRows(first, row);
  }
}

/// Queues rows of one connection but for their first `skip` bytes, which are sent.
void Transport::queueRows(Connection* c, const ReplyRow* row, const ReplyRow* end, size_t skip) {
  for (; row < end; ++row) {
    const char* bytes = bytesOf(*row);
    const size_t gone = std::min<size_t>(skip, row->length);
    skip -= gone;
    if (gone == row->length) {
      dropRows(row, row + 1);
    } else if (row->kind == kReference) {
      outputOf(c)->refer(&pool_, bytes + gone, row->length - gone, row->connection, row->token);
      countPending(c, static_cast<double>(row->length - gone));
    } else {
      queueBytes(c, bytes + gone, row->length - gone);
    }
  }
}

/// Gives the memory of these rows back: the rows are sent, or will never be.
void Transport::dropRows(const ReplyRow* row, const ReplyRow* end) {
  for (; row < end; ++row) {
    if (row->kind == kReference) pool_.released.push({row->connection, row->token});
  }
}

const char* Transport::bytesOf(const ReplyRow& row) const {
  if (row.kind == kCopy) {
    HOTSPARE_CHECK(row.offset <= options_.outputBytes &&
                   row.length <= options_.outputBytes - row.offset);
    return tables_.output + row.offset;
  }
  const Memory* from = memory(row.buffer);
  HOTSPARE_CHECK(from != nullptr && row.offset <= from->length &&
                 row.length <= from->length - row.offset);
  return from->bytes + row.offset;
}

int64_t Transport::send(int32_t id, const char* bytes, size_t length) {
  Connection* c = live(id);
  if (c == nullptr) return -1;
  size_t sent = 0;
  if (c->pending() == 0 && c->state == State::kOpen && length > 0) {
    iovec part = {const_cast<char*>(bytes), length};
    const ssize_t result = transmit(c->descriptor, &part, 1);
    if (result < 0) {
      fail(c, errno);
      wake();
      return -1;
    }
    sent = static_cast<size_t>(result);
    if (c->group == kClients) tables_.counters[kWrittenBytes] += static_cast<double>(sent);
  }
  if (sent < length) {
    const bool first = c->pending() == 0;
    queueBytes(c, bytes + sent, length - sent);
    if (first && c->state == State::kOpen) waitWritable(c);
    if (c->state == State::kBroken) {
      wake();
      return -1;
    }
  }
  return static_cast<int64_t>(c->pending());
}

Output* Transport::outputOf(Connection* c) {
  if (c->output == nullptr) c->output = pool_.take();
  return c->output;
}

void Transport::queueBytes(Connection* c, const char* bytes, size_t length) {
  outputOf(c)->copy(&pool_, bytes, length);
  countPending(c, static_cast<double>(length));
}

/// Bytes that are queued for this connection from now on wait for the barrier.
void Transport::hold(Connection* c, double barrier) {
  if (outputOf(c)->hold(barrier)) held_.push({nameOf(*c), barrier});
}

/// Sends the output that released barriers held. The cost grows with the output to release, not
/// with the connections. When there is much to release, the rest follows in the next tick.
void Transport::openGates() {
  if (!mayOpen()) return;
  const double endMs = monotonicMs() + kOpenMs;
  for (int count = 1; mayOpen(); ++count) {
    if (count % kFlushesPerLook == 0 && monotonicMs() >= endMs) return;
    Connection* c = find(held_.front().name);
    held_.pop();
    if (c == nullptr || c->output == nullptr) continue;
    c->output->release(released_);
    if (!waits(*c)) flush(c);
  }
}

/// True when a barrier that a connection waits for is released.
bool Transport::mayOpen() const {
  return !held_.empty() && held_.front().barrier <= released_;
}

/// Sends all that may leave. The connection may be gone afterwards.
void Transport::flush(Connection* c) {
  if (c->output == nullptr) return;
  while (c->output->sendable() > 0) {
    iovec parts[kPartsMax];
    size_t total = 0;
    const int count = c->output->parts(parts, kPartsMax, &total);
    const ssize_t sent = transmit(c->descriptor, parts, count);
    if (sent < 0) {
      fail(c, errno);
      return;
    }
    c->output->advance(&pool_, static_cast<size_t>(sent));
    countPending(c, -static_cast<double>(sent));
    if (c->group == kClients) tables_.counters[kWrittenBytes] += static_cast<double>(sent);
    if (static_cast<size_t>(sent) < total) {
      waitWritable(c);
      break;
    }
  }
  if (c->output == nullptr) return;  // the rows could not be queued, and the connection failed
  if (c->output->sendable() == 0 && waits(*c)) watch(c, c->interest & ~uint32_t{EPOLLOUT});
  if (c->pending() == 0) dropOutput(c);
  if (c->state == State::kDraining && c->output == nullptr) {
    drained(c);
  } else if (c->state == State::kOpen) {
    relieve(c);
  }
}

/// Less output is pending: perhaps the connection may be read from again.
void Transport::relieve(Connection* c) {
  if (c->choked && c->pending() * 2 <= options_.pendingHighBytes) c->choked = false;
  if (c->again && !c->againQueued && c->pending() < options_.pendingHighBytes) deliverAgain(c);
  resume(c);
}

/// True while epoll tells when the socket takes more.
bool Transport::waits(const Connection& c) const {
  return c.interest != Connection::kUnwatched && (c.interest & EPOLLOUT) != 0;
}

void Transport::waitWritable(Connection* c) {
  watch(c, (c->interest == Connection::kUnwatched ? 0 : c->interest) | EPOLLOUT);
}

void Transport::dropOutput(Connection* c) {
  if (c->output == nullptr) return;
  countPending(c, -static_cast<double>(c->pending()));
  c->output->clear(&pool_);
  pool_.put(c->output);
  c->output = nullptr;
}

void Transport::countPending(Connection* c, double change) {
  tables_.counters[c->group == kClients ? kPendingBytes : kLinkPendingBytes] += change;
  // Links are read from in any case: acks and heartbeats must not wait behind a slow peer.
  if (c->group == kClients && c->pending() >= options_.pendingHighBytes) c->choked = true;
}

}  // namespace hotspare
