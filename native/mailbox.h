// The page beside the region in which a primary writes how far it has placed batches, that it
// lives, and the records that it places next. backup/link/mailbox.ts reads it.
//
// clang-format off
//    0   sequence u64 | 0 u32              | check u32   all ranges of this batch are placed
//   16   beat u32 | echo u32 | pulse u32   | check u32   newest heartbeat, and the one it answers
//   64   sequence u64 | length u32         | check u32 | records     the redo
// clang-format on
//
// The check (CRC32C of the rest) says that a letter has arrived whole: no order is promised inside
// a write. The letter with the sequence is not written with every batch: heartbeats carry it, and
// long batches do. The pulse counts signs of life within a batch of many ranges, which keeps
// heartbeats waiting.
//
// The redo holds the records that are written next, and stands until it is overwritten. A standby
// that opens the region writes those records once more, and that changes nothing where they are in
// place. The redo has two uses:
//   - a small batch is safe with the single write that puts it there, before its ranges follow;
//   - a word that arrives in two halves (tcp: a stream is cut at any byte) is mended: where words
//     may be cut, the redo of a larger batch holds the word that is published next, as sequence 0.
// Therefore nothing else may be written over the bytes that a redo names while it stands: a larger
// batch clears the redo of an earlier batch before it writes. The redo of a word need not be
// cleared: other bytes come to the word's place only after it has been unlinked by a publish, and
// that publish has a redo of its own.
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
/// The longest redo, its head included: it fits a packet on a network of Ethernet's 1500 bytes.
constexpr size_t kRedoBytes = 1024;
constexpr size_t kRedoRecordsBytes = kRedoBytes - kLetterBytes;
/// The checks do not begin with 0, lest a mailbox of zeros hold valid letters.
constexpr uint32_t kLetterSeed = 0x6c657474;

struct Letter {
  uint8_t bytes[kLetterBytes];

  explicit Letter(uint64_t wide, uint32_t word = 0) {
    std::memcpy(bytes, &wide, sizeof wide);
    std::memcpy(bytes + 8, &word, sizeof word);
    seal(crc32c(bytes, 12, kLetterSeed));
  }
  /// The head of a redo. The check covers the records, too.
  Letter(uint64_t sequence, const uint8_t* records, size_t length)
      : Letter(sequence, static_cast<uint32_t>(length)) {
    seal(crc32c(records, length, crc32c(bytes, 12, kLetterSeed)));
  }

 private:
  void seal(uint32_t check) { std::memcpy(bytes + 12, &check, sizeof check); }
};

}  // namespace hotspare
