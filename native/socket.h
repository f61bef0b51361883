// System calls on sockets: listen, connect, address. No state.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "failure.h"

namespace hotspare {

struct ListenOptions {
  std::string host;
  int port = 0;
  std::string path;  // not empty = a unix socket
  int mode = 0600;
  int backlog = 1024;
};

struct Listener {
  int descriptor = -1;
  uint8_t group = 0;
  bool armed = false;  // epoll watches it
  int port = 0;        // 0 = a unix socket
  std::string path;
  dev_t device = 0;  // of the unix socket's file
  ino_t inode = 0;
  uint32_t closedTick = 0;  // rows of that tick may still name it
};

/// Opens a listening socket. A unix socket's file that nobody accepts on is replaced.
Failure openListener(const ListenOptions& options, Listener* listener);
/// Closes a listener, and removes the unix socket's file if that is still this listener's.
void closeListener(Listener* listener);

/// Starts to connect; `*code` is 0, EINPROGRESS, or the errno of a connect that failed at once.
Failure startConnect(const std::string& host, int port, bool link, int* descriptor, int* code);

/// A bound UDP socket; `*port` is the port that is asked for (0: any), then the port that was
/// bound.
Failure openDatagrams(const std::string& host, int* port, int* descriptor);

/// Two connected unix sockets.
Failure openPair(int descriptors[2]);

/// Tunes a socket for small requests and replies: no delay, and keep-alive. Unix sockets ignore it.
void tune(int descriptor);

/// For links, over which heartbeats wait behind what was lost: it is sent again soon (from Linux
/// 6.15 on), and the time is not doubled with every loss. Called before there is a connection,
/// whose first time is made of the first round trip. Ignored where the kernel refuses it.
void tuneLink(int descriptor);

/// Errors that only say: not now.
inline bool isTransient(int code) {
  return code == EAGAIN || code == EWOULDBLOCK || code == EINTR;
}

/// Nobody is woken for fewer than so many bytes, unless the peer has ended; 1 is the default. The
/// kernel keeps its buffer large enough for them. Unix sockets ignore it. False, with errno: the
/// socket is as before.
bool wakeAfter(int descriptor, size_t bytes);

/// The pending error of a socket, 0 for none.
int socketError(int descriptor);

/// Addresses as tcp:1.2.3.4:5, tcp6:[::1]:5, or unix:/path; empty when there is none.
std::string describePeer(int descriptor);
std::string describeSelf(int descriptor);

}  // namespace hotspare
