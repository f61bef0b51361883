// See fabric_library.h.
#include "fabric_library.h"

#include <dlfcn.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace hotspare {
namespace {

constexpr char kLibraryName[] = "libfabric.so.1";
constexpr uint64_t kBlockBytesMost = uint64_t{1} << 20;  // of one write
constexpr int kMemoryModes = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;

/// Keeps the process' signal handlers while libfabric runs code that installs its own: the
/// handler of its shm provider ends the process on SIGTERM, whichever providers were asked for.
class SignalHandlers {
 public:
  SignalHandlers() {
    for (int number = 1; number < kEnd; ++number) {
      known_[static_cast<size_t>(number)] =
          sigaction(number, nullptr, &before_[static_cast<size_t>(number)]) == 0;
    }
  }
  SignalHandlers(const SignalHandlers&) = delete;
  SignalHandlers& operator=(const SignalHandlers&) = delete;
  ~SignalHandlers() {
    for (int number = 1; number < kEnd; ++number) {
      if (!known_[static_cast<size_t>(number)]) continue;
      static_cast<void>(sigaction(number, &before_[static_cast<size_t>(number)], nullptr));
    }
  }

 private:
  static constexpr int kEnd = 32;  // signals beyond this number are for real time

  std::array<struct sigaction, kEnd> before_{};
  std::array<bool, kEnd> known_{};
};

template <typename Function>
bool find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  return *function != nullptr;
}

bool open(FabricLibrary* f, FabricFailure* failure) {
  // With a cache of registrations a closed registration stays writable on verbs: fencing would be a
  // wish.
  // Only these two providers are looked for, as some others take long to find that they have
  // no device.
  setenv("FI_MR_CACHE_MAX_COUNT", "0", 1);
  setenv("FI_PROVIDER", "verbs,tcp", 0);
  const SignalHandlers ours;
  void* library = dlopen(kLibraryName, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    *failure = {std::string(kLibraryName) + " is not installed", "dlopen"};
    return false;
  }
  const bool whole =
      find(library, "fi_getinfo", &f->getinfo) && find(library, "fi_freeinfo", &f->freeinfo) &&
      find(library, "fi_dupinfo", &f->dupinfo) && find(library, "fi_fabric", &f->fabric) &&
      find(library, "fi_strerror", &f->strerror) && find(library, "fi_version", &f->version);
  if (!whole) {
    *failure = {"libfabric lacks a function: it is too old", "dlsym"};
    return false;
  }
  if (FI_VERSION_LT(f->version(), FI_VERSION(1, 17))) {
    *failure = {"libfabric is older than 1.17", "fi_version"};
    return false;
  }
  return true;
}

}  // namespace

const FabricLibrary* FabricLibrary::load(FabricFailure* failure) {
  static FabricLibrary library{};
  static FabricFailure why;
  static const bool loaded = open(&library, &why);
  if (!loaded) *failure = why;
  return loaded ? &library : nullptr;
}

FabricFailure FabricLibrary::failed(const char* call, int64_t code) const {
  return {strerror(static_cast<int>(code < 0 ? -code : code)), call};
}

void FreeInfo::operator()(fi_info* info) const {
  FabricFailure failure;
  const FabricLibrary* library = FabricLibrary::load(&failure);
  if (library != nullptr) library->freeinfo(info);
}

FabricInfo findFabric(const FabricQuery& query, FabricFailure* failure) {
  const FabricLibrary* library = FabricLibrary::load(failure);
  if (library == nullptr) return nullptr;
  const FabricInfo hints(library->dupinfo(nullptr));
  if (hints == nullptr) {
    *failure = library->failed("fi_dupinfo", FI_ENOMEM);
    return nullptr;
  }
  hints->ep_attr->type = FI_EP_MSG;
  hints->caps = FI_MSG | FI_RMA;
  hints->domain_attr->mr_mode = kMemoryModes;
  hints->tx_attr->msg_order = FI_ORDER_WAW;
  hints->rx_attr->msg_order = FI_ORDER_WAW;
  hints->fabric_attr->prov_name = strdup(query.provider.c_str());
  fi_info* found = nullptr;
  const SignalHandlers ours;
  const int code = library->getinfo(FI_VERSION(1, 17), query.host.c_str(), query.service.c_str(),
                                    query.passive ? FI_SOURCE : 0, hints.get(), &found);
  if (code != 0) {
    *failure = library->failed("fi_getinfo", code);
    return nullptr;
  }
  FabricInfo info(found);
  const bool ordered = (info->tx_attr->msg_order & FI_ORDER_WAW) != 0 &&
                       info->ep_attr->max_order_waw_size >= kBlockBytesMost;
  if (!ordered) {
    *failure = {query.provider + " does not keep writes in order", "fi_getinfo"};
    return nullptr;
  }
  return info;
}

}  // namespace hotspare
