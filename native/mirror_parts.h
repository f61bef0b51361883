// The parts of a standby's memory that its primary writes: the region, except the bytes that are
// the standby's own, and the mailbox beside it (mailbox.h).
//
// clang-format off
//   0         headBytes        bodyOffset              length
//   ├─ kHead ─┤ standby's own  ├─ kBody ───────────────┤        ├─ kMailbox ─┤
// clang-format on
//
// Both ends hold a region of this shape. Each part is registered by itself, and its remote address
// is that of its first byte: mirror_target.cc exposes the parts, mirror_writer.cc aims at them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hotspare {

enum Part : int { kHead = 0, kBody = 1, kMailbox = 2, kParts = 3 };

/// A region, as both ends know it: all but [headBytes, bodyOffset) is open to the peer.
struct RegionSpan {
  uint8_t* bytes = nullptr;
  size_t length = 0;
  size_t headBytes = 0;
  size_t bodyOffset = 0;
};

}  // namespace hotspare
