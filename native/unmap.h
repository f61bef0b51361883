// Gives up the memory of a region without holding up whoever asks.
//
// To unmap a gigabyte and free its pages takes some 100 ms, in which nobody would be served. A
// thread does it, in slices: what one of them holds (the lock of the address space, and a process
// that is being ended) is free again within a few ms.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hotspare {

/// Memory that nobody uses any more, and the descriptor that it is mapped from.
struct Unmapping {
  uint8_t* bytes;
  size_t length;
  int descriptor;
  bool isFile;  // what stands in it stays
};

/// Unmaps it and closes the descriptor, in a thread of its own. A process that ends does not wait.
void unmapLater(const Unmapping& unmapping);

}  // namespace hotspare
