// The page beside the region that the peer writes: what has been placed, that it lives, and what is
// being placed. backup/link/mailbox.ts reads it.
//
//    0   sequence u64 | 0 u32              | check u32   all ranges of this batch are placed
//   16   beat u32 | echo u32 | pulse u32   | check u32   newest heartbeat, and the one it answers
//   64   sequence u64 | length u32         | check u32 | records     the redo
//
// The check (CRC32C of the rest) says that a letter has arrived whole: no order is promised inside
// a write. The first is not written with every batch: heartbeats carry it, and long batches do. The
// pulse counts signs of life within a batch of many ranges, which keeps heartbeats waiting.
//
// The redo holds what is written next, and stands until it is overwritten: whoever opens the region
// writes those records once more, which changes nothing where they are in place. So
//   - a small batch is safe with the one write that puts it there, before its ranges follow;
//   - a word that arrives in two halves (tcp: a stream is cut at any byte) is mended: where that
//     may happen, the redo of a larger batch holds the word that is published next, as sequence 0.
// So nothing else may be written over the bytes that a redo holds while it stands: a larger batch
// clears that of a batch before it writes. That of a word need not be cleared: where the word
// stands other bytes come only once it has been unlinked, by a publish, which has a redo of its
// own.
#pragma once

#include <cstdint>
#include <cstring>

#include "checksum.h"

namespace hotspare {

constexpr size_t kMailboxBytes = 4096;
constexpr size_t kLetterBytes = 16;
constexpr size_t kSequenceAt = 0;
constexpr size_t kBeatAt = 16;
constexpr size_t kRedoAt = 64;
/// Of a redo, its head included: one packet on a network of Ethernet's 1500 bytes.
constexpr size_t kRedoBytes = 1024;
constexpr size_t kRedoRecordsBytes = kRedoBytes - kLetterBytes;
/// So that an empty mailbox has no valid letter.
constexpr uint32_t kLetterSeed = 0x6c657474;

struct Letter {
  uint8_t bytes[kLetterBytes];

  explicit Letter(uint64_t wide, uint32_t word = 0) {
    std::memcpy(bytes, &wide, sizeof wide);
    std::memcpy(bytes + 8, &word, sizeof word);
    seal(crc32c(bytes, 12, kLetterSeed));
  }
  /// The head of a redo: the check covers the records, too.
  Letter(uint64_t sequence, const uint8_t* records, size_t length)
      : Letter(sequence, static_cast<uint32_t>(length)) {
    seal(crc32c(records, length, crc32c(bytes, 12, kLetterSeed)));
  }

 private:
  void seal(uint32_t check) { std::memcpy(bytes + 12, &check, sizeof check); }
};

}  // namespace hotspare
