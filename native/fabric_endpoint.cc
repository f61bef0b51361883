// See fabric_endpoint.h. Here: opening, connecting, exposing memory, and the queue of connection
// events. Writes are in mirror_writer.cc.
#include "fabric_endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "check.h"
#include "mailbox.h"

namespace hotspare {
namespace {

constexpr size_t kPrivateBytesMost = 56;  // what a connection manager of InfiniBand carries
constexpr uint32_t kQueueLength = 4096;   // completions: more than any queue of writes holds
constexpr size_t kSignalsPerQueue = 4;

uint64_t randomKey(size_t bytes) {
  uint64_t key = 0;
  HOTSPARE_CHECK(getrandom(&key, sizeof key, 0) == sizeof key);
  return bytes >= sizeof key ? key : key & ((uint64_t{1} << (8 * bytes)) - 1);
}

}  // namespace

std::unique_ptr<Fabric> Fabric::open(const FabricOptions& options, double* cells,
                                     FabricFailure* failure) {
  FabricInfo info = findFabric(options.query, failure);
  if (info == nullptr) return nullptr;
  std::unique_ptr<Fabric> fabric(new Fabric(options, std::move(info), cells));
  *failure = fabric->openDomain();
  return *failure ? nullptr : std::move(fabric);
}

Fabric::Fabric(const FabricOptions& options, FabricInfo info, double* cells)
    : options_(options), cells_(cells), info_(std::move(info)), staging_(options.stagingBytes) {
  FabricFailure none;
  library_ = FabricLibrary::load(&none);
  isCard_ = options.query.provider == "verbs";
  deliver_ = isCard_ ? 0 : FI_DELIVERY_COMPLETE;
  signalEvery_ = std::max<size_t>(1, info_->tx_attr->size / kSignalsPerQueue);
}

Fabric::~Fabric() {
  while (!requests_.empty()) reject(requests_.begin()->first);
  disconnect();
  if (mailbox_ != nullptr) munmap(mailbox_, kMailboxBytes);
}

FabricFailure Fabric::openDomain() {
  fid_fabric* fabric = nullptr;
  if (const int code = library_->fabric(info_->fabric_attr, &fabric, nullptr); code != 0) {
    return library_->failed("fi_fabric", code);
  }
  fabric_.reset(fabric);
  fi_eq_attr events{};
  events.wait_obj = FI_WAIT_FD;
  fid_eq* queue = nullptr;
  if (const int code = fi_eq_open(fabric, &events, &queue, nullptr); code != 0) {
    return library_->failed("fi_eq_open", code);
  }
  eventQueue_.reset(queue);
  if (const int code = fi_control(&queue->fid, FI_GETWAIT, &eventsDescriptor_); code != 0) {
    return library_->failed("fi_control", code);
  }
  fid_domain* domain = nullptr;
  if (const int code = fi_domain(fabric, info_.get(), &domain, nullptr); code != 0) {
    return library_->failed("fi_domain", code);
  }
  domain_.reset(domain);
  if (staging_.length() == 0) return {};
  if (staging_.bytes() == nullptr) return {"no memory for the ring of writes", "mmap"};
  if (!isLocal()) return {};
  return registerMemory(staging_.bytes(), staging_.length(), FI_WRITE, &stagingRegistration_);
}

FabricFailure Fabric::registerMemory(void* bytes, size_t length, uint64_t access,
                                     Fid<fid_mr>* memory) {
  fid_mr* opened = nullptr;
  const uint64_t key = randomKey(info_->domain_attr->mr_key_size);
  const int code = fi_mr_reg(domain_.get(), bytes, length, access, 0, key, 0, &opened, nullptr);
  if (code != 0) return library_->failed("fi_mr_reg", code);
  memory->reset(opened);
  return {};
}

FabricFailure Fabric::listen(int* port) {
  fid_pep* listener = nullptr;
  if (const int code = fi_passive_ep(fabric_.get(), info_.get(), &listener, nullptr); code != 0) {
    return library_->failed("fi_passive_ep", code);
  }
  listener_.reset(listener);
  if (const int code = fi_pep_bind(listener, &eventQueue_->fid, 0); code != 0) {
    return library_->failed("fi_pep_bind", code);
  }
  if (const int code = fi_listen(listener); code != 0) return library_->failed("fi_listen", code);
  sockaddr_storage address{};
  size_t length = sizeof address;
  if (const int code = fi_getname(&listener->fid, &address, &length); code != 0) {
    return library_->failed("fi_getname", code);
  }
  const uint16_t named = address.ss_family == AF_INET6
                             ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                             : reinterpret_cast<sockaddr_in*>(&address)->sin_port;
  *port = ntohs(named);
  return {};
}

FabricFailure Fabric::openEndpoint(fi_info* info) {
  fi_cq_attr completions{};
  completions.size = kQueueLength;
  completions.format = FI_CQ_FORMAT_CONTEXT;
  completions.wait_obj = FI_WAIT_FD;
  fid_cq* queue = nullptr;
  if (const int code = fi_cq_open(domain_.get(), &completions, &queue, nullptr); code != 0) {
    return library_->failed("fi_cq_open", code);
  }
  completionQueue_.reset(queue);
  if (const int code = fi_control(&queue->fid, FI_GETWAIT, &completionsDescriptor_); code != 0) {
    return library_->failed("fi_control", code);
  }
  fid_ep* endpoint = nullptr;
  if (const int code = fi_endpoint(domain_.get(), info, &endpoint, nullptr); code != 0) {
    return library_->failed("fi_endpoint", code);
  }
  endpoint_.reset(endpoint);
  const uint64_t use = FI_TRANSMIT | FI_RECV | FI_SELECTIVE_COMPLETION;
  int code = fi_ep_bind(endpoint, &eventQueue_->fid, 0);
  if (code == 0) code = fi_ep_bind(endpoint, &queue->fid, use);
  if (code != 0) return library_->failed("fi_ep_bind", code);
  if (code = fi_enable(endpoint); code != 0) return library_->failed("fi_enable", code);
  enabled_ = true;
  return {};
}

FabricFailure Fabric::accept(int request) {
  const auto found = requests_.find(request);
  if (found == requests_.end()) return {"the request is gone", "accept"};
  const FabricInfo info = std::move(found->second);
  requests_.erase(found);
  disconnect();
  FabricFailure failure = openEndpoint(info.get());
  // Whoever asked is told, if nobody else will.
  if (endpoint_ == nullptr) fi_reject(listener_.get(), info->handle, nullptr, 0);
  if (!failure) {
    const int code = fi_accept(endpoint_.get(), nullptr, 0);
    if (code != 0) failure = library_->failed("fi_accept", code);
  }
  if (failure) disconnect();
  return failure;
}

void Fabric::reject(int request) {
  const auto found = requests_.find(request);
  if (found == requests_.end()) return;
  fi_reject(listener_.get(), found->second->handle, nullptr, 0);
  requests_.erase(found);
}

FabricFailure Fabric::connect(const void* bytes, size_t length) {
  FabricFailure failure = openEndpoint(info_.get());
  if (!failure) {
    const int code = fi_connect(endpoint_.get(), info_->dest_addr, bytes, length);
    if (code != 0) failure = library_->failed("fi_connect", code);
  }
  if (failure) disconnect();
  return failure;
}

void Fabric::fail(const std::string& reason) {
  broke(reason, false);
  closeEndpoint();
}

void Fabric::closeEndpoint() {
  if (enabled_) fi_shutdown(endpoint_.get(), 0);
  enabled_ = false;
  endpoint_.reset();
}

void Fabric::disconnect() {
  closeEndpoint();
  completionQueue_.reset();
  completionsDescriptor_ = -1;
  windows_.clear();
  exposed_.clear();
  staging_.clear();
  firstSignalled_ += signalled_.size();
  signalled_.clear();
  unsignalled_ = 0;
  sequence_ = 0;
  placed_ = 0;
  acked_ = 0;
  unlettered_ = 0;
  heartbeat_ = 0;
  pulses_ = 0;
  owed_.clear();
  redoStands_ = false;
  connected_ = false;
  broken_ = false;
  std::erase_if(events_,
                [](const FabricEvent& event) { return event.kind != FabricEvent::kRequest; });
  for (double* cell = cells_; cell < cells_ + kCells; cell++) *cell = 0;
}

FabricFailure Fabric::expose(const RegionSpan& region, RemoteMemory parts[kParts]) {
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
    Fid<fid_mr> memory;
    const auto& span = spans[part];
    const FabricFailure failure = registerMemory(span.bytes, span.length, FI_REMOTE_WRITE, &memory);
    if (failure) {
      exposed_.clear();
      return failure;
    }
    const bool virtualAddresses = (info_->domain_attr->mr_mode & FI_MR_VIRT_ADDR) != 0;
    parts[part].address = virtualAddresses ? reinterpret_cast<uintptr_t>(span.bytes) : 0;
    parts[part].key = fi_mr_key(memory.get());
    exposed_.push_back(std::move(memory));
  }
  return {};
}

