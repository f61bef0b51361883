// The instruction takes 8 bytes every 3 cycles when each waits for the last one, so long inputs run
// in three independent streams whose checksums are joined by a table lookup.
#include "checksum.h"

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#define HOTSPARE_CRC_TARGET __attribute__((target("sse4.2")))
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#define HOTSPARE_CRC_TARGET __attribute__((target("+crc")))
#endif

namespace hotspare {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected

using Table = std::array<std::array<uint32_t, 256>, 8>;

/// table[k][b]: the effect of byte b followed by k zero bytes.
constexpr Table makeTable() {
  Table table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    table[0][byte] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = table[k - 1][byte];
      table[k][byte] = (before >> 8) ^ table[0][before & 0xff];
    }
  }
  return table;
}

constexpr Table kTable = makeTable();

uint64_t load64(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

#ifdef HOTSPARE_CRC_TARGET

constexpr size_t kStream = 1024;  // bytes of one of the three streams

using Shift = std::array<std::array<uint32_t, 256>, 4>;

/// shift[k][b]: the effect of checksum byte k being b, followed by kStream zero bytes.
constexpr Shift makeShift() {
  Shift shift{};
  for (size_t k = 0; k < 4; ++k) {
    // Linear in the checksum's bits: work out eight of them and combine.
    std::array<uint32_t, 8> bits{};
    for (size_t bit = 0; bit < 8; ++bit) {
      uint32_t crc = 1U << (8 * k + bit);
      for (size_t n = 0; n < kStream; ++n) crc = (crc >> 8) ^ kTable[0][crc & 0xff];
      bits[bit] = crc;
    }
    for (uint32_t byte = 0; byte < 256; ++byte) {
      for (size_t bit = 0; bit < 8; ++bit) {
        if ((byte >> bit & 1) != 0) shift[k][byte] ^= bits[bit];
      }
    }
  }
  return shift;
}

constexpr Shift kShift = makeShift();

uint32_t shifted(uint32_t crc) {
  return kShift[0][crc & 0xff] ^ kShift[1][crc >> 8 & 0xff] ^ kShift[2][crc >> 16 & 0xff] ^
         kShift[3][crc >> 24];
}

#if defined(__x86_64__)
HOTSPARE_CRC_TARGET inline uint32_t step64(uint32_t crc, uint64_t word) {
  return static_cast<uint32_t>(_mm_crc32_u64(crc, word));
}
HOTSPARE_CRC_TARGET inline uint32_t step8(uint32_t crc, uint8_t byte) {
  return _mm_crc32_u8(crc, byte);
}
bool hasInstruction() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("sse4.2") != 0;
}
#else
HOTSPARE_CRC_TARGET inline uint32_t step64(uint32_t crc, uint64_t word) {
  return __crc32cd(crc, word);
}
HOTSPARE_CRC_TARGET inline uint32_t step8(uint32_t crc, uint8_t byte) {
  return __crc32cb(crc, byte);
}
bool hasInstruction() {
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}
#endif

HOTSPARE_CRC_TARGET uint32_t crc32cFromInstruction(const uint8_t* bytes, size_t length,
                                                   uint32_t seed) {
  uint32_t crc = ~seed;
  for (; length >= 3 * kStream; bytes += 3 * kStream, length -= 3 * kStream) {
    uint32_t second = 0;
    uint32_t third = 0;
    for (size_t i = 0; i < kStream; i += 8) {
      crc = step64(crc, load64(bytes + i));
      second = step64(second, load64(bytes + kStream + i));
      third = step64(third, load64(bytes + 2 * kStream + i));
    }
    crc = shifted(shifted(crc) ^ second) ^ third;
  }
  for (; length >= 8; bytes += 8, length -= 8) crc = step64(crc, load64(bytes));
  for (; length > 0; ++bytes, --length) crc = step8(crc, *bytes);
  return ~crc;
}

#endif  // HOTSPARE_CRC_TARGET

}  // namespace

uint32_t crc32c(const uint8_t* bytes, size_t length, uint32_t seed) {
#ifdef HOTSPARE_CRC_TARGET
  static const bool instruction = hasInstruction();
  if (instruction) return crc32cFromInstruction(bytes, length, seed);
#endif
  return crc32cFromTable(bytes, length, seed);
}

uint32_t crc32cFromTable(const uint8_t* bytes, size_t length, uint32_t seed) {
  uint32_t crc = ~seed;
  if constexpr (std::endian::native == std::endian::little) {
    for (; length >= 8; bytes += 8, length -= 8) {
      const uint64_t word = load64(bytes) ^ crc;
      crc = 0;
      for (size_t k = 0; k < 8; ++k) crc ^= kTable[7 - k][word >> (8 * k) & 0xff];
    }
  }
  for (; length > 0; ++bytes, --length) crc = (crc >> 8) ^ kTable[0][(crc ^ *bytes) & 0xff];
  return ~crc;
}

}  // namespace hotspare
