// The transport: one epoll set for clients and one for links, read in ticks.
//
// clang-format off
//   turn ─► gather ─► Host::tick (TypeScript) ─► settle ─► scatter      a few rounds, then back to Node's loop
//           read        event rows → reply rows    leftover   send
// clang-format on
//
// The transport knows connections, bytes and barriers. It promises: bytes of a connection keep
// their order in both directions; nothing held behind a barrier leaves before that barrier is
// released; a ready connection is served within a bounded number of ticks; no call blocks. All
// state is in this object, which is used from one thread; the code that drives it implements Host,
// so that a tick may one day be run elsewhere.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <string>
#include <vector>

#include "connection.h"
#include "failure.h"
#include "output.h"
#include "queue.h"
#include "socket.h"
#include "tables.h"

namespace hotspare {

enum Group : int { kClients = 0, kLinks = 1, kGroups = 2 };

struct TransportOptions {
  size_t inputBytes = 0;
  size_t outputBytes = 0;
  size_t eventsMax = 0;
  size_t repliesMax = 0;
  size_t connectionsMax = 0;
  size_t readBytesMax = 0;
  size_t pendingHighBytes = 0;
  size_t sinkBytesPerTick = 0;
};

struct Memory {
  char* bytes;
  size_t length;

  bool contains(const char* at) const { return at >= bytes && at < bytes + length; }
};

/// Memory shared with TypeScript. The memory must outlive the transport.
struct SharedTables {
  char* input;
  char* output;
  EventRow* events;
  ReplyRow* replies;
  double* counters;
};

class Host {
 public:
  virtual ~Host() = default;
  /// Runs a tick on `rows` event rows; stores the barrier. False: the tick failed, and the
  /// transport stops.
  virtual bool tick(int rows, double* barrier) = 0;
  /// While `on`, turn() is called soon even when no socket is ready.
  virtual void wake(bool on) = 0;
  /// While `on`, the loop has a reason to live.
  virtual void keepAlive(bool on) = 0;
  /// The transport has closed its descriptors, which must not be polled any more.
  virtual void stopped() = 0;
};

/// The size of the place for bytes that nobody wants; a read may name that place several times.
constexpr size_t kScratchBytes = size_t{64} * 1024;

class Transport {
 public:
  Transport(const TransportOptions& options, const SharedTables& tables, Host* host);
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  ~Transport();

  Failure start();
  /// Destroys a transport whose loop could not start; its host hears nothing.
  void giveUp();
  /// Readable when turn() should be called.
  int descriptor(Group group) const { return ready_[group].epoll; }
  void turn();

  Failure listen(const ListenOptions& options, Group group, int32_t* listener);
  int listenerPort(int32_t listener) const;
  /// -1 when it is closed.
  int listenerDescriptor(int32_t listener) const;
  void closeListener(int32_t listener);
  Failure connect(const std::string& host, int port, Group group, int32_t* id);
  /// Makes a connection whose other end, a descriptor, is the caller's to use and to close.
  Failure pair(int32_t* id, int* other);
  /// Puts one end of a socket pair in the place of an accepted connection's socket. The socket and
  /// the pair's other end are the caller's from then on.
  Failure divert(int32_t id, int* socket, int* other);
  void limit(size_t connections, const std::string& refusal);
  int64_t send(int32_t id, const char* bytes, size_t length);
  /// Null = throw the bytes away.
  void sink(int32_t id, char* target, uint64_t length);
  void close(int32_t id, bool flush);
  /// Milliseconds since the last byte for a connection's sink came; -1 for a connection without
  /// sink.
  double stalledMs(int32_t id) const;
  void release(double sequence);
  void pause(bool paused);
  /// Names also a connection that ends in this tick: its descriptor is open until the tick is over.
  const Connection* describable(int32_t id) const;
  int32_t addMemory(const Memory& memory);
  const Memory* memory(int32_t buffer) const;
  /// Forgets memory; connections that still read into it or send from it are ended.
  void removeMemory(int32_t buffer);
  void sweep(double drainingMs);
  void destroy();

 private:
  // epoll's data is an id and the slot's generation; a listener has this in the generation's place.
  static constexpr uint32_t kListenerMark = 0x80000000;

  /// The events that epoll reported for one group, and that nobody has looked at yet.
  struct ReadySet {
    int epoll = -1;
    std::vector<epoll_event> events;
    size_t next = 0;
    size_t count = 0;
  };
  struct Held {
    ConnectionName name;
    double barrier;
  };

  // slots.cc: the life of a slot.
  Connection* live(int32_t id);
  Connection* find(const ConnectionName& name);
  int32_t idOf(const Connection& c) const { return static_cast<int32_t>(&c - connections_.data()); }
  ConnectionName nameOf(const Connection& c) const { return {idOf(c), c.generation}; }
  Connection* take(int descriptor, Group group, State state);
  void leave(Connection* c);
  void fail(Connection* c, int code);
  void end(Connection* c);
  void drainEnded();
  void drain(Connection* c);
  void drained(Connection* c);
  void bury(Connection* c);
  void closeDescriptor(Connection* c);
  void watch(Connection* c, uint32_t interest);
  int exchange(const Connection* c, int descriptor);
  void countDescriptor(int group, int change);

