// A slot of the connection table.
//
// clang-format off
//   Free ──connect──► Connecting ──ready──► Open ◄──accept── Free
//                         │                  │  │
//                       error              error└──EOF, close(flush)──► Ending      replies of this tick still go
//                         └───► Broken ◄─────┘                            │ tick ends
//                                 │ its CLOSED row is written             ▼
//                                 │                                    Draining     nothing is told any more
//                                 ▼         error, sweep                  │ all is sent
//   Free ◄──next tick──────────  Dead ◄───────────────────────────────────┤
//                                 ▲         error, sweep, EOF of the peer ▼
//                                 └─────────────────────────────────── Lingering    our side is shut down
// clang-format on
//
// TypeScript knows the id from Open/Connecting until a CLOSED row or its own close(); Draining and
// Lingering are the transport's own business. While a connection is Lingering, our side is shut
// down, and input is thrown away until the peer closes too, so that a reset does not destroy our
// last reply on its way.
#pragma once

#include <cstdint>

#include "output.h"

namespace hotspare {

enum class State : uint8_t {
  kFree,
  kConnecting,
  kOpen,
  kEnding,
  kDraining,
  kLingering,
  kBroken,
  kDead
};

/// 80 bytes; an idle connection owns nothing else.
struct Connection {
  int descriptor = -1;
  uint32_t generation = 0;  // of the slot: tells a stale epoll event or queue entry
  uint32_t interest = 0;    // what epoll watches, or kUnwatched
  uint32_t servedTick = 0;  // the last tick that has a row of it
  int32_t error = 0;        // of a Broken connection
  State state = State::kFree;
  uint8_t group = 0;
  bool connecting : 1 = false;   // Broken: it failed before it was open
  bool choked : 1 = false;       // not read from: too much output pending
  bool again : 1 = false;        // the leftover is delivered before anything is read
  bool againQueued : 1 = false;  // the connection stands in the queue of those
  bool filled : 1 = false;       // the sink was filled, and no row has said so yet
  bool peerEnded : 1 = false;    // EOF was read
  bool crowded : 1 = false;      // the sink before this one was another connection's
  bool patient : 1 = false;      // the socket wakes nobody before a part of the sink has come
  char* leftover = nullptr;      // unconsumed bytes; null when there are none
  uint32_t leftoverBytes = 0;
  uint32_t leftoverCapacity = 0;
  Output* output = nullptr;  // null when nothing is pending
  char* sink = nullptr;      // where the next sinkRest bytes go; null = nowhere
  uint64_t sinkRest = 0;
  uint64_t sinkBytes = 0;  // of the whole sink
  double sinceMs = 0;      // when Draining began; before, when the last byte for a sink came

  static constexpr uint32_t kUnwatched = ~0U;

  uint64_t pending() const { return output == nullptr ? 0 : output->pending(); }
};

static_assert(sizeof(Connection) == 80);

/// Names a connection in a queue where it may die.
struct ConnectionName {
  int32_t id;
  uint32_t generation;
};

}  // namespace hotspare
