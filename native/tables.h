// The tables shared with TypeScript: their words are those of EventWord, ReplyWord and counters in
// src/native/addon.ts.
#pragma once

#include <cstdint>

namespace hotspare {

struct EventRow {
  int32_t kind;
  int32_t connection;
  int32_t offset;
  int32_t length;
  int32_t filled;
  int32_t consumed;
  int32_t next;
  int32_t group;
};

enum EventKind : int32_t { kData = 0, kOpened = 1, kConnected = 2, kClosed = 3, kReleased = 4 };

enum Next : int32_t { kMore = 0, kAgain = 1 };

struct ReplyRow {
  int32_t connection;
  int32_t kind;
  uint32_t offset;
  uint32_t length;
  int32_t buffer;
  int32_t token;
};

enum ReplyKind : int32_t { kCopy = 0, kReference = 1 };

enum Counter : int {
  kReplyRows = 0,
  kReadBytes,
  kWrittenBytes,
  kPendingBytes,
  kConnections,
  kRefused,
  kTicks,
  kMonotonicMs,
  kListenersOffMicroseconds,
  kListenersOffTimes,
  kLinkPendingBytes,
  kRealtimeMs,
  kTickMicrosecondsMax,
  kCounters,
};

}  // namespace hotspare
