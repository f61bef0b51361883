// See keeper.h.
#include "keeper.h"

#include <linux/capability.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <mutex>

namespace hotspare {
namespace {

constexpr size_t kStackBytes = size_t{64} * 1024;
constexpr int kLowest = 19;  // nice
// The child is waited for until it has let go of its parent's descriptors: this takes some tenths
// of a millisecond. A child that was ended at once never says that it has let go, so the wait has
// an end.
constexpr timespec kWait = {0, 10'000'000};
constexpr int kWaitsMost = 100;

struct Keeper {
  int process = -1;  // pidfd of the parent
  std::atomic<uint32_t> alone{0};
};

/// The child. The child shares the parent's memory, thread-local storage included, so it calls
/// nothing but the system. All signals are blocked in it: the parent's handlers are not for it.
__attribute__((no_sanitize("address", "undefined"))) int keep(void* argument) {
  auto* keeper = static_cast<Keeper*>(argument);
  const int process = keeper->process;
  // A socket that the child kept would outlive the parent, and the child is there to prevent that.
  syscall(SYS_close_range, 0, process - 1, 0);
  syscall(SYS_close_range, process + 1, INT_MAX, 0);
  syscall(SYS_prctl, PR_SET_NAME, "hotspare-keeper", 0, 0, 0);
  // Giving up gigabytes can wait; the node that serves next cannot.
  syscall(SYS_setpriority, PRIO_PROCESS, 0, kLowest);
  // The child shares memory with a process that may have given these up, and needs none of them.
  __user_cap_header_struct version{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  syscall(SYS_capset, &version, none);
  syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  keeper->alone.store(1);
  syscall(SYS_futex, &keeper->alone, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  // Readable once all threads of the parent have ended, after their descriptors were closed.
  pollfd parent{process, POLLIN, 0};
  syscall(SYS_ppoll, &parent, 1, nullptr, nullptr, 0);
  syscall(SYS_exit_group, 0);
  return 0;
}

void start() {
  static Keeper keeper;
  // Descriptors cannot be closed by range before Linux 5.9, and a descriptor that stays open does
  // harm.
  if (syscall(SYS_close_range, INT_MAX, INT_MAX, 0) != 0) return;
  keeper.process = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0));
  if (keeper.process < 0) return;
  void* stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return;
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  // The child's end sends no signal: Node does not know this child.
  const int child = clone(keep, static_cast<char*>(stack) + kStackBytes, CLONE_VM, &keeper);
  for (int i = 0; i < kWaitsMost && child > 0 && keeper.alone.load() == 0; i++) {
    syscall(SYS_futex, &keeper.alone, FUTEX_WAIT, 0, &kWait, nullptr, 0);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace

void startKeeper() {
  static std::once_flag once;
  std::call_once(once, start);
}

}  // namespace hotspare
