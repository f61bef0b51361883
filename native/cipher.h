// AES-256-GCM under a counter, for one direction of a connection between nodes. OpenSSL is the one
// that Node carries: its functions are found in the running program, and nothing links with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "failure.h"

namespace hotspare {

constexpr size_t kCipherKeyBytes = 32;
constexpr size_t kCipherTagBytes = 16;

class Cipher {
 public:
  /// The first `headBytes` of each frame stay in clear; the tag vouches for them, too. Null, with
  /// the failure, where this Node does not export OpenSSL's functions.
  static std::unique_ptr<Cipher> create(const uint8_t* key, size_t headBytes, bool seals,
                                        Failure* failure);
  ~Cipher();
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;

  size_t headBytes() const { return headBytes_; }

  /// Writes `length + kCipherTagBytes` bytes to `to`: the frame, encrypted, and its tag.
  bool seal(const uint8_t* frame, size_t length, uint8_t* to);
  /// Decrypts a frame with its tag, `length` bytes, where it stands. False when it is not the next
  /// of its direction; then its bytes are worth nothing, and nor is this cipher.
  bool open(uint8_t* frame, size_t length);

 private:
  Cipher(void* context, size_t headBytes) : context_(context), headBytes_(headBytes) {}

  bool begin(const uint8_t* head);

  void* context_;
  size_t headBytes_;
  uint64_t count_ = 0;  // frames so far; no nonce is ever used twice with a key
};

}  // namespace hotspare
