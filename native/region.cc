// See region.h.
#include "region.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "records.h"
#include "unmap.h"

namespace hotspare {
namespace {

// The kernel closes a killed process' descriptors in ascending order. The mapping's descriptor must
// come after the sockets', so that peers learn of the death before the kernel starts to free
// gigabytes. The number is no higher than this, as the kernel's table of descriptors reaches up to
// the highest.
constexpr rlim_t kDescriptorHighest = 65000;

constexpr uint64_t kPageBytes = 4096;
// A scan reads so much at once: these bytes stay in the processor's cache, and few of them are read
// again when the range that was found is short.
constexpr uint64_t kWindowBytes = uint64_t{64} * 1024;

// A file is wiped in such pieces: a process that is ended waits for one at most.
constexpr uint64_t kWipeBytes = uint64_t{64} << 20;

/// A hole without a block behind it would be a SIGBUS on some later write.
Failure reserve(int descriptor, off_t offset, off_t length) {
  int code = 0;
  do code = posix_fallocate(descriptor, offset, length);
  while (code == EINTR);
  return {code, "posix_fallocate"};
}

bool isZero(const uint8_t* bytes, uint64_t length) {
  return bytes[0] == 0 && std::memcmp(bytes, bytes + 1, length - 1) == 0;
}

/// True of a file system that finds written pages without walking over the others. tmpfs walks over
/// pages that posix_fallocate has reserved, one by one; other file systems are not known well
/// enough to be trusted with pages that were written into the mapping alone.
bool findsWritten(int descriptor) {
  struct statfs system {};
  return fstatfs(descriptor, &system) == 0 && system.f_type == EXT4_SUPER_MAGIC;
}

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

/// Follows no symlink but one that root or this process' user has made: another user's may lead to
/// any file, and this process may still be root. The user of -u is another user.
int openOwn(const std::string& path, Failure* failure) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_CLOEXEC;
  const int descriptor = ::open(path.c_str(), kFlags | O_NOFOLLOW, 0600);
  if (descriptor >= 0) return descriptor;
  *failure = {errno, "open"};
  struct stat link {};
  if (errno != ELOOP || lstat(path.c_str(), &link) != 0 || !S_ISLNK(link.st_mode)) return -1;
  if (link.st_uid != 0 && link.st_uid != geteuid()) {
    *failure = {EPERM, "link"};
    return -1;
  }
  const int target = ::open(path.c_str(), kFlags, 0600);
  *failure = target < 0 ? Failure{errno, "open"} : Failure{};
  return target;
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
  // An empty file stays empty: a file of the right size would pass for a region the next time.
  if (region->created_) static_cast<void>(!ftruncate(region->descriptor_, 0));
  return nullptr;
}

Region::~Region() {
  const bool isFile = lock_ >= 0;
  // The lock is given up at once, so that the file can be opened again.
  if (isFile) ::close(lock_);
  if (bytes_ != nullptr) {
    unmapLater({bytes_, length_, descriptor_, isFile});
  } else if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

Failure Region::openMemory() {
  descriptor_ = memfd_create("hotspare", MFD_CLOEXEC);
  if (descriptor_ < 0) return {errno, "memfd_create"};
  descriptor_ = raised(descriptor_);
  if (ftruncate(descriptor_, static_cast<off_t>(length_)) != 0) return {errno, "ftruncate"};
  created_ = true;
  leaps_ = true;  // nothing is reserved here
  return {};
}

Failure Region::openFile(const std::string& path, bool discard) {
  Failure failure;
  lock_ = openOwn(path, &failure);
  if (lock_ < 0) return failure;
  struct stat found {};
  if (fstat(lock_, &found) != 0) return {errno, "fstat"};
  // A user who may write into the file changes what clients are served, and can crash the server.
  if (!isTrusted(found.st_uid)) return {EPERM, "owner"};
  if ((found.st_mode & S_IWOTH) != 0) return {EPERM, "mode"};
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0) return {errno, "flock"};
  if (discard && ftruncate(lock_, 0) != 0) return {errno, "ftruncate"};
  // The file is mapped over a description of its own: the lock ends with the process, the mapping
  // only when the kernel has given up all of its memory, and a restart should not have to wait for
  // that.
  const std::string again = "/proc/self/fd/" + std::to_string(lock_);
  descriptor_ = ::open(again.c_str(), O_RDWR | O_CLOEXEC);
  // Without /proc (a bare chroot) the file is opened by its name once more.
  if (descriptor_ < 0) failure = {errno, "open"};
  if (descriptor_ < 0 && failure.code == ENOENT) descriptor_ = openOwn(path, &failure);
  if (descriptor_ < 0) return failure;
  descriptor_ = raised(descriptor_);
  struct stat status {};
  if (fstat(descriptor_, &status) != 0) return {errno, "fstat"};
  // Another file may have taken the name meanwhile; it is not the one that is locked.
  if (status.st_dev != found.st_dev || status.st_ino != found.st_ino) return {EBUSY, "open"};
  created_ = status.st_size == 0;
  const auto size = static_cast<off_t>(length_);
  if (!created_ && status.st_size != size) return {EINVAL, "size"};
  if (ftruncate(descriptor_, size) != 0) return {errno, "ftruncate"};
  leaps_ = findsWritten(descriptor_);
  return reserve(descriptor_, 0, size);
}

Failure Region::map(const RegionOptions& options) {
  void* at = mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
  if (at == MAP_FAILED) return {errno, "mmap"};
  bytes_ = static_cast<uint8_t*>(at);
  if (options.hugePages) static_cast<void>(madvise(bytes_, length_, MADV_HUGEPAGE));
  if (options.lockMemory && mlock(bytes_, length_) != 0) return {errno, "mlock"};
  return {};
}

Failure Region::wipe() {
  // The file is wiped from its end: a superblock that is gone says that nothing older stands behind
  // it.
  for (uint64_t end = length_; end > 0;) {
    const uint64_t at = (end - 1) / kWipeBytes * kWipeBytes;
    const Failure failure = zero(at, end - at);
    if (failure) return failure;
    end = at;
  }
  return {};
}

Failure Region::zero(uint64_t offset, uint64_t length) {
  const auto from = static_cast<off_t>(offset);
  const auto count = static_cast<off_t>(length);
  constexpr int kKeepSize = FALLOC_FL_KEEP_SIZE;
  if (fallocate(descriptor_, FALLOC_FL_ZERO_RANGE | kKeepSize, from, count) == 0) return {};
  if (fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | kKeepSize, from, count) == 0) {
    return reserve(descriptor_, from, count);
  }
  std::memset(bytes_ + offset, 0, length);
  return {};
}

