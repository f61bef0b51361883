// See mirror_target.h.
#include "mirror_target.h"

#include <sys/mman.h>

#include "mailbox.h"

namespace hotspare {

MirrorTarget::~MirrorTarget() {
  if (mailbox_ != nullptr) munmap(mailbox_, kMailboxBytes);
}

FabricFailure MirrorTarget::expose(const RegionSpan& region, RemoteMemory parts[kParts]) {
  if (mailbox_ == nullptr) {
    void* at =
        mmap(nullptr, kMailboxBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return {"no memory for the mailbox", "mmap"};
    mailbox_ = static_cast<uint8_t*>(at);
  }
  const struct {
    uint8_t* bytes;
    size_t length;
  } spans[kParts] = {{region.bytes, region.headBytes},
                     {region.bytes + region.bodyOffset, region.length - region.bodyOffset},
                     {mailbox_, kMailboxBytes}};
  for (int part = 0; part < kParts; part++) {
    const auto& span = spans[part];
    const FabricFailure failure = endpoint_->expose(span.bytes, span.length, &parts[part]);
    if (failure) {
      endpoint_->closeExposed();
      return failure;
    }
  }
  return {};
}

}  // namespace hotspare
