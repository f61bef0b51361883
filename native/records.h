// The records of a batch, as the journal writes them and every link carries them
// (src/store/journal.ts).
//
//   offset u64 | length u32 | bytes, padded to a multiple of 4
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace hotspare {

constexpr size_t kRecordHeadBytes = 12;
constexpr size_t kRecordAlignment = 4;

struct Record {
  uint64_t offset;
  uint32_t length;
  const uint8_t* bytes;
  size_t size;  // of the whole record, padding included

  uint64_t end() const { return offset + length; }
  /// A publish: one aligned word, which others may read at any time.
  bool isWord() const { return length == sizeof(uint32_t); }
};

inline Record recordAt(const uint8_t* at) {
  Record record{};
  std::memcpy(&record.offset, at, sizeof record.offset);
  std::memcpy(&record.length, at + sizeof record.offset, sizeof record.length);
  record.bytes = at + kRecordHeadBytes;
  const size_t padded = (size_t{record.length} + kRecordAlignment - 1) & ~(kRecordAlignment - 1);
  record.size = kRecordHeadBytes + padded;
  return record;
}

/// How many records a list has; -1 when it is malformed or a range lies outside of `limit` bytes.
inline int64_t countRecords(const uint8_t* list, size_t length, size_t limit) {
  int64_t records = 0;
  while (length > 0) {
    if (length < kRecordHeadBytes) return -1;
    const Record record = recordAt(list);
    if (record.size > length) return -1;
    if (record.offset % kRecordAlignment != 0) return -1;
    if (record.offset > limit || record.length > limit - record.offset) return -1;
    list += record.size;
    length -= record.size;
    records++;
  }
  return records;
}

}  // namespace hotspare
