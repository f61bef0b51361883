// See region.h.
#include "region.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "records.h"

namespace hotspare {
namespace {

// A killed process' descriptors are closed in ascending order. The mapping's must come after the
// sockets', so that peers learn of the death before the kernel starts to free gigabytes. Not higher
// than this, for the kernel's table of descriptors reaches up to the highest.
constexpr rlim_t kDescriptorHighest = 65000;

/// Moves a descriptor as high as the limit allows; keeps it where it is when that fails.
int raised(int descriptor) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return descriptor;
  const rlim_t top = std::min(limit.rlim_cur, kDescriptorHighest);
  const int lowest = static_cast<int>(top - std::min<rlim_t>(top, 64));
  const int high = fcntl(descriptor, F_DUPFD_CLOEXEC, lowest);
  if (high < 0) return descriptor;
  ::close(descriptor);
  return high;
}

uid_t trusted = 0;

bool isTrusted(uid_t owner) {
  return owner == 0 || owner == geteuid() || owner == trusted;
}

}  // namespace

void trustOwner(unsigned int user) {
  trusted = user;
}

std::unique_ptr<Region> Region::open(const RegionOptions& options, Failure* failure) {
  std::unique_ptr<Region> region(new Region());
  region->length_ = options.headBytes + options.pagesBytes;
  *failure =
      options.file.empty() ? region->openMemory() : region->openFile(options.file, options.discard);
  if (!*failure) *failure = region->map(options);
  if (!*failure) return region;
  // Leave an empty file empty: one of the right size would pass for a region the next time.
  if (region->created_) static_cast<void>(!ftruncate(region->descriptor_, 0));
  return nullptr;
}

Region::~Region() {
  if (bytes_ != nullptr) munmap(bytes_, length_);
  if (descriptor_ >= 0) ::close(descriptor_);
  if (lock_ >= 0) ::close(lock_);
}

Failure Region::openMemory() {
  descriptor_ = memfd_create("hotspare", MFD_CLOEXEC);
  if (descriptor_ < 0) return {errno, "memfd_create"};
  descriptor_ = raised(descriptor_);
  if (ftruncate(descriptor_, static_cast<off_t>(length_)) != 0) return {errno, "ftruncate"};
  created_ = true;
  return {};
}

Failure Region::openFile(const std::string& path, bool discard) {
  lock_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) return {errno, "open"};
  struct stat found {};
  if (fstat(lock_, &found) != 0) return {errno, "fstat"};
  // Whoever may write into it changes what clients are served, and can crash the server.
  if (!isTrusted(found.st_uid)) return {EPERM, "owner"};
  if ((found.st_mode & S_IWOTH) != 0) return {EPERM, "mode"};
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0) return {errno, "flock"};
  if (discard && ftruncate(lock_, 0) != 0) return {errno, "ftruncate"};
  // Mapped over a description of its own: the lock ends with the process, the mapping only when the
  // kernel has given up all of its memory, and a restart should not have to wait for that.
  const std::string again = "/proc/self/fd/" + std::to_string(lock_);
  descriptor_ = ::open(again.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor_ < 0) return {errno, "open"};
  descriptor_ = raised(descriptor_);
  struct stat status {};
  if (fstat(descriptor_, &status) != 0) return {errno, "fstat"};
  created_ = status.st_size == 0;
  const auto size = static_cast<off_t>(length_);
  if (!created_ && status.st_size != size) return {EINVAL, "size"};
  if (ftruncate(descriptor_, size) != 0) return {errno, "ftruncate"};
  // A hole without a block behind it would be a SIGBUS on some later write.
  int code = 0;
  do code = posix_fallocate(descriptor_, 0, size);
  while (code == EINTR);
  return {code, "posix_fallocate"};
}

Failure Region::map(const RegionOptions& options) {
  void* at = mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
  if (at == MAP_FAILED) return {errno, "mmap"};
  bytes_ = static_cast<uint8_t*>(at);
  if (options.hugePages) static_cast<void>(madvise(bytes_, length_, MADV_HUGEPAGE));
  if (options.lockMemory && mlock(bytes_, length_) != 0) return {errno, "mlock"};
  return {};
}

Failure Region::sync() {
  if (msync(bytes_, length_, MS_SYNC) != 0) return {errno, "msync"};
  return {};
}

int64_t Region::apply(const uint8_t* list, size_t length) {
  const int64_t records = countRecords(list, length, length_);
  for (int64_t i = 0; i < records; ++i) {
    const Record record = recordAt(list);
    uint8_t* target = bytes_ + record.offset;
    if (record.isWord()) {
      uint32_t word;
      std::memcpy(&word, record.bytes, sizeof word);
      std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(target))
          .store(word, std::memory_order_release);
      // The next range may not overtake this one: what is cut after n ranges must hold those n.
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else if (record.length > 0) {
      std::memcpy(target, record.bytes, record.length);
    }
    list += record.size;
  }
  return records;
}

}  // namespace hotspare
