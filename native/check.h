// Assertions stay on in production: a broken invariant ends the process, and a standby takes over.
#pragma once

namespace hotspare {

/// Says what does not hold, and ends the process.
[[noreturn]] void checkFailed(const char* file, int line, const char* condition);

}  // namespace hotspare

#define HOTSPARE_CHECK(condition)                              \
  do {                                                         \
    if (!(condition)) [[unlikely]] {                           \
      ::hotspare::checkFailed(__FILE__, __LINE__, #condition); \
    }                                                          \
  } while (false)
