// One end of a connection over libfabric, on which one end writes into the memory of the other. It
// carries one connection at a time.
//
// clang-format off
//   passive                            active
//   listen ──► kRequest, accept   ◄──  connect, with private bytes
//              kConnected              kConnected
//   write ────────────────────────►    expose: keys for the peer, write-only
//              completed               (its processor does nothing on verbs)
//              kBroken            ◄──  revoke
// clang-format on
//
// Writes are placed in the order they were posted, and one completion, of the last, stands for all
// before it: on tcp it is asked for when the bytes are placed (FI_DELIVERY_COMPLETE), on verbs it
// is the peer's ack anyway. The initiator decides what is written and when (mirror_writer.h is
// one), and the owner whom to let in: the endpoint knows no secrets, and no meaning of a byte.
#pragma once

#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_rma.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fabric_library.h"

namespace hotspare {

struct CloseFid {
  void operator()(void* object) const { fi_close(static_cast<fid_t>(object)); }
};
/// libfabric's objects all begin with a struct fid; what it gave is given back once.
template <typename Object>
using Fid = std::unique_ptr<Object, CloseFid>;

/// Where memory of the peer is written.
struct RemoteMemory {
  uint64_t address = 0;
  uint64_t key = 0;
};

struct FabricWrite {
  const void* bytes;
  size_t length;
  fid_mr* source;  // the registration of the bytes: not needed up to `inlineBytes`
  RemoteMemory target;
};

struct FabricEvent {
  enum Kind : int { kRequest = 0, kConnected = 1, kBroken = 2 } kind = kRequest;
  int request = 0;         // of kRequest: what accept and reject name
  std::string bytes = {};  // of kRequest: the peer's private bytes; of kBroken: why
  bool revoked = false;
};

class FabricEndpoint {
 public:
  /// The user of an endpoint that posts writes.
  class Initiator {
   public:
    virtual ~Initiator() = default;
    /// The write that was posted with this context is placed, and so is every write before it. Not
    /// called for a connection that is broken.
    virtual void completed(uint64_t context) = 0;
    /// Completions are to come.
    virtual bool hasWritesUnderWay() const = 0;
    /// The connection is closed, and nothing reads the bytes of its writes any more: registrations
    /// that were made for it may go.
    virtual void ended() = 0;
  };

  /// `patienceMs`: a full queue is waited for this long.
  static std::unique_ptr<FabricEndpoint> open(const FabricQuery& query, double patienceMs,
                                              FabricFailure* failure);
  FabricEndpoint(const FabricEndpoint&) = delete;
  FabricEndpoint& operator=(const FabricEndpoint&) = delete;
  ~FabricEndpoint() { close(); }

  /// There is at most one, and it must outlive its connections. Null: nobody writes.
  void setInitiator(Initiator* initiator) { initiator_ = initiator; }

  const fi_info& info() const { return *info_; }
  /// A card (verbs) places a word whole and drives itself; a stream (tcp) may end within a word.
  bool isCard() const { return isCard_; }
  /// Bytes of a write up to this length are copied into the queue itself.
  size_t inlineBytes() const { return info_->tx_attr->inject_size; }

  /// Readable when `progress` should be called; the second is -1 without a connection.
  int eventsDescriptor() const { return eventsDescriptor_; }
  int completionsDescriptor() const { return completionsDescriptor_; }
  /// Does what is due. True when it is safe to sleep on the descriptors.
  bool progress();
  /// The same for writes alone. True when it is safe to sleep, as far as they are concerned.
  bool progressWrites();
  /// Completions are to come: the second descriptor may be slept on.
  bool awaitsCompletions() const { return !isCard_ || hasWritesUnderWay(); }
  /// The oldest event that nobody has heard of yet. False when there is none. One is taken at a
  /// time, for what its owner does about it may be the end of the connection that others tell of.
  bool takeEvent(FabricEvent* event);
  bool hasEvents() const { return !events_.empty(); }

  FabricFailure listen(int* port);
  FabricFailure accept(int request);
  void reject(int request);
  FabricFailure connect(const void* bytes, size_t length);
  /// Ends the connection and what belongs to it. The peer finds out by itself. No event of it
  /// follows, not even one that has come already.
  void disconnect();
  /// Rejects who asked, and disconnects.
  void close();

  /// Registers memory for the peer's writes, until the connection ends; `where` is what the peer
  /// needs to know.
  FabricFailure expose(void* bytes, size_t length, RemoteMemory* where);
  /// Closes the registrations for the peer's writes, and leaves the connection as it is.
  void closeExposed() { exposed_.clear(); }
  /// First the registrations, then the connection: not one more byte is placed.
  void revoke();

  /// A connection has been made, and its owner was told: what is written now arrives, or an event
  /// tells that it broke.
  bool isConnected() const { return connected_ || broken_; }
  bool isBroken() const { return broken_; }
  bool carries() const { return connected_ && !broken_; }
  /// The connection counts as broken, and its owner is told why. Only the first reason is.
  void broke(const std::string& reason, bool revoked);
  /// The connection is of no use, for a reason of the owner's: it counts as broken, and the peer
  /// finds out.
  void fail(const std::string& reason);

  /// Registers memory that writes are made from. Null, without a failure, where the provider wants
  /// no registration.
  FabricFailure registerSource(void* bytes, size_t length, Fid<fid_mr>* source);
  /// Posts a write. `signalled`: its completion is told, with the context. `more`: another follows
  /// at once. False when it was not posted, for want of a connection that carries, or because the
  /// connection broke over it.
  bool write(const FabricWrite& one, bool signalled, bool more, uint64_t context);
  /// Times that a write found the queue full, since the connection was made.
  uint64_t queueStalls() const { return queueStalls_; }
  void readCompletions();
  /// Takes completions until `ready`, for as long as patience lasts: then the connection counts as
  /// broken. False when it is.
  bool wait(const std::function<bool()>& ready);

 private:
  FabricEndpoint(const FabricQuery& query, double patienceMs, FabricInfo info);
  FabricFailure openDomain();
  FabricFailure openEndpoint(fi_info* info);
  void closeEndpoint();
  void readEvents();
  bool readEventError();
  bool readCompletionError();
  bool maySleep();
  bool hasWritesUnderWay() const {
    return initiator_ != nullptr && initiator_->hasWritesUnderWay();
  }
  FabricFailure registerMemory(void* bytes, size_t length, uint64_t access, Fid<fid_mr>* memory);

  const FabricLibrary* library_ = nullptr;
  const double patienceMs_;
  FabricInfo info_;
  const bool isCard_;
  const uint64_t deliver_;  // flag of a write that must be known to be placed
  Initiator* initiator_ = nullptr;
  // Closed in the opposite order: what stands below hangs on what stands above.
  Fid<fid_fabric> fabric_;
  Fid<fid_eq> eventQueue_;
  Fid<fid_domain> domain_;
  Fid<fid_pep> listener_;
  Fid<fid_cq> completionQueue_;
  Fid<fid_ep> endpoint_;
  bool enabled_ = false;  // it may be shut down: before that some providers fall over it
  std::vector<Fid<fid_mr>> exposed_;

  int eventsDescriptor_ = -1;
  int completionsDescriptor_ = -1;
  std::map<int, FabricInfo> requests_;
  int requestsSeen_ = 0;
  std::deque<FabricEvent> events_;
  bool connected_ = false;  // and its owner has been told
  bool broken_ = false;
  uint64_t queueStalls_ = 0;
};

}  // namespace hotspare
