// See unmap.h.
#include "unmap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "aside.h"

namespace hotspare {
namespace {

constexpr size_t kSliceBytes = size_t{4} << 20;

void unmap(const Unmapping& unmapping) {
  const auto& [bytes, length, descriptor, isFile] = unmapping;
  constexpr int kFree = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  for (size_t at = 0; at < length; at += kSliceBytes) {
    const size_t slice = std::min(kSliceBytes, length - at);
    munmap(bytes + at, slice);
    // The last close would free all pages in one go.
    if (isFile) continue;
    static_cast<void>(
        !fallocate(descriptor, kFree, static_cast<off_t>(at), static_cast<off_t>(slice)));
  }
  ::close(descriptor);
}

void run(void* argument) {
  auto* unmapping = static_cast<Unmapping*>(argument);
  unmap(*unmapping);
  delete unmapping;
}

}  // namespace

void unmapLater(const Unmapping& unmapping) {
  runAside(run, new Unmapping(unmapping));
}

}  // namespace hotspare
