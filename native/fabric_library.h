// libfabric, found at run time: nothing links with it, so that the package builds without its
// headers and runs without it. All functions of libfabric but a few are reached through
// the tables in its objects.
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_errno.h>

#include <memory>
#include <string>

namespace hotspare {

/// A refusal of libfabric, or the lack of it: a sentence, and the call that gave it.
struct FabricFailure {
  std::string reason;
  const char* call = "";

  explicit operator bool() const { return !reason.empty(); }
};

struct FabricLibrary {
  decltype(&::fi_getinfo) getinfo;
  decltype(&::fi_freeinfo) freeinfo;
  decltype(&::fi_dupinfo) dupinfo;
  decltype(&::fi_fabric) fabric;
  decltype(&::fi_strerror) strerror;
  decltype(&::fi_version) version;

  /// Loads libfabric at the first call. Null, with the failure, where it is missing or older
  /// than 1.17.
  static const FabricLibrary* load(FabricFailure* failure);

  FabricFailure failed(const char* call, int64_t code) const;
};

struct FreeInfo {
  void operator()(fi_info* info) const;
};
using FabricInfo = std::unique_ptr<fi_info, FreeInfo>;

struct FabricQuery {
  std::string provider;  // verbs or tcp
  std::string host;      // an address: ours when passive, else the peer's
  std::string service;   // a port
  bool passive = false;
};

/// The offer of a provider for one-sided writes in order. Null, with the failure, when there is
/// none.
FabricInfo findFabric(const FabricQuery& query, FabricFailure* failure);

}  // namespace hotspare
