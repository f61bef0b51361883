// A refusal of the operating system: errno, and the call that gave it.
#pragma once

namespace hotspare {

struct Failure {
  int code = 0;  // errno; 0 = no failure
  const char* call = "";

  explicit operator bool() const { return code != 0; }
};

}  // namespace hotspare
