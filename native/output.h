// The output that a connection still has to send: bytes in order, and gates between them.
//
//   sent             sendable                    queued        positions in the connection's stream
//   |---- may leave ----|---- held by a gate ----|
//
// A gate says: from this position on, nothing leaves before `barrier` is released. Bytes are copied
// into chunks, or referred to where they are; chunks and queues come from a pool, so that holding
// replies behind a barrier, which a synchronous mirror does in every tick, allocates nothing.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "queue.h"

namespace hotspare {

/// A run of bytes: copied (they stand behind this struct), or a reference (capacity 0).
struct Piece {
  Piece* next;
  const char* bytes;
  size_t begin;  // bytes[begin, end) is still to be sent
  size_t end;
  size_t capacity;
  int32_t connection;
  int32_t token;  // of a reference
};

struct Gate {
  uint64_t start;
  double barrier;
};

/// A reference that is no longer needed.
struct Released {
  int32_t connection;
  int32_t token;
};

class Output;

/// Spare queues and chunks of one transport, and the list of references to report.
class OutputPool {
 public:
  OutputPool() = default;
  OutputPool(const OutputPool&) = delete;
  OutputPool& operator=(const OutputPool&) = delete;
  ~OutputPool();

  Output* take();
  void put(Output* output);
  Piece* chunk(size_t bytes);
  Piece* reference();
  /// Takes a piece back; a reference is reported as released.
  void put(Piece* piece);

  Queue<Released> released;

 private:
  void spare(Piece* piece, Piece** list, size_t* count, size_t most);

  std::vector<Output*> outputs_;
  Piece* chunks_ = nullptr;
  size_t chunkCount_ = 0;
  Piece* references_ = nullptr;
  size_t referenceCount_ = 0;
};

class Output {
 public:
  uint64_t pending() const { return queued_ - sent_; }
  /// Bytes that no gate holds.
  uint64_t sendable() const { return (gates_.empty() ? queued_ : gates_.front().start) - sent_; }

  void copy(OutputPool* pool, const char* bytes, size_t length);
  void refer(OutputPool* pool, const char* bytes, size_t length, int32_t connection, int32_t token);
  /// Bytes that are queued from now on wait for `barrier`. True when that made a new gate.
  bool hold(double barrier);
  /// Opens the gates up to `barrier`.
  void release(double barrier);

  /// Describes the first sendable bytes in at most `most` parts; returns the parts, adds their
  /// bytes to `total`.
  int parts(iovec* parts, int most, size_t* total) const;
  /// True when a reference into this memory is still to be sent.
  bool refersTo(const char* bytes, size_t length) const;
  /// `length` bytes were sent.
  void advance(OutputPool* pool, size_t length);
  /// Drops everything.
  void clear(OutputPool* pool);

 private:
  void append(Piece* piece);

  Piece* head_ = nullptr;
  Piece* tail_ = nullptr;
  uint64_t sent_ = 0;
  uint64_t queued_ = 0;
  Queue<Gate> gates_;  // by start and by barrier, both ascending
};

}  // namespace hotspare
