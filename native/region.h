// The region's memory: one contiguous shared mapping over a memfd or a file.
//
//   offset 0                headBytes                             headBytes + pagesBytes
//   | head                  | pages                               |
//
// A region knows its size and nothing of its content. Every offset here counts from the head's
// start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "failure.h"

namespace hotspare {

struct RegionOptions {
  size_t headBytes = 0;
  size_t pagesBytes = 0;
  std::string file;      // empty = anonymous
  bool discard = false;  // gives up the content of the file
  bool lockMemory = false;
  bool hugePages = false;
};

/// The result of a scan.
struct Scanned {
  uint64_t at = 0;      // all before it is zero, or was never written
  uint64_t length = 0;  // bytes from there in which no page of 4 KiB is all zero; 0: none found yet
  uint64_t looked = 0;  // bytes that were read
};

/// A user whose memory files are served, beside root's and the process's own: the user that a
/// process that is still root will become.
void trustOwner(unsigned int user);

class Region {
 public:
  /// Null with `failure` set when the system refuses.
  static std::unique_ptr<Region> open(const RegionOptions& options, Failure* failure);

  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  /// The memory is given up later (unmap.h); the file is free at once.
  ~Region();

  uint8_t* bytes() const { return bytes_; }
  size_t length() const { return length_; }
  /// True when the memory is all zero: it stands on nothing older.
  bool created() const { return created_; }

  /// Makes everything zero, the superblock last, and keeps the file's blocks. The call may take
  /// long.
  Failure wipe();

  /// Writes everything to the file and waits for it.
  Failure sync();

  /// Writes a list of records (u64 offset, u32 length, bytes padded to 4) in their order, after
  /// checking all of them: the list's length, every range inside the region, every offset a
  /// multiple of 4. Returns how many there were, or -1 and nothing is written.
  int64_t apply(const uint8_t* list, size_t length);

  /// Looks in [offset, end) for the first bytes that are not zero, at most `longest` of them. Reads
  /// about `budget` bytes and then says how far that came. Pages that were never written are
  /// neither read nor allocated.
  Scanned scan(uint64_t offset, uint64_t end, uint64_t longest, uint64_t budget);

 private:
  Region() = default;
  Failure openMemory();
  Failure openFile(const std::string& path, bool discard);
  Failure map(const RegionOptions& options);
  Failure zero(uint64_t offset, uint64_t length);
  uint64_t firstWritten(uint64_t offset, uint64_t end);

  uint8_t* bytes_ = nullptr;
  size_t length_ = 0;
  int descriptor_ = -1;
  int lock_ = -1;
  bool created_ = false;
  bool leaps_ = false;           // the kernel tells at once where the next written page is
  std::vector<uint8_t> window_;  // the bytes that a scan looks at
};

}  // namespace hotspare
