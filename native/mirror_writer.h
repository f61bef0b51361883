// A primary's writes into the memory of its standby (mirror_target.h): batches, blocks of the
// resync, and letters into the mailbox (mailbox.h).
//
// clang-format off
//   postBatch       a small batch:   its redo, which acks it ──► its ranges, put off until `placeOwed`
//                   a larger batch:  its ranges; the last range acks it, or the letter behind it
//   postBlock       bytes of the region, from where they stand
//   postHeartbeat   letters: the heartbeat and the newest sequence
//   postSequence    a letter: the newest sequence
// clang-format on
//
// A write that never arrives while later writes do would be acked by them. Therefore nothing is
// left out on a connection that carries. Assertions hold that every batch's ranges are posted, in
// order, that every batch is acked, in order, and that no ack and no letter runs ahead of the
// ranges. Secrets and takeovers are the business of others.
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
  /// Length of the ring in which bytes wait for the completion of their write; 0 for an end that
  /// posts nothing.
  size_t stagingBytes = 0;
  /// How long `postBatch` waits for the ack of its batch.
  double spinUs = 0;
};

/// The reason why `postBatch` wrote nothing (FabricRefusal in src/native/fabric.ts). Each is an
/// error of the caller.
enum Refusal : int64_t {
  kForeign = -1,      // a record is malformed, or lies where the peer may not be written
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
  /// `cells`: kCells numbers, which count from the beginning of a connection and outlive the
  /// writer. Null, with the failure, where the ring cannot be had.
  static std::unique_ptr<MirrorWriter> open(FabricEndpoint* endpoint,
                                            const MirrorWriterOptions& options, double* cells,
                                            FabricFailure* failure);
  MirrorWriter(const MirrorWriter&) = delete;
  MirrorWriter& operator=(const MirrorWriter&) = delete;
  /// The endpoint must have been closed.
  ~MirrorWriter() override { endpoint_->setInitiator(nullptr); }

  /// Tells where the peer's memory is, and which region here holds the same bytes at the same
  /// offsets.
  void aim(const RegionSpan& region, const RemoteMemory parts[kParts]);
  /// Writes a list of records in order, as batch `sequence`, which is that of the batch before + 1.
  /// Returns the number of records, or a Refusal. An ack that comes at once is taken. A small batch
  /// is acked once it stands in the peer's mailbox; its ranges are written by `placeOwed`, or
  /// before anything else is. On a connection that is broken nothing is written, and no ack
  /// follows.
  int64_t postBatch(const uint8_t* list, size_t length, uint64_t sequence);
  /// The newest batch stands in the redo, and its ranges were not written yet.
  bool owesRanges() const { return !owed_.empty(); }
  void placeOwed();
  /// Writes bytes of the region from where they stand. False when the peer may not be written
  /// there, or there is no connection yet.
  bool postBlock(uint64_t offset, size_t length);
  /// Mails the heartbeat, and the sequence of the newest batch. False without a connection.
  bool postHeartbeat(uint32_t beat, uint32_t echo);
  /// Mails the sequence of the newest batch, and counts it as told when it has arrived. False
  /// without a connection.
  bool postSequence();

  void writeCompleted(uint64_t id) override;
  bool hasWritesUnderWay() const override { return !signalled_.empty(); }
  void connectionEnded() override;

 private:
  /// The meaning of a completion: a batch is acked (kBatch); a piece of a block is placed (kPiece),
  /// or the last piece (kBlock); a letter has told the peer a sequence (kTold), or has only shown
  /// that the peer can be written to (kHeard).
  enum class Signal : uint8_t { kNone, kBatch, kPiece, kBlock, kTold, kHeard };
  /// A write that was posted with a completion.
  struct Signalled {
    Signal signal;
    bool done;
    uint64_t sequence;  // of the newest batch then
    uint64_t staged;    // the ring is free up to here once the write is done
    uint64_t window;    // of kPiece and kBlock
  };
  /// Pages of the region that are registered as a source.
  struct Window {
    uint64_t number;
    Fid<fid_mr> registration;
    int pieces;  // on their way
  };

  MirrorWriter(FabricEndpoint* endpoint, const MirrorWriterOptions& options, double* cells);
  FabricFailure openStaging();

  // Each returns whether all of it was posted. False means that the connection is broken: nothing
  // is left out on a connection that carries, for a later completion would ack it.
  bool postRanges(const uint8_t* list, size_t length, Signal signal, bool tears);
  bool postRange(const uint8_t* list, const uint8_t* next, Signal signal, bool more);
  bool postRedo(uint64_t sequence, const uint8_t* records, size_t length, Signal signal);
  bool postClearedRedo();
  bool postSequenceLetter(Signal signal);
  bool postPulse();
  bool postLetters(size_t offset, const uint8_t* letters, size_t length, Signal signal);
  bool postWrite(const FabricWrite& one, Signal signal, uint64_t window, bool more);
  bool postCopy(const uint8_t* bytes, size_t length, const RemoteMemory& target, Signal signal,
                bool more);
  uint8_t* takeStaging(size_t length);
  bool nothingPosted() const;
  void countPlaced(uint64_t sequence, bool whole);
  void countAcked(uint64_t sequence);
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
  uint64_t placed_ = 0;     // of the newest batch all of whose ranges were posted
  uint64_t acked_ = 0;      // of the newest batch that is acked; 0 before the first
  uint64_t heartbeat_ = 0;  // the newest heartbeat, as it was mailed
  uint32_t pulses_ = 0;
  uint64_t unlettered_ = 0;  // bytes of batches since the peer was last told a sequence
  /// Records that stand in the redo, and not yet in their place: all of batch `sequence_`.
  std::vector<uint8_t> owed_;
  bool redoStands_ = false;  // the redo holds a batch, and was not cleared
};

}  // namespace hotspare
