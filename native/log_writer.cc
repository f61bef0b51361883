// See log_writer.h.
#include "log_writer.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <utility>

#include "libuv.h"

namespace hotspare {
namespace {

constexpr size_t kQueuedBytesMax = size_t{256} * 1024;
constexpr size_t kStackBytes = size_t{128} * 1024;
/// A busy machine may keep a thread from a processor for so long.
constexpr std::chrono::seconds kBusyPatience{5};

struct Line {
  std::string head;
  std::string text;
  size_t bytes() const { return head.size() + text.size() + 1; }
};

/// The only log writer. It is never destroyed: its thread may stand in a write when the process
/// ends.
class Writer {
 public:
  void say(Line line) {
    const std::lock_guard guard(mutex_);
    if (!start()) {
      if (!writeHere(line)) lost_++;
      return;
    }
    if (queuedBytes_ + line.bytes() > kQueuedBytesMax) {
      lost_++;
      return;
    }
    queuedBytes_ += line.bytes();
    lines_.push_back(std::move(line));
    said_.notify_one();
  }

  uint64_t lost() {
    const std::lock_guard guard(mutex_);
    return lost_;
  }

  bool flush(std::chrono::milliseconds patience) {
    std::unique_lock guard(mutex_);
    const auto isDone = [this] { return lines_.empty() && !writing_; };
    if (written_.wait_for(guard, patience, isDone)) return true;
    // The thread has a line in hand. Where stderr takes bytes the thread only waits for a
    // processor.
    const auto end = std::chrono::steady_clock::now() + kBusyPatience;
    while (writing_ && isReady() && std::chrono::steady_clock::now() < end) {
      written_.wait_for(guard, std::chrono::milliseconds(10));
    }
    // On a busy machine the thread may not have run yet: this thread then writes, lest the process
    // end without its last words.
    while (!writing_ && !lines_.empty() && writeHere(lines_.front())) {
      queuedBytes_ -= lines_.front().bytes();
      lines_.pop_front();
    }
    return isDone();
  }

 private:
  /// True once the thread runs. A thread that could not be had is tried again with the next line.
  bool start() {
    if (started_) return true;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStackBytes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    // Node's handlers are for its own threads; a blocked SIGTTOU lets a process in the background
    // write to its terminal.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread{};
    started_ = pthread_create(&thread, &attributes, run, this) == 0;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_attr_destroy(&attributes);
    return started_;
  }

  /// True when stderr takes a line at once.
  static bool isReady() {
    pollfd ready{STDERR_FILENO, POLLOUT, 0};
    return poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0;
  }

  /// Without a thread a line is written at once, if that makes nobody wait: a process that may have
  /// no thread has something to say. A pipe that is ready has room for PIPE_BUF bytes.
  bool writeHere(const Line& line) {
    const std::string text = textOf(line, lost_ - told_);
    if (!isReady() || text.size() > PIPE_BUF) return false;
    if (::write(STDERR_FILENO, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      return false;
    }
    told_ = lost_;
    return true;
  }

  static void* run(void* writer) {
    pthread_setname_np(pthread_self(), "hotspare-log");
    static_cast<Writer*>(writer)->work();
    return nullptr;
  }

  void work() {
    std::unique_lock guard(mutex_);
    for (;;) {
      said_.wait(guard, [this] { return !lines_.empty(); });
      const Line line = std::move(lines_.front());
      lines_.pop_front();
      queuedBytes_ -= line.bytes();
      const uint64_t missing = lost_ - told_;
      const std::string text = textOf(line, missing);
      writing_ = true;
      guard.unlock();
      const int error = write(text);
      guard.lock();
      writing_ = false;
      if (error == 0) {
        told_ += missing;
        reason_ = 0;
      } else {
        lost_++;
        reason_ = error;
      }
      if (lines_.empty()) written_.notify_all();
    }
  }

  std::string textOf(const Line& line, uint64_t missing) const {
    std::string text = torn_ ? "\n" : "";
    if (missing > 0) {
      const char* why = reason_ == 0 ? "nobody read them in time" : uv_strerror(-reason_);
      text += line.head + std::to_string(missing) + (missing == 1 ? " line" : " lines") +
              " could not be written: " + why + "\n";
    }
    return text + line.head + line.text + "\n";
  }

  /// 0, or errno.
  int write(const std::string& text) {
    size_t at = 0;
    while (at < text.size()) {
      const ssize_t count = ::write(STDERR_FILENO, text.data() + at, text.size() - at);
      if (count >= 0) {
        at += static_cast<size_t>(count);
        continue;
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) {
        const int error = errno;
        torn_ = torn_ || at > 0;
        return error;
      }
      // Another process that shares the descriptor has made it one that does not wait.
      pollfd ready{STDERR_FILENO, POLLOUT, 0};
      poll(&ready, 1, -1);
    }
    torn_ = false;
    return 0;
  }

  std::mutex mutex_;
  std::condition_variable said_;
  std::condition_variable written_;
  std::deque<Line> lines_;
  size_t queuedBytes_ = 0;
  bool started_ = false;
  bool writing_ = false;
  bool torn_ = false;  // the newest line that failed stands there in part
  uint64_t lost_ = 0;
  uint64_t told_ = 0;  // of the lost lines
  int reason_ = 0;     // of the newest write that failed since one succeeded
};

Writer& writer() {
  static auto* one = new Writer();
  return *one;
}

}  // namespace

void sayLine(std::string head, std::string text) {
  writer().say({std::move(head), std::move(text)});
}

uint64_t linesLost() {
  return writer().lost();
}

bool flushLines(int milliseconds) {
  return writer().flush(std::chrono::milliseconds(milliseconds));
}

}  // namespace hotspare
