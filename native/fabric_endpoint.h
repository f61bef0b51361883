// One-sided writes into another process' memory, over libfabric: one connection at a time.
//
//   passive (the primary)              active (the standby)
//   listen ──► kRequest, accept   ◄──  connect, with private bytes
//              kConnected              kConnected
//   aim at the peer's memory           expose memory: keys for the peer, write-only
//   post, block, beat ────────────►    (its processor does nothing on verbs)
//              kBroken            ◄──  revoke
//
// Writes are placed in the order they were posted, and one completion, of the last, stands for a
// batch: on tcp it is asked for when the bytes are placed (FI_DELIVERY_COMPLETE), on verbs it is
// the peer's ack anyway. Beside the region the peer exposes a mailbox, where sequence and heartbeat
// are written (mailbox.h). Not a word of when to promote, of secrets, or of what the bytes mean.
#pragma once

#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_rma.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fabric_library.h"
#include "mailbox.h"
#include "records.h"
#include "staging.h"

namespace hotspare {

struct CloseFid {
  void operator()(void* object) const { fi_close(static_cast<fid_t>(object)); }
};
/// libfabric's objects all begin with a struct fid; what it gave is given back once.
template <typename Object>
using Fid = std::unique_ptr<Object, CloseFid>;

struct FabricOptions {
  FabricQuery query;
  /// Bytes of the ring that waits for completions; 0 for an end that posts nothing.
  size_t stagingBytes = 0;
  /// A full queue or ring is waited for this long.
  double patienceMs = 0;
  /// So long `post` waits for the ack of its batch.
  double spinUs = 0;
};

/// Where the peer's memory is written: the ranges of the region that it exposes, and its mailbox.
struct RemoteMemory {
  uint64_t address = 0;
  uint64_t key = 0;
};
enum Part : int { kHead = 0, kBody = 1, kMailbox = 2, kParts = 3 };

/// A region, as both ends know it: all but [headBytes, bodyOffset) is open to the peer.
struct RegionSpan {
  uint8_t* bytes = nullptr;
  size_t length = 0;
  size_t headBytes = 0;
  size_t bodyOffset = 0;
};

/// Why `post` wrote nothing (FabricRefusal in src/native/fabric.ts). All of them are errors of the
/// caller.
enum Refusal : int64_t {
  kForeign = -1,      // malformed, or not the peer's to have
  kUnconnected = -2,  // the connection does not carry yet
  kOutOfOrder = -3,   // the batch does not follow the one before
};

struct FabricEvent {
  enum Kind : int { kRequest = 0, kConnected = 1, kBroken = 2 } kind = kRequest;
  int request = 0;         // of kRequest: what accept and reject name
  std::string bytes = {};  // of kRequest: the peer's private bytes; of kBroken: why
  bool revoked = false;
};

/// Cells that TypeScript reads (FabricCell in src/native/fabric.ts).
enum FabricCell : int {
  kAckedSequence,
  kAckedBlocks,
  kStagedBytes,
  kWrites,
  kInlineWrites,
  kPlacedBytes,
  kCompletions,
  kQueueStalls,
  kStagingStalls,
  kMergedRanges,
  kToldSequence,
  kRedoBatches,
  kCells
};

class Fabric {
 public:
  static std::unique_ptr<Fabric> open(const FabricOptions& options, double* cells,
                                      FabricFailure* failure);
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;
  ~Fabric();

  const fi_info& info() const { return *info_; }

  /// Readable when `progress` should be called; the second is -1 without a connection.
  int eventsDescriptor() const { return eventsDescriptor_; }
  int completionsDescriptor() const { return completionsDescriptor_; }
  /// Does what is due. True when it is safe to sleep on the descriptors.
  bool progress();
  /// The same for writes alone. True when it is safe to sleep, as far as they are concerned.
  bool progressWrites();
  /// The oldest event that nobody has heard of yet. False when there is none. One is taken at a
  /// time, for what its owner does about it may be the end of the connection that others tell of.
  bool takeEvent(FabricEvent* event);
  /// Completions are to come: the second descriptor may be slept on.
  bool awaits() const { return !isCard_ || !signalled_.empty(); }
  bool hasEvents() const { return !events_.empty(); }

  FabricFailure listen(int* port);
  FabricFailure accept(int request);
  void reject(int request);
  FabricFailure connect(const void* bytes, size_t length);
  /// Ends the connection and what belongs to it. The peer finds out by itself. No event of it
  /// follows, not even one that has come already.
  void disconnect();

  /// Registers a region and the mailbox for the peer's writes; `parts` are what it needs to know.
  FabricFailure expose(const RegionSpan& region, RemoteMemory parts[kParts]);
  /// First the registrations, then the connection: not one more byte is placed.
  void revoke();
  /// The connection is of no use, for a reason of the owner's: it counts as broken, and the peer
  /// finds out.
  void fail(const std::string& reason);
  uint8_t* mailbox() const { return mailbox_; }

