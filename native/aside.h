// Work that may take long, in a thread of its own: nobody waits for it, not even a process that
// ends.
#pragma once

namespace hotspare {

/// Runs `work(argument)` aside; here, when no thread can be had.
void runAside(void (*work)(void*), void* argument);

}  // namespace hotspare
