/*
 * Makes the n-th call of the addon fail. It is loaded in front of a process with LD_PRELOAD, and counts only calls
 * whose return address lies in hotspare.node, so Node's own calls always go through. The functions of libfabric are
 * reached through tables of pointers: `dlopen` hands this library out in place of libfabric.so.1, and each object that
 * the real one opens gets counting copies of its tables.
 *
 * HOTSPARE_FAULTS names a file that the test and this library share; test/support/faults.ts writes it:
 *
 *   0   char call[32]   the armed call, empty: none
 *   32  int32 code      errno of the failure; negative: the call moves one byte only, the thread comes late
 *   36  int32 times     so many calls fail, one after the other
 *   40  int64 left      calls until the first failure: 1 is the next call
 *   48  int64 hits      calls that have failed
 *   56                  with the call "*", which fails none, how often each was made: {char name[24]; int64 count}
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

struct control {
  char call[32];
  int32_t code;
  int32_t times;
  int64_t left;
  int64_t hits;
  struct {
    char name[24];
    int64_t count;
  } calls[64];
};

static struct control nothing;
static struct control *control = &nothing;
static uintptr_t addon_begin, addon_end;

#define REAL(name)                                                 \
  static __typeof__(&name) real;                                   \
  if (real == NULL) real = (__typeof__(real))dlsym(RTLD_NEXT, #name)
#define LATE_SECONDS 2
#define CALLER __builtin_return_address(0)

__attribute__((constructor)) static void begin(void) {
  const char *file = getenv("HOTSPARE_FAULTS");
  if (file == NULL) return;
  __typeof__(&open) real_open = (__typeof__(real_open))dlsym(RTLD_NEXT, "open");
  __typeof__(&mmap) real_mmap = (__typeof__(real_mmap))dlsym(RTLD_NEXT, "mmap");
  __typeof__(&close) real_close = (__typeof__(real_close))dlsym(RTLD_NEXT, "close");
  const int descriptor = real_open(file, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return;
  void *at = real_mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (at != MAP_FAILED) control = at;
  real_close(descriptor);
}

static int find_addon(struct dl_phdr_info *info, size_t size, void *unused) {
  (void)size;
  (void)unused;
  const char *end = strrchr(info->dlpi_name, '/');
  if (end == NULL || strcmp(end, "/hotspare.node") != 0) return 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &info->dlpi_phdr[i];
    if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0) continue;
    addon_end = info->dlpi_addr + part->p_vaddr + part->p_memsz;
    addon_begin = info->dlpi_addr + part->p_vaddr;
  }
  return 1;
}

static int is_addon(const void *caller) {
  const uintptr_t at = (uintptr_t)caller;
  if (addon_begin == 0) dl_iterate_phdr(find_addon, NULL);
  return at >= addon_begin && at < addon_end;
}

static void note(const char *call) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  for (int i = 0; i < 64; i++) {
    if (control->calls[i].name[0] == 0) strcpy(control->calls[i].name, call);
    if (strcmp(control->calls[i].name, call) != 0) continue;
    control->calls[i].count++;
    break;
  }
  pthread_mutex_unlock(&mutex);
}

/* 0, or the code of the failure that this call has to give. */
static int counted(const char *call) {
  if (control->call[0] == '*') {
    note(call);
    return 0;
  }
  if (strcmp(control->call, call) != 0) return 0;
  const int64_t left = __atomic_sub_fetch(&control->left, 1, __ATOMIC_SEQ_CST);
  if (left > 0 || left <= -control->times) return 0;
  __atomic_add_fetch(&control->hits, 1, __ATOMIC_SEQ_CST);
  return control->code;
}

static int fault(const char *call, const void *caller) {
  if (control->call[0] == 0 || !is_addon(caller)) return 0;
  return counted(call);
}

