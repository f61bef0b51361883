// Gives up the memory of a region without holding up its owner.
//
// To unmap a gigabyte and free its pages takes some 100 ms, in which nobody would be served. A
// thread does it, in slices: the lock of the address space, and a process that is being ended, wait
// for one slice at most, a few ms.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hotspare {

/// Memory that nobody uses any more, and the descriptor that it is mapped from.
struct Unmapping {
  uint8_t* bytes;
  size_t length;
  int descriptor;
  bool isFile;  // the content of a file stays
};

/// Unmaps the memory and closes the descriptor, in a thread of its own. A process that ends does
/// not wait for that.
void unmapLater(const Unmapping& unmapping);

}  // namespace hotspare
