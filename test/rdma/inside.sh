#!/usr/bin/env bash
# Runs in the virtual machine: makes a Soft-RoCE device, and runs the tests of the link over verbs on it. The last line
# it prints is the result.
#
#   inside.sh all | quick | bench      quick: one round of everything; bench: the figures alone
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp TERM=dumb
cd "$(dirname "$0")/../.." || exit 1
ulimit -l unlimited
address=10.9.0.1

ip link add veth0 type veth peer name veth1 &&
  ip addr add $address/24 dev veth0 && ip link set veth0 up && ip link set veth1 up &&
  rdma link add rxe0 type rxe netdev veth0 || { echo 'rdma: not run: no Soft-RoCE device'; exit; }
rdma link

export LINK_FABRIC=verbs LINK_HOST=$address LINK_ROUNDS=20 LINK_CYCLES=200
[ "$1" = quick ] && export LINK_ROUNDS=1 LINK_CYCLES=20
jest() {
  # The root is read only, and emulation is slow.
  node node_modules/.bin/jest --runInBand --cacheDirectory /tmp/jest --testTimeout 240000 "$@"
}

failed=0
if [ "$1" != bench ]; then
  jest dist/test/unit/fabric || failed=1
  jest dist/test/e2e/rdma || failed=1
fi
[ -f test/rdma/bench.sh ] && { bash test/rdma/bench.sh $address || failed=1; }
[ $failed = 0 ] && echo 'rdma: passed' || echo 'rdma: tests failed'