/* A call that gives -1 and errno. */
#define PLAIN(result, name, parameters, arguments) \
  result name parameters {                         \
    REAL(name);                                    \
    const int code = fault(#name, CALLER);         \
    if (code == 0) return real arguments;          \
    errno = code;                                  \
    return (result)-1;                             \
  }

PLAIN(int, accept4, (int s, struct sockaddr *a, socklen_t *n, int f), (s, a, n, f))
PLAIN(int, bind, (int s, const struct sockaddr *a, socklen_t n), (s, a, n))
PLAIN(int, fchmodat, (int d, const char *p, mode_t m, int f), (d, p, m, f))
PLAIN(int, connect, (int s, const struct sockaddr *a, socklen_t n), (s, a, n))
PLAIN(int, epoll_create1, (int f), (f))
PLAIN(int, epoll_wait, (int e, struct epoll_event *v, int n, int t), (e, v, n, t))
PLAIN(int, fallocate, (int d, int m, off_t o, off_t n), (d, m, o, n))
PLAIN(int, fchmod, (int d, mode_t m), (d, m))
PLAIN(int, flock, (int d, int o), (d, o))
PLAIN(int, fstat, (int d, struct stat *s), (d, s))
PLAIN(int, fstatfs, (int d, struct statfs *s), (d, s))
PLAIN(int, ftruncate, (int d, off_t n), (d, n))
PLAIN(int, getpeername, (int s, struct sockaddr *a, socklen_t *n), (s, a, n))
PLAIN(int, getrlimit, (__rlimit_resource_t r, struct rlimit *l), (r, l))
PLAIN(int, getsockname, (int s, struct sockaddr *a, socklen_t *n), (s, a, n))
PLAIN(int, getsockopt, (int s, int l, int o, void *v, socklen_t *n), (s, l, o, v, n))
PLAIN(int, listen, (int s, int n), (s, n))
PLAIN(off_t, lseek, (int d, off_t o, int w), (d, o, w))
PLAIN(int, lstat, (const char *p, struct stat *s), (p, s))
PLAIN(int, madvise, (void *a, size_t n, int v), (a, n, v))
PLAIN(int, memfd_create, (const char *n, unsigned int f), (n, f))
PLAIN(int, mlock, (const void *a, size_t n), (a, n))
PLAIN(void *, mmap, (void *a, size_t n, int p, int f, int d, off_t o), (a, n, p, f, d, o))
PLAIN(int, msync, (void *a, size_t n, int f), (a, n, f))
PLAIN(int, munmap, (void *a, size_t n), (a, n))
PLAIN(int, setsockopt, (int s, int l, int o, const void *v, socklen_t n), (s, l, o, v, n))
PLAIN(int, shutdown, (int s, int h), (s, h))
PLAIN(int, socket, (int d, int t, int p), (d, t, p))
PLAIN(int, socketpair, (int d, int t, int p, int v[2]), (d, t, p, v))
PLAIN(int, unlink, (const char *p), (p))

/* A call that moves bytes: it may also move fewer than it was asked to. */
#define MOVING(name, parameters, arguments, fewer) \
  ssize_t name parameters {                        \
    REAL(name);                                    \
    const int code = fault(#name, CALLER);         \
    if (code == 0) return real arguments;          \
    if (code < 0) return real fewer;               \
    errno = code;                                  \
    return -1;                                     \
  }

static const struct iovec *first_byte(const struct iovec *parts, struct iovec *one) {
  *one = *parts;
  if (one->iov_len > 1) one->iov_len = 1;
  return one;
}

static const struct msghdr *short_message(const struct msghdr *whole, struct msghdr *one,
                                          struct iovec *part) {
  *one = *whole;
  one->msg_iov = (struct iovec *)first_byte(whole->msg_iov, part);
  one->msg_iovlen = 1;
  return one;
}

#define LESS(n) ((n) > 1 ? 1 : (n))
MOVING(send, (int s, const void *b, size_t n, int f), (s, b, n, f), (s, b, LESS(n), f))
MOVING(recv, (int s, void *b, size_t n, int f), (s, b, n, f), (s, b, LESS(n), f))
MOVING(write, (int d, const void *b, size_t n), (d, b, n), (d, b, LESS(n)))
MOVING(pread, (int d, void *b, size_t n, off_t o), (d, b, n, o), (d, b, LESS(n), o))
MOVING(readv, (int d, const struct iovec *v, int n), (d, v, n),
       (d, first_byte(v, &(struct iovec){0}), 1))
MOVING(sendmsg, (int s, const struct msghdr *m, int f), (s, m, f),
       (s, short_message(m, &(struct msghdr){0}, &(struct iovec){0}), f))

/* The descriptor is gone in any case, as it is in Linux. */
int close(int descriptor) {
  REAL(close);
  const int code = fault("close", CALLER);
  const int result = real(descriptor);
  if (code == 0) return result;
  errno = code;
  return -1;
}

/* libuv tries a descriptor out in uv_poll_init, on behalf of the addon: that call names descriptor -1. */
int epoll_ctl(int epoll, int operation, int descriptor, struct epoll_event *event) {
  REAL(epoll_ctl);
  int code = fault("epoll_ctl", CALLER);
  if (code == 0 && operation == EPOLL_CTL_ADD) code = fault("epoll_ctl_add", CALLER);
  if (code == 0 && operation == EPOLL_CTL_ADD && event->data.fd == -1 && !is_addon(CALLER)) {
    code = counted("uv_poll_init");
  }
  if (code == 0) return real(epoll, operation, descriptor, event);
  errno = code;
  return -1;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
  REAL(getaddrinfo);
  if (fault("getaddrinfo", CALLER) != 0) return EAI_MEMORY;
  return real(node, service, hints, found);
}

int posix_fallocate(int descriptor, off_t offset, off_t length) {
  REAL(posix_fallocate);
  const int code = fault("posix_fallocate", CALLER);
  return code != 0 ? code : real(descriptor, offset, length);
}

struct late {
  void *(*run)(void *);
  void *argument;
};

static void *run_late(void *packed) {
  const struct late late = *(struct late *)packed;
  free(packed);
  sleep(LATE_SECONDS);
  return late.run(late.argument);
}

/* A thread may be late, too, as where there is no processor for it. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument) {
  REAL(pthread_create);
  const int code = fault("pthread_create", CALLER);
  if (code == 0) return real(thread, attributes, run, argument);
  if (code > 0) return code;
  struct late *late = malloc(sizeof *late);
  *late = (struct late){run, argument};
  return real(thread, attributes, run_late, late);
}

int open(const char *path, int flags, ...) {
  REAL(open);
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  const int code = fault("open", CALLER);
  if (code == 0) return real(path, flags, mode);
  errno = code;
  return -1;
}

int fcntl(int descriptor, int command, ...) {
  REAL(fcntl);
  va_list rest;
  va_start(rest, command);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  const int code = fault("fcntl", CALLER);
  if (code == 0) return real(descriptor, command, argument);
  errno = code;
  return -1;
}

int clone(int (*run)(void *), void *stack, int flags, void *argument, ...) {
  REAL(clone);
  const int code = fault("clone", CALLER);
  if (code == 0) return real(run, stack, flags, argument);
  errno = code;
  return -1;
}

long syscall(long number, ...) {
  REAL(syscall);
  va_list rest;
  va_start(rest, number);
  long a[6];
  for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
  va_end(rest);
  const int code = fault("syscall", CALLER);
  if (code == 0) return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  errno = code;
  return -1;
}

#if __has_include(<rdma/fi_rma.h>)
#include "interposer_fabric.h"
#endif

void *dlopen(const char *file, int flags) {
  REAL(dlopen);
  const int wanted = file != NULL && is_addon(CALLER) && strcmp(file, "libfabric.so.1") == 0;
  if (!wanted) return real(file, flags);
  if (fault("dlopen", CALLER) != 0) return NULL;
#if __has_include(<rdma/fi_rma.h>)
  fabric = real(file, flags);
  Dl_info here;
  if (fabric == NULL || dladdr((void *)begin, &here) == 0) return fabric;
  return real(here.dli_fname, RTLD_NOW);
#else
  return real(file, flags);
#endif
}
