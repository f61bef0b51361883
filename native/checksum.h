// CRC32C (Castagnoli polynomial, RFC 3720 appendix B.4): with the processor's instruction where
// there is one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hotspare {

/// Continues from `seed`, the checksum of the bytes before (0 to start).
uint32_t crc32c(const uint8_t* bytes, size_t length, uint32_t seed);

/// The same from a table, for processors without the instruction.
uint32_t crc32cFromTable(const uint8_t* bytes, size_t length, uint32_t seed);

}  // namespace hotspare
