// An end of a connection over libfabric, through which a process writes into the memory of another
// process. An endpoint has one connection at a time.
//
// clang-format off
//   passive                            active
//   listen ──► kRequest, accept   ◄──  connect, with private bytes
//              kConnected              kConnected
//   write ────────────────────────►    expose: keys for the peer, write-only
//              writeCompleted          (its processor does nothing on verbs)
//              kBroken            ◄──  revoke
// clang-format on
//
// Writes are placed in the order they were posted, and the completion of a write stands for all
// before it: on tcp it is asked for when the bytes are placed (FI_DELIVERY_COMPLETE), on verbs it
// is the peer's ack anyway. The initiator decides what is written, and when; the owner decides who
// is let in. The endpoint knows no secret, and not what a byte means.
#pragma once

#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>

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
/// An object of libfabric, closed once. All of them begin with a struct fid.
template <typename Object>
using Fid = std::unique_ptr<Object, CloseFid>;

/// Memory of the peer that is open to writes.
struct RemoteMemory {
  uint64_t address = 0;
  uint64_t key = 0;
};

struct FabricWrite {
  const void* bytes;
  size_t length;
  fid_mr* source;  // registration of the bytes, from `registerSource`; null up to `inlineBytes`
  RemoteMemory target;
};

struct FabricEvent {
  enum Kind : int { kRequest = 0, kConnected = 1, kBroken = 2 } kind = kRequest;
  int request = 0;         // kRequest: the number that accept and reject take
  std::string bytes = {};  // kRequest: the peer's private bytes; kBroken: the reason
  bool revoked = false;    // kBroken: the peer has closed its memory to this end's writes
};

class FabricEndpoint {
 public:
  /// The part that posts writes at an endpoint (mirror_writer.h has one).
  class Initiator {
   public:
    virtual ~Initiator() = default;
    /// The write that was posted with this context is placed, and so is every write before it. No
    /// completion of a broken connection is told.
    virtual void writeCompleted(uint64_t context) = 0;
    /// Completions are to come.
    virtual bool hasWritesUnderWay() const = 0;
    /// The connection is closed, and nothing reads the bytes of its writes any more: sources that
    /// were registered for it may be closed.
    virtual void connectionEnded() = 0;
  };

  /// `patienceMs`: how long a write waits for a full queue. Null, with the failure, where libfabric
  /// refuses.
  static std::unique_ptr<FabricEndpoint> open(const FabricQuery& query, double patienceMs,
                                              FabricFailure* failure);
  FabricEndpoint(const FabricEndpoint&) = delete;
  FabricEndpoint& operator=(const FabricEndpoint&) = delete;
  ~FabricEndpoint() { close(); }

  /// An endpoint has at most one initiator, which outlives its connections. Null: nobody writes.
  void setInitiator(Initiator* initiator) { initiator_ = initiator; }

  const fi_info& info() const { return *info_; }
  /// A card (verbs) places a word whole and drives itself; a stream (tcp) may end within a word.
  bool isCard() const { return isCard_; }
  /// Bytes of a write up to this length are copied into the queue itself.
  size_t inlineBytes() const { return info_->tx_attr->inject_size; }

  FabricFailure listen(int* port);
  FabricFailure accept(int request);
  void reject(int request);
  FabricFailure connect(const void* bytes, size_t length);
  /// Ends the connection, and closes the memory that was exposed. The peer finds out by itself. No
  /// event of the connection follows, not even an event that has come already.
  void disconnect();
  /// Rejects every request, and disconnects.
  void close();

  /// Registers memory for the peer's writes, under a fresh key, until the connection ends. The peer
  /// needs `where` to write there.
  FabricFailure expose(void* bytes, size_t length, RemoteMemory* where);
  /// Closes the registrations for the peer's writes, and leaves the connection as it is.
  void closeExposed() { exposed_.clear(); }
  /// Closes first the registrations for the peer's writes, then the connection: not one more byte
  /// is placed. In the other order the peer would notice late, when its retries have run out.
  void revoke();