  // transport.cc: the end of a tick.
  double ended(double startMs);
  void settle(int rows);
  void settleRow(Connection* c, const EventRow& row);
  void keep(Connection* c, const char* bytes, size_t length);
  void deliverAgain(Connection* c);
  void resume(Connection* c);
  bool work() const;
  void wake();
  void destroyNow();
  void closeEpolls();

  // gather.cc: sockets to event rows.
  void gather(double startMs);
  void gatherGroup(Group group);
  void reportBroken(Group group);
  void reportReleased();
  void serveAgain(Group group);
  void serveReady(Group group);
  void deliver(Connection* c);
  bool serve(const epoll_event& event);
  bool serveOpen(Connection* c, uint32_t mask);
  size_t freshBytes(const Connection& c) const;
  bool finishConnect(Connection* c);
  bool wanted(const Connection& c) const;
  void quiet(Connection* c, uint32_t mask);
  void ignore(Connection* c, uint32_t mask);
  void read(Connection* c, uint32_t mask);
  void awaitSink(Connection* c);
  void discard(Connection* c, uint32_t mask);
  bool accept(Listener* listener);
  void refuse(int descriptor);
  bool listenerWanted(const Listener& listener) const;
  size_t listenerPlace();
  void arm(Listener* listener, bool on);
  void turnListeners(Group group, bool on);
  bool makeRoom();
  void waitForRoom(bool on);
  bool roomForRow() const { return static_cast<size_t>(rows_) < options_.eventsMax; }
  bool roomForSink(const Connection& c) const {
    return filledBytes_ == 0 || filledBytes_ + c.sinkBytes <= options_.sinkBytesPerTick;
  }
  EventRow* addRow(EventKind kind, int32_t id, int32_t offset, int32_t length, int32_t group);

  // scatter.cc: reply rows to sockets.
  void scatter(double barrier);
  void sendRows(Connection* c, const ReplyRow* row, const ReplyRow* end);
  void queueRows(Connection* c, const ReplyRow* row, const ReplyRow* end, size_t skip);
  void dropRows(const ReplyRow* row, const ReplyRow* end);
  const char* bytesOf(const ReplyRow& row) const;
  Output* outputOf(Connection* c);
  void queueBytes(Connection* c, const char* bytes, size_t length);
  void hold(Connection* c, double barrier);
  void openGates();
  bool mayOpen() const;
  void flush(Connection* c);
  void relieve(Connection* c);
  void dropOutput(Connection* c);
  bool waits(const Connection& c) const;
  void waitWritable(Connection* c);
  void countPending(Connection* c, double change);

  const TransportOptions options_;
  const SharedTables tables_;
  Host* const host_;

  std::vector<Connection> connections_;
  std::vector<int32_t> free_;
  std::vector<int32_t> dead_;    // free from the next tick on
  std::vector<int32_t> ending_;  // Ending: they drain when this tick's replies are out
  std::vector<Listener> listeners_;
  std::vector<Memory> memories_;
  OutputPool pool_;

  ReadySet ready_[kGroups];
  Queue<ConnectionName> again_[kGroups];   // to deliver without reading
  Queue<ConnectionName> broken_[kGroups];  // to report
  Queue<Held> held_;                       // by barrier, ascending
  double released_ = 0;

  uint32_t tick_ = 0;
  int rows_ = 0;
  size_t inputUsed_ = 0;
  uint64_t filledBytes_ = 0;  // of sinks reported as filled in this tick
  int32_t newestSink_ = -1;   // the connection that began one last
  uint64_t sunkBytes_ = 0;    // read into sinks in this tick
  int accepted_ = 0;          // in this tick
  double gatherStartMs_ = 0;  // of this tick
  bool active_ = false;       // a socket was ready in this tick
  bool inTurn_ = false;
  bool inTick_ = false;  // TypeScript is running: a connection that ends now ends after the scatter
  bool paused_ = false;
  bool destroying_ = false;
  bool destroyed_ = false;
  bool listenersOff_[kGroups] = {false, false};
  double listenersOffSinceMs_ = 0;  // the clients'
  bool waiting_ = false;            // the limit of clients is reached, and the next client waits
  double waitingSinceMs_ = 0;
  size_t connectionsLimit_;
  bool refuses_ = true;
  std::string refusal_;
  int descriptors_[kGroups] = {0, 0};
  size_t slots_[kGroups] = {0, 0};   // taken
  Queue<ConnectionName> lingering_;  // clients', oldest first
  std::vector<char> scratch_;        // where discarded bytes go
};

/// Goes on while the machine is suspended (CLOCK_BOOTTIME): a lease must not outlive a sleep.
double monotonicMs();

}  // namespace hotspare
