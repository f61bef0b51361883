// Lines for people, written by a thread of their own.
//
// A write to a pipe that nobody reads, to a terminal under Ctrl-S or to a stalled disk waits for as
// long as it likes, and one to a full disk fails: neither may stop or end the thread that serves.
// So that thread puts lines into a queue with a bound, and never waits. Lines leave in their order.
// One that cannot be written, or finds no room, is counted, and the next that can be says how many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace hotspare {

/// Puts `head + text + "\n"` into the queue for stderr. `head` also begins the line about lost
/// ones.
void sayLine(std::string head, std::string text);

/// Lines that were not written, since the process began.
uint64_t linesLost();

/// Waits until all that was said is written or given up, at most this long. False: some is left.
bool flushLines(int milliseconds);

}  // namespace hotspare
