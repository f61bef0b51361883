// A death that is seen at once, however large the cache.
//
// When a process is killed, Linux first gives up its memory and only then closes its sockets: about
// 0.2 ms a MiB in which clients and the standby wait for a process that is already dead. The memory
// is given up by the last one who uses it, so a keeper uses it too: a child that shares the memory
// and nothing else, sleeps, and ends after its parent.
#pragma once

namespace hotspare {

/// Starts this process' keeper, once; after root was given up, for it keeps the user it starts as,
/// and none of the capabilities. Without a system that can do it (Linux 5.9) nothing happens.
void startKeeper();

}  // namespace hotspare
