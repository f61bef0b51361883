#!/usr/bin/env bash
# Inside the machine: what one signalled write of 64 bytes costs on the device, and what a mutation costs over the link.
address=$1
ib_write_bw -d rxe0 -s 64 -t 1 -n 2000 >/tmp/server.log 2>&1 &
sleep 2
ib_write_bw -d rxe0 -s 64 -t 1 -n 2000 $address 2>&1 |
  awk '$1 == 64 { printf "rdma: ib_write_bw -s 64 -t 1: %.1f us a write\n", 1 / $5 }'
wait
replicate() {
  node dist/src/main.js bench replicate --payload 64 --outstanding 1 --count 20000 --latencies /tmp/latencies \
    --link-host $address "$@" 2>/dev/null | grep -v '#'
}
replicate --transport tcp &&
  replicate --transport rdma --fabric verbs &&
  replicate --transport rdma --fabric verbs --link-spin 500
