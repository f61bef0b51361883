// Work that may take long, in a thread of its own: nobody waits for that thread, not even a process
// that ends.
#pragma once

namespace hotspare {

/// Runs `work(argument)` in a thread of its own; in the calling thread, when no other can be had.
void runAside(void (*work)(void*), void* argument);

}  // namespace hotspare
