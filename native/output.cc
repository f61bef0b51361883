// See output.h.
#include "output.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "check.h"

namespace hotspare {
namespace {

constexpr size_t kChunkBytes = 4096 - sizeof(Piece);
constexpr size_t kChunksSpare = 1024;
constexpr size_t kReferencesSpare = 1024;
constexpr size_t kOutputsSpare = 1024;

Piece* allocate(size_t capacity) {
  auto* piece = static_cast<Piece*>(std::malloc(sizeof(Piece) + capacity));
  HOTSPARE_CHECK(piece != nullptr);
  piece->capacity = capacity;
  return piece;
}

}  // namespace

OutputPool::~OutputPool() {
  for (Output* output : outputs_) delete output;
  for (Piece* list : {chunks_, references_}) {
    while (list != nullptr) {
      Piece* next = list->next;
      std::free(list);
      list = next;
    }
  }
}

Output* OutputPool::take() {
  if (outputs_.empty()) return new Output();
  Output* output = outputs_.back();
  outputs_.pop_back();
  return output;
}

void OutputPool::put(Output* output) {
  if (outputs_.size() < kOutputsSpare) {
    outputs_.push_back(output);
  } else {
    delete output;
  }
}

/// A chunk with room for at least one byte; one of its own size when there is much to copy.
Piece* OutputPool::chunk(size_t bytes) {
  Piece* piece = nullptr;
  if (bytes > kChunkBytes) {
    piece = allocate(bytes);
  } else if (chunks_ == nullptr) {
    piece = allocate(kChunkBytes);
  } else {
    piece = chunks_;
    chunks_ = piece->next;
    chunkCount_--;
  }
  piece->bytes = reinterpret_cast<char*>(piece + 1);
  piece->begin = 0;
  piece->end = 0;
  return piece;
}

Piece* OutputPool::reference() {
  if (references_ == nullptr) return allocate(0);
  Piece* piece = references_;
  references_ = piece->next;
  referenceCount_--;
  return piece;
}

void OutputPool::put(Piece* piece) {
  if (piece->capacity == 0) {
    released.push({piece->connection, piece->token});
    spare(piece, &references_, &referenceCount_, kReferencesSpare);
  } else if (piece->capacity == kChunkBytes) {
    spare(piece, &chunks_, &chunkCount_, kChunksSpare);
  } else {
    std::free(piece);
  }
}

void OutputPool::spare(Piece* piece, Piece** list, size_t* count, size_t most) {
  if (*count >= most) {
    std::free(piece);
    return;
  }
  piece->next = *list;
  *list = piece;
  ++*count;
}

void Output::copy(OutputPool* pool, const char* bytes, size_t length) {
  while (length > 0) {
    if (tail_ == nullptr || tail_->end >= tail_->capacity) append(pool->chunk(length));
    const size_t part = std::min(length, tail_->capacity - tail_->end);
    std::memcpy(const_cast<char*>(tail_->bytes) + tail_->end, bytes, part);
    tail_->end += part;
    queued_ += part;
    bytes += part;
    length -= part;
  }
}

void Output::refer(OutputPool* pool, const char* bytes, size_t length, int32_t connection,
                   int32_t token) {
  Piece* piece = pool->reference();
  piece->bytes = bytes;
  piece->begin = 0;
  piece->end = length;
  piece->connection = connection;
  piece->token = token;
  append(piece);
  queued_ += length;
}

bool Output::hold(double barrier) {
  if (!gates_.empty() && gates_.back().barrier >= barrier) return false;
  gates_.push({queued_, barrier});
  return true;
}

void Output::release(double barrier) {
  while (!gates_.empty() && gates_.front().barrier <= barrier) gates_.pop();
}

int Output::parts(iovec* parts, int most, size_t* total) const {
  uint64_t left = sendable();
  int count = 0;
  for (const Piece* piece = head_; piece != nullptr && left > 0 && count < most;
       piece = piece->next) {
    const size_t length = std::min<uint64_t>(piece->end - piece->begin, left);
    if (length == 0) continue;
    parts[count++] = {const_cast<char*>(piece->bytes) + piece->begin, length};
    *total += length;
    left -= length;
  }
  return count;
}

bool Output::refersTo(const char* bytes, size_t length) const {
  for (const Piece* piece = head_; piece != nullptr; piece = piece->next) {
    if (piece->capacity == 0 && piece->bytes >= bytes && piece->bytes < bytes + length) return true;
  }
  return false;
}

void Output::advance(OutputPool* pool, size_t length) {
  sent_ += length;
  while (head_ != nullptr) {
    const size_t part = std::min(length, head_->end - head_->begin);
    head_->begin += part;
    length -= part;
    if (head_->begin < head_->end) break;
    Piece* done = head_;
    head_ = done->next;
    if (head_ == nullptr) tail_ = nullptr;
    pool->put(done);
  }
}

void Output::clear(OutputPool* pool) {
  while (head_ != nullptr) {
    Piece* next = head_->next;
    pool->put(head_);
    head_ = next;
  }
  tail_ = nullptr;
  sent_ = 0;
  queued_ = 0;
  gates_.clear();
}

void Output::append(Piece* piece) {
  piece->next = nullptr;
  if (tail_ == nullptr) {
    head_ = piece;
  } else {
    tail_->next = piece;
  }
  tail_ = piece;
}

}  // namespace hotspare
