// See check.h.
#include "check.h"

#include <cstdlib>
#include <string>

#include "log_writer.h"

namespace hotspare {
namespace {

/// As `lastWordsMs` in src/base/limits.ts.
constexpr int kLastWordsMs = 200;

}  // namespace

/// The log's thread writes the line: a stderr that nobody reads would otherwise keep the process,
/// and its sockets, alive.
void checkFailed(const char* file, int line, const char* condition) {
  sayLine("hotspare: ", std::string(file) + ":" + std::to_string(line) + ": " + condition);
  flushLines(kLastWordsMs);
  std::abort();
}

}  // namespace hotspare
