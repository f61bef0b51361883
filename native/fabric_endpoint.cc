// See fabric_endpoint.h.
#include "fabric_endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_rma.h>
#include <sys/random.h>

#include "check.h"
#include "transport.h"

namespace hotspare {
namespace {

constexpr size_t kPrivateBytesMost = 56;  // what a connection manager of InfiniBand carries
constexpr uint32_t kQueueLength = 4096;   // completions: more than any queue of writes holds
constexpr int kRemoteAccessError = 10;    // IBV_WC_REM_ACCESS_ERR
constexpr size_t kCompletionsAtOnce = 32;
constexpr int kWaitMs = 1;

uint64_t randomKey(size_t bytes) {
  uint64_t key = 0;
  HOTSPARE_CHECK(getrandom(&key, sizeof key, 0) == sizeof key);
  return bytes >= sizeof key ? key : key & ((uint64_t{1} << (8 * bytes)) - 1);
}

}  // namespace

std::unique_ptr<FabricEndpoint> FabricEndpoint::open(const FabricQuery& query, double patienceMs,
                                                     FabricFailure* failure) {
  FabricInfo info = findFabric(query, failure);
  if (info == nullptr) return nullptr;
  std::unique_ptr<FabricEndpoint> endpoint(new FabricEndpoint(query, patienceMs, std::move(info)));
  *failure = endpoint->openDomain();
  return *failure ? nullptr : std::move(endpoint);
}

FabricEndpoint::FabricEndpoint(const FabricQuery& query, double patienceMs, FabricInfo info)
    : patienceMs_(patienceMs),
      info_(std::move(info)),
      isCard_(query.provider == "verbs"),
      deliver_(isCard_ ? 0 : FI_DELIVERY_COMPLETE) {
  FabricFailure none;
  library_ = FabricLibrary::load(&none);
}

FabricFailure FabricEndpoint::openDomain() {
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
  return {};
}

FabricFailure FabricEndpoint::listen(int* port) {
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

FabricFailure FabricEndpoint::accept(int request) {
  const auto found = requests_.find(request);
  if (found == requests_.end()) return {"the request is gone", "accept"};
  const FabricInfo info = std::move(found->second);
  requests_.erase(found);
  disconnect();
  FabricFailure failure = openEndpoint(info.get());
  // Without an endpoint nothing else tells the peer that it is not let in.
  if (endpoint_ == nullptr) fi_reject(listener_.get(), info->handle, nullptr, 0);
  if (!failure) {
    const int code = fi_accept(endpoint_.get(), nullptr, 0);
    if (code != 0) failure = library_->failed("fi_accept", code);
  }
  if (failure) disconnect();
  return failure;
}

FabricFailure FabricEndpoint::openEndpoint(fi_info* info) {
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

void FabricEndpoint::reject(int request) {
  const auto found = requests_.find(request);
  if (found == requests_.end()) return;
  fi_reject(listener_.get(), found->second->handle, nullptr, 0);
  requests_.erase(found);
}

FabricFailure FabricEndpoint::connect(const void* bytes, size_t length) {
  FabricFailure failure = openEndpoint(info_.get());
  if (!failure) {
    const int code = fi_connect(endpoint_.get(), info_->dest_addr, bytes, length);
    if (code != 0) failure = library_->failed("fi_connect", code);
  }
  if (failure) disconnect();
  return failure;
}

/// The endpoint goes first, so that no card reads or writes memory that is not registered any more.
void FabricEndpoint::disconnect() {
  closeEndpoint();
  completionQueue_.reset();
  completionsDescriptor_ = -1;
  if (initiator_ != nullptr) initiator_->connectionEnded();
  closeExposed();
  queueStalls_ = 0;
  connected_ = false;
  broken_ = false;
  std::erase_if(events_,
                [](const FabricEvent& event) { return event.kind != FabricEvent::kRequest; });
}

void FabricEndpoint::closeEndpoint() {
  if (enabled_) fi_shutdown(endpoint_.get(), 0);
  enabled_ = false;
  endpoint_.reset();
}

void FabricEndpoint::close() {
  while (!requests_.empty()) reject(requests_.begin()->first);
  disconnect();
}

FabricFailure FabricEndpoint::expose(void* bytes, size_t length, RemoteMemory* where) {
  Fid<fid_mr> memory;
  const FabricFailure failure = registerMemory(bytes, length, FI_REMOTE_WRITE, &memory);
  if (failure) return failure;
  const bool virtualAddresses = (info_->domain_attr->mr_mode & FI_MR_VIRT_ADDR) != 0;
  where->address = virtualAddresses ? reinterpret_cast<uintptr_t>(bytes) : 0;
  where->key = fi_mr_key(memory.get());
  exposed_.push_back(std::move(memory));
  return {};
}

void FabricEndpoint::revoke() {
  closeExposed();
  disconnect();
}

FabricFailure FabricEndpoint::registerSource(void* bytes, size_t length, Fid<fid_mr>* source) {
  if ((info_->domain_attr->mr_mode & FI_MR_LOCAL) == 0) return {};
  return registerMemory(bytes, length, FI_WRITE, source);
}

FabricFailure FabricEndpoint::registerMemory(void* bytes, size_t length, uint64_t access,
                                             Fid<fid_mr>* memory) {
  fid_mr* opened = nullptr;
  const uint64_t key = randomKey(info_->domain_attr->mr_key_size);
  const int code = fi_mr_reg(domain_.get(), bytes, length, access, 0, key, 0, &opened, nullptr);
  if (code != 0) return library_->failed("fi_mr_reg", code);
  memory->reset(opened);
  return {};
}

bool FabricEndpoint::write(const FabricWrite& one, bool signalled, bool more, uint64_t context) {
  if (!carries()) return false;
  const bool inlined = one.length <= inlineBytes();
  uint64_t flags = 0;
  if (inlined) flags |= FI_INJECT;
  if (signalled) flags |= FI_COMPLETION | deliver_;
  if (more && !signalled) flags |= FI_MORE;
  iovec source{const_cast<void*>(one.bytes), one.length};
  fi_rma_iov target{one.target.address, one.length, one.target.key};
  void* descriptor = one.source == nullptr ? nullptr : fi_mr_desc(one.source);
  fi_msg_rma message{};
  message.msg_iov = &source;
  message.desc = inlined ? nullptr : &descriptor;
  message.iov_count = 1;
  message.rma_iov = &target;
  message.rma_iov_count = 1;
  message.context = reinterpret_cast<void*>(context);
  ssize_t code = fi_writemsg(endpoint_.get(), &message, flags);
  if (code == -FI_EAGAIN) {
    queueStalls_++;
    const auto posted = [&] {
      code = fi_writemsg(endpoint_.get(), &message, flags);
      return code != -FI_EAGAIN;
    };
    if (!wait(posted)) return false;
  }
  if (code == 0) return true;
  markBroken(library_->strerror(static_cast<int>(-code)), false);
  return false;
}

bool FabricEndpoint::wait(const std::function<bool()>& ready) {
  const double deadline = monotonicMs() + patienceMs_;
  while (!broken_) {
    readCompletions();
    // Events are read, too: an unread event ends every sleep at once, and an event may tell that
    // there is no peer left to wait for.
    readEvents();
    if (broken_) return false;
    if (ready()) return true;
    if (monotonicMs() > deadline) {
      markBroken("the queue of writes stood still", false);
      return false;
    }
    if (!maySleep()) continue;
    pollfd queue{completionsDescriptor_, POLLIN, 0};
    poll(&queue, 1, kWaitMs);
  }
  return false;
}

bool FabricEndpoint::progress() {
  if (completionQueue_ != nullptr) readCompletions();
  readEvents();
  return maySleep();
}

bool FabricEndpoint::progressWrites() {
  // With no write under way nothing will wake the sleeper, and nothing needs to.
  if (completionQueue_ == nullptr || !hasWritesUnderWay()) return true;
  readCompletions();
  if (!hasWritesUnderWay()) return true;
  fid* queue = &completionQueue_->fid;
  return fi_trywait(fabric_.get(), &queue, 1) == 0;
}

bool FabricEndpoint::maySleep() {
  fid* queues[] = {&eventQueue_->fid, nullptr};
  int count = 1;
  // A card's queue that has been armed wakes the process for the next write, which is then slower:
  // it is armed only when a completion is to come.
  if (completionQueue_ != nullptr && awaitsCompletions()) queues[count++] = &completionQueue_->fid;
  return fi_trywait(fabric_.get(), queues, count) == 0;
}

void FabricEndpoint::readCompletions() {
  fi_cq_entry entries[kCompletionsAtOnce];
  for (;;) {
    const ssize_t count = fi_cq_read(completionQueue_.get(), entries, kCompletionsAtOnce);
    if (count == -FI_EAVAIL) {
      if (!readCompletionError()) break;
      continue;
    }
    if (count <= 0) break;
    for (ssize_t i = 0; i < count; i++) {
      if (broken_ || initiator_ == nullptr) continue;
      initiator_->writeCompleted(reinterpret_cast<uint64_t>(entries[i].op_context));
    }
    if (static_cast<size_t>(count) < kCompletionsAtOnce) break;
  }
}

bool FabricEndpoint::readCompletionError() {
  fi_cq_err_entry error{};
  if (fi_cq_readerr(completionQueue_.get(), &error, 0) < 0) return false;
  char text[128] = "";
  const char* detail =
      fi_cq_strerror(completionQueue_.get(), error.prov_errno, error.err_data, text, sizeof text);
  std::string reason = library_->strerror(error.err);
  if (error.prov_errno != 0 && detail != nullptr) reason += std::string(" (") + detail + ")";
  markBroken(reason, isCard_ && error.prov_errno == kRemoteAccessError);
  return true;
}

void FabricEndpoint::readEvents() {
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
        markBroken("the peer closed it", false);
      }
    }
  }
}

bool FabricEndpoint::readEventError() {
  fi_eq_err_entry error{};
  if (fi_eq_readerr(eventQueue_.get(), &error, 0) < 0) return false;
  const bool ours = endpoint_ != nullptr && error.fid == &endpoint_->fid;
  if (ours) markBroken(library_->strerror(error.err), false);
  return true;
}

bool FabricEndpoint::takeEvent(FabricEvent* event) {
  if (events_.empty()) return false;
  *event = std::move(events_.front());
  events_.pop_front();
  // Writes wait until then: a write to a peer of which the owner has not heard would pass on a fast
  // machine and be refused on a slow one.
  if (event->kind == FabricEvent::kConnected) connected_ = true;
  return true;
}

void FabricEndpoint::markBroken(const std::string& reason, bool revoked) {
  if (broken_) return;
  broken_ = true;
  events_.push_back({FabricEvent::kBroken, 0, reason, revoked});
}

void FabricEndpoint::fail(const std::string& reason) {
  markBroken(reason, false);
  closeEndpoint();
}

}  // namespace hotspare
