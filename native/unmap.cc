// See unmap.h.
#include "unmap.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace hotspare {
namespace {

constexpr size_t kSliceBytes = size_t{4} << 20;

void unmap(const Unmapping& unmapping) {
  const auto& [bytes, length, descriptor, isFile] = unmapping;
  constexpr int kFree = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  for (size_t at = 0; at < length; at += kSliceBytes) {
    const size_t slice = std::min(kSliceBytes, length - at);
    munmap(bytes + at, slice);
    // Left to the last close, all pages would be freed in one go.
    if (isFile) continue;
    static_cast<void>(
        !fallocate(descriptor, kFree, static_cast<off_t>(at), static_cast<off_t>(slice)));
  }
  ::close(descriptor);
}

void* run(void* argument) {
  auto* unmapping = static_cast<Unmapping*>(argument);
  unmap(*unmapping);
  delete unmapping;
  return nullptr;
}

}  // namespace

void unmapLater(const Unmapping& unmapping) {
  auto* argument = new Unmapping(unmapping);
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  // Signals are for the threads that Node knows.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  if (pthread_create(&thread, &detached, run, argument) != 0) run(argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&detached);
}

}  // namespace hotspare
