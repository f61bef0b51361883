// The page beside the region that the peer writes: what has been placed, that it lives, and which
// word it is about to publish. backup/mailbox.ts reads it.
//
//    0   sequence u64 | 0 u32              | check u32   all ranges of this batch are placed
//   16   beat u32     | echo u32 | 0 u32   | check u32   newest heartbeat, and the one it answers
//   32   offset u64   | word u32           | check u32   the word that is published next
//
// The check (CRC32C of the rest) says that a letter has arrived whole: no order is promised inside
// a write. The first is not written with every batch: heartbeats carry it, and long batches do. The
// third is written before every publish where a word may arrive in two halves (tcp: a stream is cut
// at any byte): whoever opens the region publishes that word again.
#pragma once

#include <cstdint>
#include <cstring>

#include "checksum.h"

namespace hotspare {

constexpr size_t kMailboxBytes = 4096;
constexpr size_t kLetterBytes = 16;
constexpr size_t kSequenceAt = 0;
constexpr size_t kBeatAt = 16;
constexpr size_t kIntentAt = 32;
/// So that an empty mailbox has no valid letter.
constexpr uint32_t kLetterSeed = 0x6c657474;

struct Letter {
  uint8_t bytes[kLetterBytes];

  Letter(uint64_t wide, uint32_t word) {
    std::memcpy(bytes, &wide, sizeof wide);
    std::memcpy(bytes + 8, &word, sizeof word);
    const uint32_t check = crc32c(bytes, 12, kLetterSeed);
    std::memcpy(bytes + 12, &check, sizeof check);
  }
};

}  // namespace hotspare
