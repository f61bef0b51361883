// See mirror_writer.h.
#include "mirror_writer.h"

#include <algorithm>
#include <cstring>

#include "check.h"
#include "mailbox.h"
#include "records.h"
#include "transport.h"

namespace hotspare {
namespace {

constexpr uint64_t kWindowBytes = uint64_t{4} << 20;
constexpr size_t kSignalsPerQueue = 4;
/// Bytes of batches that go without a letter: a standby that sees no letter for long believes the
/// primary dead.
constexpr uint64_t kUnletteredBytes = uint64_t{256} << 10;
/// Ranges of one batch between two signs of life: 20 ms where each is a slow system call.
constexpr size_t kPulseRanges = 1024;

/// The end of the neighbouring records that a single write may carry: law 2 lets bytes that nobody
/// can reach arrive in any order, but a word must be written by itself.
const uint8_t* endOfRun(const uint8_t* list, const uint8_t* end) {
  Record last = recordAt(list);
  const uint8_t* next = list + last.size;
  while (next < end && !last.isWord()) {
    const Record record = recordAt(next);
    const bool neighbour = record.offset == last.end() && !record.isWord();
    if (!neighbour) break;
    last = record;
    next += record.size;
  }
  return next;
}

}  // namespace

std::unique_ptr<MirrorWriter> MirrorWriter::open(FabricEndpoint* endpoint,
                                                 const MirrorWriterOptions& options, double* cells,
                                                 FabricFailure* failure) {
  std::unique_ptr<MirrorWriter> writer(new MirrorWriter(endpoint, options, cells));
  *failure = writer->openStaging();
  return *failure ? nullptr : std::move(writer);
}

MirrorWriter::MirrorWriter(FabricEndpoint* endpoint, const MirrorWriterOptions& options,
                           double* cells)
    : endpoint_(endpoint),
      spinUs_(options.spinUs),
      cells_(cells),
      staging_(options.stagingBytes),
      signalEvery_(std::max<size_t>(1, endpoint->info().tx_attr->size / kSignalsPerQueue)) {
  endpoint->setInitiator(this);
}

FabricFailure MirrorWriter::openStaging() {
  if (staging_.length() == 0) return {};
  if (staging_.bytes() == nullptr) return {"no memory for the ring of writes", "mmap"};
  return endpoint_->registerSource(staging_.bytes(), staging_.length(), &stagingRegistration_);
}

void MirrorWriter::aim(const RegionSpan& region, const RemoteMemory parts[kParts]) {
  region_ = region;
  for (int part = 0; part < kParts; part++) remote_[part] = parts[part];
}

/// A small batch is acked by its redo, and placed later. A larger batch asks for the completion of
/// its last write only, which is that of its last range, or of a letter with the sequence. The
/// letter is written for a batch without a range, and now and then; the next heartbeat carries the
/// sequence anyway.
int64_t MirrorWriter::postBatch(const uint8_t* list, size_t length, uint64_t sequence) {
  const int64_t records = countRecords(list, length, region_.length);
  if (records < 0 || !isTheirs(list, length)) return kForeign;
  if (!endpoint_->isConnected()) return kUnconnected;
  if (sequence_ != 0 && sequence != sequence_ + 1) return kOutOfOrder;
  placeOwed();
  sequence_ = sequence;
  if (endpoint_->isBroken()) return records;
  unlettered_ += length;
  if (records > 0 && length <= kRedoRecordsBytes) {
    owed_.assign(list, list + length);
    postRedo(sequence, list, length, Signal::kBatch);
    redoStands_ = true;
    cells_[kRedoBatches]++;
  } else {
    const bool cleared = !redoStands_ || postClearedRedo();
    const bool lettered = records == 0 || unlettered_ >= kUnletteredBytes;
    const Signal last = lettered ? Signal::kNone : Signal::kBatch;
    countPlaced(sequence, cleared && postRanges(list, length, last, !endpoint_->isCard()));
    if (lettered) postSequenceLetter(Signal::kBatch);
  }
  const double until = spinUs_ > 0 ? monotonicMs() + spinUs_ / 1000 : 0;
  do {
    endpoint_->readCompletions();
  } while (spinUs_ > 0 && !endpoint_->isBroken() &&
           cells_[kAckedSequence] < static_cast<double>(sequence) && monotonicMs() < until);
  return records;
}

void MirrorWriter::placeOwed() {
  if (owed_.empty()) return;
  countPlaced(sequence_, postRanges(owed_.data(), owed_.size(), Signal::kNone, false));
  owed_.clear();
  if (unlettered_ >= kUnletteredBytes) postSequenceLetter(Signal::kNone);
}

/// The ranges of a batch were posted: `whole` when all of them were. Every batch comes here, in
/// order, so that the next batch notices a batch that was put off and forgotten.
void MirrorWriter::countPlaced(uint64_t sequence, bool whole) {
  HOTSPARE_CHECK(placed_ == 0 || endpoint_->isBroken() || sequence == placed_ + 1);
  HOTSPARE_CHECK(whole || endpoint_->isBroken());
  if (whole) placed_ = sequence;
}

/// Every batch is acked, in order, and no batch before all its ranges were posted, or its redo was.
void MirrorWriter::countAcked(uint64_t sequence) {
  HOTSPARE_CHECK(acked_ == 0 || sequence == acked_ + 1);
  HOTSPARE_CHECK(sequence <= placed_ || (!owed_.empty() && sequence == sequence_));
  acked_ = sequence;
  cells_[kAckedSequence] = static_cast<double>(sequence);
}

/// The answer of a write that was not posted. The check sees to it that this happens on a broken
/// connection only: a write that is left out of a connection that carries on is lost.
bool MirrorWriter::nothingPosted() const {
  HOTSPARE_CHECK(endpoint_->isBroken());
  return false;
}

/// Writes the ranges in order. `tears`: a word may arrive in two halves, and no redo covers it yet,
/// so each word's redo is written before it.
bool MirrorWriter::postRanges(const uint8_t* list, size_t length, Signal signal, bool tears) {
  const uint8_t* end = list + length;
  for (size_t written = 1; list < end; written++) {
    const uint8_t* next = endOfRun(list, end);
    const Record first = recordAt(list);
    if (written % kPulseRanges == 0 && !postPulse()) return false;
    const bool covered = !tears || !first.isWord() || postRedo(0, list, first.size, Signal::kNone);
    if (!covered) return false;
    if (!postRange(list, next, next == end ? signal : Signal::kNone, next < end)) return false;
    list = next;
  }
  return true;
}

/// The records in [list, next) are one range: a word that is published, or bytes that nobody can
/// reach yet.
bool MirrorWriter::postRange(const uint8_t* list, const uint8_t* next, Signal signal, bool more) {
  const Record first = recordAt(list);
  size_t length = 0;
  for (const uint8_t* at = list; at < next; at += recordAt(at).size) length += recordAt(at).length;
  RemoteMemory target;
  HOTSPARE_CHECK(targetOf(first.offset, length, &target));
  if (length == first.length) return postCopy(first.bytes, length, target, signal, more);
  uint8_t* staged = takeStaging(length);
  if (staged == nullptr) return nothingPosted();
  uint8_t* to = staged;
  for (const uint8_t* at = list; at < next; at += recordAt(at).size) {
    const Record record = recordAt(at);
    std::memcpy(to, record.bytes, record.length);
    to += record.length;
    cells_[kMergedRanges]++;
  }
  return postWrite({staged, length, stagingRegistration_.get(), target}, signal, 0, more);
}

bool MirrorWriter::postBlock(uint64_t offset, size_t length) {
  if (!endpoint_->isConnected()) return false;
  placeOwed();
  while (length > 0) {
    const uint64_t left = kWindowBytes - offset % kWindowBytes;
    const size_t piece = std::min<uint64_t>(length, left);
    RemoteMemory target;
    if (!targetOf(offset, piece, &target)) return false;
    Window* window = endpoint_->isBroken() ? nullptr : windowOf(offset);
    if (window == nullptr) break;
    window->pieces++;
    const bool last = piece == length;
    const Signal signal = last ? Signal::kBlock : Signal::kPiece;
    const FabricWrite one{region_.bytes + offset, piece, window->registration.get(), target};
    if (!postWrite(one, signal, window->number, !last)) break;
    length -= piece;
    offset += piece;
  }
  HOTSPARE_CHECK(length == 0 || endpoint_->isBroken());
  endpoint_->readCompletions();
  return true;
}

bool MirrorWriter::postPulse() {
  const Letter heartbeat(heartbeat_, ++pulses_);
  return postLetters(kBeatAt, heartbeat.bytes, sizeof heartbeat.bytes, Signal::kNone);
}

/// A heartbeat asks for its completion: on verbs the failure of a write without a completion is not
/// told.
bool MirrorWriter::postHeartbeat(uint32_t beat, uint32_t echo) {
  if (!endpoint_->isConnected()) return false;
  placeOwed();
  heartbeat_ = beat | uint64_t{echo} << 32;
  const Letter heartbeat(heartbeat_, pulses_);
  if (sequence_ == 0) {
    postLetters(kBeatAt, heartbeat.bytes, sizeof heartbeat.bytes, Signal::kHeard);
    return true;
  }
  // The two letters stand side by side, so one write carries both.
  static_assert(kBeatAt == kSequenceAt + kLetterBytes);
  const Letter sequence(sequence_);
  uint8_t letters[2 * kLetterBytes];
  std::memcpy(letters, sequence.bytes, kLetterBytes);
  std::memcpy(letters + kLetterBytes, heartbeat.bytes, kLetterBytes);
  HOTSPARE_CHECK(placed_ == sequence_ || endpoint_->isBroken());
  postLetters(kSequenceAt, letters, sizeof letters, Signal::kHeard);
  unlettered_ = 0;
  return true;
}

bool MirrorWriter::postSequence() {
  if (!endpoint_->isConnected()) return false;
  placeOwed();
  if (sequence_ != 0) postSequenceLetter(Signal::kTold);
  endpoint_->readCompletions();
  return true;
}

/// Says that all ranges up to the newest batch are placed, once they are.
bool MirrorWriter::postSequenceLetter(Signal signal) {
  HOTSPARE_CHECK(placed_ == sequence_ || endpoint_->isBroken());
  const Letter letter(sequence_);
  unlettered_ = 0;
  return postLetters(kSequenceAt, letter.bytes, sizeof letter.bytes, signal);
}

bool MirrorWriter::postRedo(uint64_t sequence, const uint8_t* records, size_t length,
                            Signal signal) {
  const Letter head(sequence, records, length);
  uint8_t bytes[kRedoBytes];
  std::memcpy(bytes, head.bytes, sizeof head.bytes);
  std::memcpy(bytes + sizeof head.bytes, records, length);
  return postLetters(kRedoAt, bytes, sizeof head.bytes + length, signal);
}

bool MirrorWriter::postClearedRedo() {
  const uint8_t none[kLetterBytes] = {};
  redoStands_ = false;
  return postLetters(kRedoAt, none, sizeof none, Signal::kNone);
}

/// Letters are sent at once, except a redo without a completion of its own: the writes that it is
/// for follow at once.
bool MirrorWriter::postLetters(size_t offset, const uint8_t* letters, size_t length,
                               Signal signal) {
  RemoteMemory target = remote_[kMailbox];
  target.address += offset;
  const bool more = offset == kRedoAt && signal == Signal::kNone;
  return postCopy(letters, length, target, signal, more);
}

/// Writes bytes that may change as soon as this returns: small ones go inline, others are copied
/// into the ring.
bool MirrorWriter::postCopy(const uint8_t* bytes, size_t length, const RemoteMemory& target,
                            Signal signal, bool more) {
  if (length <= endpoint_->inlineBytes()) {
    cells_[kInlineWrites]++;
    return postWrite({bytes, length, nullptr, target}, signal, 0, more);
  }
  uint8_t* staged = takeStaging(length);
  if (staged == nullptr) return nothingPosted();
  std::memcpy(staged, bytes, length);
  return postWrite({staged, length, stagingRegistration_.get(), target}, signal, 0, more);
}

uint8_t* MirrorWriter::takeStaging(size_t length) {
  if (!endpoint_->carries()) return nullptr;
  uint8_t* staged = staging_.take(length);
  if (staged != nullptr) return staged;
  cells_[kStagingStalls]++;
  endpoint_->wait([&] {
    staged = staging_.take(length);
    return staged != nullptr;
  });
  return staged;
}

bool MirrorWriter::postWrite(const FabricWrite& one, Signal signal, uint64_t window, bool more) {
  // Some write must ask for its completion, or the queue never empties.
  const bool signalled = signal != Signal::kNone || ++unsignalled_ >= signalEvery_;
  const uint64_t id = firstSignalled_ + signalled_.size();
  const bool posted = endpoint_->write(one, signalled, more, id);
  cells_[kQueueStalls] = static_cast<double>(endpoint_->queueStalls());
  if (!posted) return nothingPosted();
  cells_[kWrites]++;
  cells_[kPlacedBytes] += static_cast<double>(one.length);
  if (signalled) {
    unsignalled_ = 0;
    signalled_.push_back({signal, false, sequence_, staging_.head(), window});
    cells_[kStagedBytes] = static_cast<double>(staging_.used());
  }
  return true;
}

void MirrorWriter::writeCompleted(uint64_t id) {
  if (id < firstSignalled_ || id - firstSignalled_ >= signalled_.size()) return;
  cells_[kCompletions]++;
  signalled_[id - firstSignalled_].done = true;
  while (!signalled_.empty() && signalled_.front().done) {
    const Signalled& front = signalled_.front();
    if (front.signal == Signal::kBatch) {
      countAcked(front.sequence);
    } else if (front.signal == Signal::kTold) {
      cells_[kToldSequence] = static_cast<double>(front.sequence);
    } else if (front.signal == Signal::kPiece || front.signal == Signal::kBlock) {
      if (front.signal == Signal::kBlock) cells_[kAckedBlocks]++;
      for (Window& window : windows_) {
        if (window.number == front.window) window.pieces--;
      }
    }
    staging_.free(front.staged);
    signalled_.pop_front();
    firstSignalled_++;
  }
  cells_[kStagedBytes] = static_cast<double>(staging_.used());
}

void MirrorWriter::connectionEnded() {
  windows_.clear();
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
  for (double* cell = cells_; cell < cells_ + kCells; cell++) *cell = 0;
}

bool MirrorWriter::isTheirs(const uint8_t* list, size_t length) const {
  RemoteMemory target;
  for (const uint8_t* end = list + length; list < end; list += recordAt(list).size) {
    const Record record = recordAt(list);
    if (!targetOf(record.offset, record.length, &target)) return false;
  }
  return true;
}

bool MirrorWriter::targetOf(uint64_t offset, uint64_t length, RemoteMemory* target) const {
  const uint64_t end = offset + length;
  if (end <= region_.headBytes) {
    *target = remote_[kHead];
    target->address += offset;
    return true;
  }
  if (offset < region_.bodyOffset || end > region_.length) return false;
  *target = remote_[kBody];
  target->address += offset - region_.bodyOffset;
  return true;
}

/// The window that holds an offset, registered as a source. When a new window is opened, those with
/// no piece on its way are closed.
MirrorWriter::Window* MirrorWriter::windowOf(uint64_t offset) {
  const uint64_t number = offset / kWindowBytes;
  for (Window& window : windows_) {
    if (window.number == number) return &window;
  }
  std::erase_if(windows_, [](const Window& window) { return window.pieces == 0; });
  Fid<fid_mr> registration;
  const uint64_t start = number * kWindowBytes;
  const uint64_t length = std::min(kWindowBytes, region_.length - start);
  const FabricFailure failure =
      endpoint_->registerSource(region_.bytes + start, length, &registration);
  if (failure) {
    endpoint_->markBroken("a part of the region cannot be registered: " + failure.reason, false);
    return nullptr;
  }
  windows_.push_back({number, std::move(registration), 0});
  return &windows_.back();
}

}  // namespace hotspare
