// See socket.h.
#include "socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace hotspare {
namespace {

constexpr int kSocketFlags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

// Of linux/tcp.h, whose version here may be older than the kernel.
constexpr int kThinLinearTimeouts = 16;
constexpr int kRetransmitMin = 45;
/// More than the 20 ms between two heartbeats, so that an ack that waits for one comes in time; and
/// so little that a packet may be lost five times within a --dead-after of 500 ms.
constexpr int kLinkRetransmitUs = 25'000;

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Failure internetAddress(const std::string& host, int port, Address* address) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return {EINVAL, "address"};
  }
  std::memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
  address->length = found->ai_addrlen;
  freeaddrinfo(found);
  return {};
}

Failure unixAddress(const std::string& path, Address* address) {
  auto* name = reinterpret_cast<sockaddr_un*>(&address->storage);
  if (path.empty() || path.find('\0') != std::string::npos) return {EINVAL, "address"};
  if (path.size() >= sizeof name->sun_path) return {ENAMETOOLONG, "address"};
  name->sun_family = AF_UNIX;
  std::memcpy(name->sun_path, path.c_str(), path.size() + 1);
  address->length = sizeof(sockaddr_un);
  return {};
}

/// Removes a socket file on which no process accepts; any other file there is somebody's.
Failure removeStale(const std::string& path, const Address& address) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0)
    return errno == ENOENT ? Failure{} : Failure{errno, "stat"};
  if (!S_ISSOCK(status.st_mode)) return {EADDRINUSE, "bind"};
  const int probe = socket(AF_UNIX, kSocketFlags, 0);
  if (probe < 0) return {errno, "socket"};
  const int code = ::connect(probe, address.get(), address.length) == 0 ? 0 : errno;
  ::close(probe);
  if (code != ECONNREFUSED) return {EADDRINUSE, "bind"};
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return {errno, "unlink"};
  return {};
}

Failure bindUnix(const ListenOptions& options, const Address& address, Listener* listener) {
  const auto mode = static_cast<mode_t>(options.mode & 0777);
  // The file takes its mode from the socket less the umask, so that the mode is never, not even for
  // a moment, wider than asked for.
  if (fchmod(listener->descriptor, mode) != 0) return {errno, "fchmod"};
  if (bind(listener->descriptor, address.get(), address.length) != 0) return {errno, "bind"};
  listener->path = options.path;
  // Whoever else may write to the folder may have put a symlink in the place of the socket.
  struct stat status {};
  if (lstat(options.path.c_str(), &status) != 0) return {errno, "stat"};
  listener->device = status.st_dev;
  listener->inode = status.st_ino;
  if (fchmodat(AT_FDCWD, options.path.c_str(), mode, AT_SYMLINK_NOFOLLOW) != 0) {
    return {errno, "chmod"};
  }
  return {};
}

Failure bindInternet(const Address& address, Listener* listener) {
  const int on = 1;
  const int descriptor = listener->descriptor;
  if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      (address.storage.ss_family == AF_INET6 &&
       setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)) {
    return {errno, "setsockopt"};
  }
  if (bind(descriptor, address.get(), address.length) != 0) return {errno, "bind"};
  return {};
}

Failure boundPort(Listener* listener) {
  Address address;
  address.length = sizeof address.storage;
  if (getsockname(listener->descriptor, address.get(), &address.length) != 0) {
    return {errno, "getsockname"};
  }
  // The port stands at the same place for both families.
  listener->port = ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
  return {};
}

std::string describe(const Address& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.storage.ss_family == AF_INET) {
    const auto* name = reinterpret_cast<const sockaddr_in*>(&address.storage);
    inet_ntop(AF_INET, &name->sin_addr, text, sizeof text);
    return "tcp:" + std::string(text) + ":" + std::to_string(ntohs(name->sin_port));
  }
  if (address.storage.ss_family == AF_INET6) {
    const auto* name = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    inet_ntop(AF_INET6, &name->sin6_addr, text, sizeof text);
    return "tcp6:[" + std::string(text) + "]:" + std::to_string(ntohs(name->sin6_port));
  }
  const auto* name = reinterpret_cast<const sockaddr_un*>(&address.storage);
  const size_t most = address.length - offsetof(sockaddr_un, sun_path);
  return "unix:" + std::string(name->sun_path, strnlen(name->sun_path, most));
}

}  // namespace

