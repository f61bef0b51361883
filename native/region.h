// The region's memory: one contiguous shared mapping over a memfd or a file.
//
//   offset 0                headBytes                             headBytes + pagesBytes
//   | head                  | pages                               |
//
// It knows its size and nothing of what lies in it. Every offset here counts from the head's start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "failure.h"

namespace hotspare {

struct RegionOptions {
  size_t headBytes = 0;
  size_t pagesBytes = 0;
  std::string file;      // empty = anonymous
  bool discard = false;  // what the file holds
  bool lockMemory = false;
  bool hugePages = false;
};

/// A user whose memory files are served, beside root and the process's own: the one that a process
/// that is still root will become.
void trustOwner(unsigned int user);

class Region {
 public:
  /// Null with `failure` set when the system refuses.
  static std::unique_ptr<Region> open(const RegionOptions& options, Failure* failure);

  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  ~Region();

  uint8_t* bytes() const { return bytes_; }
  size_t length() const { return length_; }
  /// True when the memory is all zero: it stands on nothing older.
  bool created() const { return created_; }

  /// Writes everything to the file and waits for it.
  Failure sync();

  /// Writes a list of records (u64 offset, u32 length, bytes padded to 4) in their order, after
  /// checking all of them: the list's length, every range inside the region, every offset a
  /// multiple of 4. Returns how many there were, or -1 and nothing is written.
  int64_t apply(const uint8_t* list, size_t length);

 private:
  Region() = default;
  Failure openMemory();
  Failure openFile(const std::string& path, bool discard);
  Failure map(const RegionOptions& options);

  uint8_t* bytes_ = nullptr;
  size_t length_ = 0;
  int descriptor_ = -1;
  int lock_ = -1;
  bool created_ = false;
};

}  // namespace hotspare
