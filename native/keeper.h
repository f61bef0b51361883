// A death that is seen at once, however large the cache.
//
// When a process is killed, Linux first gives up its memory and only then closes its sockets: about
// 0.2 ms a MiB in which clients and the standby wait for a process that is already dead. Linux
// gives the memory up when the last process that uses it ends, so a keeper uses it too: a child
// that shares the memory and nothing else, sleeps, and ends after its parent.
#pragma once

namespace hotspare {

/// Starts this process' keeper, once. To be called after root was given up, as the keeper keeps the
/// user that it starts as, and none of the capabilities. Nothing happens on a system that cannot do
/// it (before Linux 5.9).
void startKeeper();

}  // namespace hotspare