Failure openListener(const ListenOptions& options, Listener* listener) {
  const bool local = !options.path.empty();
  Address address;
  Failure failure = local ? unixAddress(options.path, &address)
                          : internetAddress(options.host, options.port, &address);
  if (!failure && local) failure = removeStale(options.path, address);
  if (failure) return failure;
  listener->descriptor = socket(address.storage.ss_family, kSocketFlags, 0);
  if (listener->descriptor < 0) return {errno, "socket"};
  failure = local ? bindUnix(options, address, listener) : bindInternet(address, listener);
  if (!failure && ::listen(listener->descriptor, options.backlog) != 0) failure = {errno, "listen"};
  if (!failure && !local) failure = boundPort(listener);
  if (failure) closeListener(listener);
  return failure;
}

void closeListener(Listener* listener) {
  if (listener->descriptor >= 0) ::close(listener->descriptor);
  listener->descriptor = -1;
  listener->armed = false;
  if (listener->path.empty()) return;
  struct stat status {};
  if (lstat(listener->path.c_str(), &status) == 0 && status.st_dev == listener->device &&
      status.st_ino == listener->inode) {
    unlink(listener->path.c_str());
  }
  listener->path.clear();
}

Failure startConnect(const std::string& host, int port, bool link, int* descriptor, int* code) {
  Address address;
  const Failure failure =
      port < 0 ? unixAddress(host, &address) : internetAddress(host, port, &address);
  if (failure) return failure;
  *descriptor = socket(address.storage.ss_family, kSocketFlags, 0);
  if (*descriptor < 0) return {errno, "socket"};
  tune(*descriptor);
  if (link) tuneLink(*descriptor);
  *code = ::connect(*descriptor, address.get(), address.length) == 0 ? 0 : errno;
  return {};
}

Failure openDatagrams(const std::string& host, int* port, int* descriptor) {
  Address address;
  const Failure failure = internetAddress(host, *port, &address);
  if (failure) return failure;
  Listener bound;
  bound.descriptor =
      socket(address.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bound.descriptor < 0) return {errno, "socket"};
  Failure refused;
  const int on = 1;
  if (address.storage.ss_family == AF_INET6 &&
      setsockopt(bound.descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) {
    refused = {errno, "setsockopt"};
  } else if (bind(bound.descriptor, address.get(), address.length) != 0) {
    refused = {errno, "bind"};
  } else {
    refused = boundPort(&bound);
  }
  if (refused) {
    ::close(bound.descriptor);
    return refused;
  }
  *port = bound.port;
  *descriptor = bound.descriptor;
  return {};
}

Failure openPair(int descriptors[2]) {
  if (socketpair(AF_UNIX, kSocketFlags, 0, descriptors) != 0) return {errno, "socketpair"};
  return {};
}

void tune(int descriptor) {
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

void tuneLink(int descriptor) {
  setsockopt(descriptor, IPPROTO_TCP, kRetransmitMin, &kLinkRetransmitUs, sizeof kLinkRetransmitUs);
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, kThinLinearTimeouts, &on, sizeof on);
}

bool wakeAfter(int descriptor, size_t bytes) {
  const int least = static_cast<int>(bytes);
  return setsockopt(descriptor, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least) == 0;
}

int socketError(int descriptor) {
  int code = 0;
  socklen_t length = sizeof code;
  if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) != 0) return errno;
  return code;
}

std::string describePeer(int descriptor) {
  Address address;
  address.length = sizeof address.storage;
  if (getpeername(descriptor, address.get(), &address.length) != 0) return "";
  if (address.storage.ss_family != AF_UNIX || address.length > sizeof(sa_family_t)) {
    return describe(address);
  }
  // A unix client has no name of its own: the name of our socket that it came to stands for it.
  return describeSelf(descriptor);
}

std::string describeSelf(int descriptor) {
  Address address;
  address.length = sizeof address.storage;
  if (getsockname(descriptor, address.get(), &address.length) != 0) return "";
  return describe(address);
}

}  // namespace hotspare
