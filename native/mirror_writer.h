// A primary's writes into the memory of its standby (mirror_target.h), through an endpoint:
// batches, blocks of the resync, and letters into the mailbox (mailbox.h).
//
// clang-format off
//   post      a small batch:  redo, which acks it ──► ranges, put off until `place`
//             a larger one:   ranges, and the last of them acks it; or a letter does
//   postBlock bytes of the region, from where they are
//   beat      the heartbeat and the newest sequence
//   tell      the newest sequence
// clang-format on
//
// A write that never arrives while those behind it do would be acked by them. So nothing is left
// out on a connection that carries: it is asserted that every batch's ranges are posted, in order,
// that every batch is acked, in order, and that no ack and no letter runs ahead of them. When to
// promote is no business of this file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "fabric_endpoint.h"
#include "mirror_parts.h"
#include "staging.h"

namespace hotspare {

struct MirrorWriterOptions {
  /// Bytes of the ring that waits for completions; 0 for an end that posts nothing.
  size_t stagingBytes = 0;
  /// So long `post` waits for the ack of its batch.
  double spinUs = 0;
};

/// Why `post` wrote nothing (FabricRefusal in src/native/fabric.ts). All of them are errors of the
/// caller.
enum Refusal : int64_t {
  kForeign = -1,      // malformed, or not the peer's to have
  kUnconnected = -2,  // the connection does not carry yet
  kOutOfOrder = -3,   // the batch does not follow the one before
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

class MirrorWriter final : public FabricEndpoint::Initiator {
 public:
  /// `cells`: kCells of them, which count from the beginning of a connection.
  static std::unique_ptr<MirrorWriter> open(FabricEndpoint* endpoint,
                                            const MirrorWriterOptions& options, double* cells,
                                            FabricFailure* failure);
  MirrorWriter(const MirrorWriter&) = delete;
  MirrorWriter& operator=(const MirrorWriter&) = delete;
  /// The endpoint must be closed by then.
  ~MirrorWriter() override { endpoint_->setInitiator(nullptr); }

  /// The peer's memory, and the region whose bytes stand at the same offsets here.
  void aim(const RegionSpan& region, const RemoteMemory parts[kParts]);
  /// Writes a list of records in order, as batch `sequence`, which is the one before + 1. Returns
  /// the number of records, or a Refusal. An ack that comes at once is taken. A small batch is
  /// acked once it stands in the peer's mailbox; its ranges are written by `place`, or before
  /// anything else is. On a connection that is broken it writes nothing, and no ack follows.
  int64_t post(const uint8_t* list, size_t length, uint64_t sequence);
  bool owes() const { return !owed_.empty(); }
  void place();
  /// Writes bytes of the region from where they are. False when they are not the peer's to have, or
  /// there is no connection yet.
  bool postBlock(uint64_t offset, size_t length);
  /// Mails the heartbeat, and the sequence of the newest batch. False without a connection.
  bool beat(uint32_t beat, uint32_t echo);
  /// Mails the sequence of the newest batch, and counts it as told when it has arrived. False
  /// without a connection.
  bool tell();

  void completed(uint64_t id) override;
  bool hasWritesUnderWay() const override { return !signalled_.empty(); }
  void ended() override;

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

  MirrorWriter(FabricEndpoint* endpoint, const MirrorWriterOptions& options, double* cells);
  FabricFailure openStaging();

  // What posts says whether all was posted. Where it was not the connection is broken: nothing is
  // left out on one that carries, for a later completion would ack it.
  bool ranges(const uint8_t* list, size_t length, Signal signal, bool tears);
  bool range(const uint8_t* list, const uint8_t* next, Signal signal, bool more);
  bool redo(uint64_t sequence, const uint8_t* records, size_t length, Signal signal);
  bool clearRedo();
  bool mailSequence(Signal signal);
  bool pulse();
  bool mail(size_t offset, const uint8_t* letters, size_t length, Signal signal);
  bool write(const FabricWrite& one, Signal signal, uint64_t window, bool more);
  bool stagedWrite(const uint8_t* bytes, size_t length, const RemoteMemory& target, Signal signal,
                   bool more);
  uint8_t* stage(size_t length);
  bool nothingPosted() const;
  void placed(uint64_t sequence, bool whole);
  void acked(uint64_t sequence);
  bool isTheirs(const uint8_t* list, size_t length) const;
  bool targetOf(uint64_t offset, uint64_t length, RemoteMemory* target) const;
  Window* windowOf(uint64_t offset);

  FabricEndpoint* const endpoint_;
  const double spinUs_;
  double* const cells_;
  Staging staging_;
  Fid<fid_mr> stagingRegistration_;
  std::vector<Window> windows_;
  RegionSpan region_;
  RemoteMemory remote_[kParts];
  std::deque<Signalled> signalled_;
  uint64_t firstSignalled_ = 0;  // id of signalled_.front()
  size_t unsignalled_ = 0;       // writes since the last one with a completion
  const size_t signalEvery_;
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
