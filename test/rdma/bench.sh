#!/usr/bin/env bash
# Inside the machine: what one signalled write of 64 bytes costs on the device, what a mutation costs over the link, in
# turn, and the ratio of the medians. Then the TCP link, and the sequel with many mutations under way.
#
#   bench.sh ADDRESS ROUNDS COUNT
address=$1
rounds=$2
count=$3

# Prints microseconds a write; a server that does not come up in time is tried once more.
write_us() {
  for _ in 1 2 3; do
    timeout 60 ib_write_bw -d rxe0 -s 64 -t 1 -n 5000 >/tmp/server.log 2>&1 &
    sleep 2
    timeout 50 ib_write_bw -d rxe0 -s 64 -t 1 -n 5000 "$address" 2>/dev/null |
      awk '$1 == 64 { printf "%.1f\n", 1 / $5; found = 1 } END { exit !found }' && { wait; return; }
    kill $! 2>/dev/null
    wait
  done
  return 1
}
replicate() {
  node dist/cli/main.js bench replicate --payload 64 --count "$count" --latencies /tmp/latencies \
    --link-host "$address" "$@" 2>/tmp/replicate.log >/tmp/replicate.out || { cat /tmp/replicate.log; return 1; }
}
median() {
  sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'
}

for ((round = 0; round < rounds; round++)); do
  write_us >>/tmp/writes || { echo 'rdma: ib_write_bw does not run'; exit 1; }
  replicate --transport rdma --fabric verbs --outstanding 1 || exit 1
  [ "$round" = 0 ] && grep -v '#' /tmp/replicate.out
  sed -n 's/.*p50 \([0-9.]*\),.*/\1/p' /tmp/replicate.out >>/tmp/acks
done
write=$(median </tmp/writes)
ack=$(median </tmp/acks)
echo "rdma: ib_write_bw -s 64 -t 1: $(tr '\n' ' ' </tmp/writes)us a write, median $write"
echo "rdma: from commit to ack, p50: $(tr '\n' ' ' </tmp/acks)us, median $ack"
awk -v a="$ack" -v w="$write" 'BEGIN { printf "rdma: %.2f times one signalled write\n", a / w }'
for flags in '--transport tcp --outstanding 1' '--transport rdma --fabric verbs --outstanding 32'; do
  # shellcheck disable=SC2086
  replicate $flags || exit 1
  echo "replicate $flags:"
  grep -v '#' /tmp/replicate.out
done
