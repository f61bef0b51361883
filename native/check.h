// Assertions stay on in production: a broken invariant ends the process, and a standby takes over.
#pragma once

#include <cstdio>
#include <cstdlib>

#define HOTSPARE_CHECK(condition)                                                      \
  do {                                                                                 \
    if (!(condition)) [[unlikely]] {                                                   \
      std::fprintf(stderr, "hotspare: %s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
      std::abort();                                                                    \
    }                                                                                  \
  } while (false)
