// Drives a transport from Node's loop: polls its two epoll sets, and takes another turn while there
// is work that no socket announces.
//
// libuv's handles outlive the transport by one turn of the loop, and with them this object: it
// deletes itself when all of them are closed.
#pragma once

#include <memory>
#include <vector>

#include "failure.h"
#include "libuv.h"
#include "transport.h"

namespace hotspare {

class Loop : public Host {
 public:
  Failure start(uv_loop_s* loop, const TransportOptions& options, const SharedTables& tables);
  Transport* transport() { return transport_.get(); }

  void wake(bool on) override;
  void keepAlive(bool on) override;
  void stopped() override;

 private:
  uv_handle_s* open(int type);
  void giveUp();
  template <typename Handle>
  static void turn(Handle* handle);
  static void closed(uv_handle_s* handle);

  std::unique_ptr<Transport> transport_;
  std::vector<uv_handle_s*> polls_;
  uv_handle_s* idle_ = nullptr;
  size_t open_ = 0;
  bool awake_ = false;
};

}  // namespace hotspare
