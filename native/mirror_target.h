// A standby's memory, as it is exposed to the writes of its primary (mirror_writer.h): the parts of
// the region, and a mailbox that is made here. The standby's processor has no part in the writes;
// it looks into the mailbox. Fencing is the endpoint's: `revoke` closes every registration.
#pragma once

#include <cstdint>

#include "fabric_endpoint.h"
#include "mirror_parts.h"

namespace hotspare {

class MirrorTarget {
 public:
  explicit MirrorTarget(FabricEndpoint* endpoint) : endpoint_(endpoint) {}
  MirrorTarget(const MirrorTarget&) = delete;
  MirrorTarget& operator=(const MirrorTarget&) = delete;
  /// The endpoint must have been closed, and with it the registration of the mailbox.
  ~MirrorTarget();

  /// Registers a region and the mailbox for the peer's writes. The peer needs `parts` to aim.
  FabricFailure expose(const RegionSpan& region, RemoteMemory parts[kParts]);
  /// Null before the first `expose`; from then on it stays for as long as this object.
  uint8_t* mailbox() const { return mailbox_; }

 private:
  FabricEndpoint* const endpoint_;
  uint8_t* mailbox_ = nullptr;
};

}  // namespace hotspare