Failure Region::sync() {
  if (msync(bytes_, length_, MS_SYNC) != 0) return {errno, "msync"};
  return {};
}

Scanned Region::scan(uint64_t offset, uint64_t end, uint64_t longest, uint64_t budget) {
  window_.resize(kWindowBytes);
  Scanned result;
  result.at = offset;
  while (result.looked < budget && result.length < longest) {
    uint64_t at = result.at + result.length;
    if (at >= end) break;
    if (leaps_) {
      at = firstWritten(at, end);
      if (result.length > 0 && at != result.at + result.length) break;
      if (result.length == 0) result.at = at;
      if (at >= end) break;
    }
    const uint64_t length = std::min(kWindowBytes, end - at);
    // Reading through the mapping would allocate pages, and a read from the file does not. A page
    // that cannot be read is for its user to meet.
    const ssize_t count = pread(descriptor_, window_.data(), length, static_cast<off_t>(at));
    const bool readable = count == static_cast<ssize_t>(length);
    result.looked += length;
    for (uint64_t done = 0; done < length && result.length < longest; done += kPageBytes) {
      const uint64_t page = std::min(kPageBytes, length - done);
      if (!readable || !isZero(window_.data() + done, page)) {
        result.length += page;
      } else if (result.length == 0) {
        result.at += page;
      } else {
        return result;
      }
    }
  }
  result.length = std::min(result.length, longest);
  return result;
}

/// The first page at or after `offset` that was ever written to, or that may have been.
uint64_t Region::firstWritten(uint64_t offset, uint64_t end) {
  const off_t found = lseek(descriptor_, static_cast<off_t>(offset), SEEK_DATA);
  // A file system may count in blocks smaller than a page.
  const uint64_t page = static_cast<uint64_t>(found) / kPageBytes * kPageBytes;
  if (found >= 0) return std::min(std::max(page, offset), end);
  if (errno == ENXIO) return end;
  leaps_ = false;
  return offset;
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
      // The next range may not overtake this one: a region that is cut after n ranges must hold
      // those n.
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else if (record.length > 0) {
      std::memcpy(target, record.bytes, record.length);
    }
    list += record.size;
  }
  return records;
}

}  // namespace hotspare
