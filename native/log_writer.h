// Lines for people, written by a thread of their own.
//
// A write to a pipe that nobody reads, to a terminal under Ctrl-S or to a stalled disk waits for as
// long as it likes, and a write to a full disk fails: neither may stop or end the thread that
// serves. Therefore that thread puts lines into a queue with a bound, and never waits. Lines leave
// in their order. A line that cannot be written, or finds no room, is counted, and the next line
// that can be written says how many are lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace hotspare {

/// Puts `head + text + "\n"` into the queue for stderr. `head` also begins the line about lost
/// lines.
void sayLine(std::string head, std::string text);

/// Lines that were not written, since the process began.
uint64_t linesLost();

/// Waits until all lines are written or given up, at most this long. False: some lines are left.
bool flushLines(int milliseconds);

}  // namespace hotspare