  /// Registers memory that writes are made from. `source` stays null, without a failure, where the
  /// provider wants no registration.
  FabricFailure registerSource(void* bytes, size_t length, Fid<fid_mr>* source);
  /// Posts a write. `signalled`: the initiator is told its completion, with the context. `more`:
  /// another write follows at once. False when it was not posted: either no connection carries, or
  /// the connection broke over this write.
  bool write(const FabricWrite& one, bool signalled, bool more, uint64_t context);
  /// Counts writes that found the queue full, since the connection was made.
  uint64_t queueStalls() const { return queueStalls_; }
  void readCompletions();
  /// Takes completions until `ready`, for as long as patience lasts: then the connection is broken.
  /// False when it is.
  bool wait(const std::function<bool()>& ready);

  /// Descriptors that are readable when `progress` should be called. Without a connection the
  /// completions' is -1.
  int eventsDescriptor() const { return eventsDescriptor_; }
  int completionsDescriptor() const { return completionsDescriptor_; }
  /// Reads completions and events. True when it is safe to sleep on the descriptors.
  bool progress();
  /// Reads completions alone. True when it is safe to sleep, as far as writes are concerned.
  bool progressWrites();
  /// Completions are to come, or the provider needs its queue read: the completions' descriptor is
  /// to be polled.
  bool awaitsCompletions() const { return !isCard_ || hasWritesUnderWay(); }
  /// Takes the oldest event that the owner has not been told. False when there is none. Events are
  /// taken singly, for the owner's answer to an event may end the connection that later ones are
  /// about.
  bool takeEvent(FabricEvent* event);
  bool hasEvents() const { return !events_.empty(); }

  /// A connection has been made, and the owner was told: a write arrives, or an event tells that
  /// the connection broke.
  bool isConnected() const { return connected_ || broken_; }
  bool isBroken() const { return broken_; }
  /// A write may be posted.
  bool carries() const { return connected_ && !broken_; }
  /// From here on the connection counts as broken, and the owner will be told the reason; of
  /// several reasons the first.
  void markBroken(const std::string& reason, bool revoked);
  /// Breaks the connection for a reason of the owner's: the endpoint is closed, so the peer finds
  /// out.
  void fail(const std::string& reason);

 private:
  FabricEndpoint(const FabricQuery& query, double patienceMs, FabricInfo info);
  FabricFailure openDomain();
  FabricFailure openEndpoint(fi_info* info);
  void closeEndpoint();
  FabricFailure registerMemory(void* bytes, size_t length, uint64_t access, Fid<fid_mr>* memory);
  bool maySleep();
  bool hasWritesUnderWay() const {
    return initiator_ != nullptr && initiator_->hasWritesUnderWay();
  }
  bool readCompletionError();
  void readEvents();
  bool readEventError();

  const FabricLibrary* library_ = nullptr;
  const double patienceMs_;
  FabricInfo info_;
  const bool isCard_;
  const uint64_t deliver_;  // flag of a signalled write: it completes when its bytes are placed
  Initiator* initiator_ = nullptr;
  // Closed in the opposite order: what stands below hangs on what stands above.
  Fid<fid_fabric> fabric_;
  Fid<fid_eq> eventQueue_;
  Fid<fid_domain> domain_;
  Fid<fid_pep> listener_;
  Fid<fid_cq> completionQueue_;
  Fid<fid_ep> endpoint_;
  /// The endpoint may be shut down: some providers crash when it happens before fi_enable.
  bool enabled_ = false;
  std::vector<Fid<fid_mr>> exposed_;

  int eventsDescriptor_ = -1;
  int completionsDescriptor_ = -1;
  std::map<int, FabricInfo> requests_;
  int requestsSeen_ = 0;
  std::deque<FabricEvent> events_;
  bool connected_ = false;  // the owner has been told, too
  bool broken_ = false;
  uint64_t queueStalls_ = 0;
};

}  // namespace hotspare
