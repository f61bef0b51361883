// A ring of bytes that wait for the completion of their writes: a network card may read them until
// then.
//
// Positions count from the beginning of time; a piece never wraps.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace hotspare {

class Staging {
 public:
  /// The memory is shared, so that no child process gets a copy of it on write. bytes() is null
  /// when the system has no memory.
  explicit Staging(size_t length) : length_(length) {
    if (length == 0) return;
    void* at = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bytes_ = at == MAP_FAILED ? nullptr : static_cast<uint8_t*>(at);
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging() {
    if (bytes_ != nullptr) munmap(bytes_, length_);
  }

  uint8_t* bytes() const { return bytes_; }
  size_t length() const { return length_; }
  uint64_t used() const { return head_ - tail_; }
  uint64_t head() const { return head_; }

  /// Room for a piece, or null when there is none now.
  uint8_t* take(size_t length) {
    uint64_t at = head_;
    if (at % length_ + length > length_) at += length_ - at % length_;
    if (at + length - tail_ > length_) return nullptr;
    head_ = at + length;
    return bytes_ + at % length_;
  }
  /// All pieces before this position are free.
  void free(uint64_t position) { tail_ = position; }
  void clear() { tail_ = head_; }

 private:
  const size_t length_;
  uint8_t* bytes_ = nullptr;
  uint64_t head_ = 0;
  uint64_t tail_ = 0;
};

}  // namespace hotspare