void Fabric::revoke() {
  exposed_.clear();
  disconnect();
}

bool Fabric::takeEvent(FabricEvent* event) {
  if (events_.empty()) return false;
  *event = std::move(events_.front());
  events_.pop_front();
  // Not before: whoever writes must know that there is somebody, on fast machines and on slow ones.
  if (event->kind == FabricEvent::kConnected) connected_ = true;
  return true;
}

bool Fabric::progress() {
  if (completionQueue_ != nullptr) readCompletions();
  readEvents();
  return maySleep();
}

bool Fabric::progressWrites() {
  // With nothing on its way there is nothing to be woken for.
  if (completionQueue_ == nullptr || signalled_.empty()) return true;
  readCompletions();
  if (signalled_.empty()) return true;
  fid* queue = &completionQueue_->fid;
  return fi_trywait(fabric_.get(), &queue, 1) == 0;
}

bool Fabric::maySleep() {
  fid* queues[] = {&eventQueue_->fid, nullptr};
  int count = 1;
  // A card's queue that was asked once wakes the process for the next write, which is then slower.
  if (completionQueue_ != nullptr && awaits()) queues[count++] = &completionQueue_->fid;
  return fi_trywait(fabric_.get(), queues, count) == 0;
}

void Fabric::readEvents() {
  for (;;) {
    alignas(fi_eq_cm_entry) char buffer[sizeof(fi_eq_cm_entry) + kPrivateBytesMost];
    uint32_t kind = 0;
    const ssize_t length = fi_eq_read(eventQueue_.get(), &kind, buffer, sizeof buffer, 0);
    if (length == -FI_EAVAIL) {
      if (!readEventError()) return;
      continue;
    }
    if (length < 0) return;
    const auto* entry = reinterpret_cast<const fi_eq_cm_entry*>(buffer);
    if (kind == FI_CONNREQ) {
      const auto bytes = static_cast<size_t>(length) - sizeof *entry;
      const int request = ++requestsSeen_;
      requests_[request] = FabricInfo(entry->info);
      events_.push_back({FabricEvent::kRequest, request,
                         std::string(reinterpret_cast<const char*>(entry->data), bytes)});
    } else if (endpoint_ != nullptr && entry->fid == &endpoint_->fid) {
      if (kind == FI_CONNECTED) {
        events_.push_back({FabricEvent::kConnected});
      } else if (kind == FI_SHUTDOWN) {
        broke("the peer closed it", false);
      }
    }
  }
}

bool Fabric::readEventError() {
  fi_eq_err_entry error{};
  if (fi_eq_readerr(eventQueue_.get(), &error, 0) < 0) return false;
  const bool ours = endpoint_ != nullptr && error.fid == &endpoint_->fid;
  if (ours) broke(library_->strerror(error.err), false);
  return true;
}

void Fabric::broke(const std::string& reason, bool revoked) {
  if (broken_) return;
  broken_ = true;
  events_.push_back({FabricEvent::kBroken, 0, reason, revoked});
}

}  // namespace hotspare