  /// The peer's memory, and the region whose bytes stand at the same offsets here.
  void aim(const RegionSpan& region, const RemoteMemory parts[kParts]);
  /// Writes a list of records in order, as batch `sequence`, which is the one before + 1. Returns
  /// the number of records, or a Refusal. An ack that comes at once is taken. A small batch is
  /// acked once it stands in the peer's mailbox; its ranges are written by `place`, or before
  /// anything else is. On a connection that is broken it writes nothing, and no ack follows.
  int64_t post(const uint8_t* list, size_t length, uint64_t sequence);
  bool owes() const { return !owed_.empty(); }
  /// A connection has been made, and its owner was told: what is written now arrives, or an event
  /// tells that it broke.
  bool isConnected() const { return connected_ || broken_; }
  void place();
  /// Writes bytes of the region from where they are. False when they are not the peer's to have, or
  /// there is no connection yet.
  bool postBlock(uint64_t offset, size_t length);
  /// Mails the heartbeat, and the sequence of the newest batch. False without a connection.
  bool beat(uint32_t beat, uint32_t echo);
  /// Mails the sequence of the newest batch, and counts it as told when it has arrived. False
  /// without a connection.
  bool tell();

 private:
  /// What a completion stands for: a batch, a piece of a block, its last piece, or a letter: that
  /// the peer was told a sequence, or only that it can be written to.
  enum class Signal : uint8_t { kNone, kBatch, kPiece, kBlock, kTold, kHeard };
  /// A write that was posted with a completion.
  struct Signalled {
    Signal signal;
    bool done;
    uint64_t sequence;  // of the newest batch then
    uint64_t staged;    // the ring is free up to here when it is done
    uint64_t window;    // of a piece
  };
  /// Pages of the region that are registered as a source.
  struct Window {
    uint64_t number;
    Fid<fid_mr> registration;
    int pieces;  // on their way
  };
  struct Write {
    const void* bytes;
    size_t length;
    void* descriptor;
    RemoteMemory target;
  };

  Fabric(const FabricOptions& options, FabricInfo info, double* cells);
  FabricFailure openDomain();
  FabricFailure openEndpoint(fi_info* info);
  void closeEndpoint();
  void readEvents();
  bool readEventError();
  void readCompletions();
  bool readCompletionError();
  void completed(uint64_t id);
  void broke(const std::string& reason, bool revoked);
  bool maySleep();
  bool carries() const { return connected_ && !broken_; }

  // What posts says whether all was posted. Where it was not the connection is broken: nothing is
  // left out on one that carries, for a later completion would ack it.
  bool ranges(const uint8_t* list, size_t length, Signal signal, bool tears);
  bool range(const uint8_t* list, const uint8_t* next, Signal signal, bool more);
  bool redo(uint64_t sequence, const uint8_t* records, size_t length, Signal signal);
  bool clearRedo();
  bool mailSequence(Signal signal);
  bool pulse();
  bool mail(size_t offset, const uint8_t* letters, size_t length, Signal signal);
  bool write(const Write& write, Signal signal, uint64_t window, bool more);
  bool stagedWrite(const uint8_t* bytes, size_t length, const RemoteMemory& target, Signal signal,
                   bool more);
  uint8_t* stage(size_t length);
  bool nothingPosted() const;
  void placed(uint64_t sequence, bool whole);
  void acked(uint64_t sequence);
  template <typename Ready>
  bool wait(Ready ready, FabricCell stall);
  bool isTheirs(const uint8_t* list, size_t length) const;
  bool targetOf(uint64_t offset, uint64_t length, RemoteMemory* target) const;
  FabricFailure registerMemory(void* bytes, size_t length, uint64_t access, Fid<fid_mr>* memory);
  Window* windowOf(uint64_t offset);
  bool isLocal() const { return (info_->domain_attr->mr_mode & FI_MR_LOCAL) != 0; }

  const FabricOptions options_;
  const FabricLibrary* library_ = nullptr;
  double* const cells_;
  FabricInfo info_;
  // Closed in the opposite order: what stands below hangs on what stands above.
  Fid<fid_fabric> fabric_;
  Fid<fid_eq> eventQueue_;
  Fid<fid_domain> domain_;
  Fid<fid_pep> listener_;
  Fid<fid_cq> completionQueue_;
  Fid<fid_ep> endpoint_;
  bool enabled_ = false;  // it may be shut down: before that some providers fall over it
  std::vector<Fid<fid_mr>> exposed_;
  Fid<fid_mr> stagingRegistration_;
  std::vector<Window> windows_;

  int eventsDescriptor_ = -1;
  int completionsDescriptor_ = -1;
  std::map<int, FabricInfo> requests_;
  int requestsSeen_ = 0;
  std::deque<FabricEvent> events_;
  bool connected_ = false;  // and its owner has been told
  bool broken_ = false;

  uint8_t* mailbox_ = nullptr;
  Staging staging_;
  RegionSpan region_;
  RemoteMemory remote_[kParts];
  /// A card (verbs) places a word whole and drives itself; a stream (tcp) may end within a word.
  bool isCard_ = false;
  uint64_t deliver_ = 0;  // flag of a write that must be known to be placed
  std::deque<Signalled> signalled_;
  uint64_t firstSignalled_ = 0;  // id of signalled_.front()
  size_t unsignalled_ = 0;       // writes since the last one with a completion
  size_t signalEvery_ = 1;
  uint64_t sequence_ = 0;   // of the newest batch; 0 before the first
  uint64_t placed_ = 0;     // of the newest batch whose every range was posted
  uint64_t acked_ = 0;      // of the newest batch that is acked; 0 before the first
  uint64_t heartbeat_ = 0;  // the newest, as it was mailed
  uint32_t pulses_ = 0;
  uint64_t unlettered_ = 0;  // bytes of batches since the peer was last told a sequence
  /// Records that stand in the redo, and not yet in their place: all of batch `sequence_`.
  std::vector<uint8_t> owed_;
  bool redoStands_ = false;  // the redo is that of a batch, and not cleared yet
};

}  // namespace hotspare
