// See aside.h.
#include "aside.h"

#include <pthread.h>

#include <csignal>

namespace hotspare {
namespace {

struct Work {
  void (*run)(void*);
  void* argument;
};

void* start(void* argument) {
  const Work work = *static_cast<Work*>(argument);
  delete static_cast<Work*>(argument);
  work.run(work.argument);
  return nullptr;
}

}  // namespace

void runAside(void (*work)(void*), void* argument) {
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  // Node handles signals in its own threads, so this thread blocks all of them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  auto* packed = new Work{work, argument};
  if (pthread_create(&thread, &detached, start, packed) != 0) start(packed);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&detached);
}

}  // namespace hotspare
