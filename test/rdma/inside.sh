#!/usr/bin/env bash
# Runs in the virtual machine: makes a Soft-RoCE device, and runs the tests of the link over verbs on it. The last line
# it prints is the result: "rdma: N passed, N failed, N skipped", or "rdma: not run: why".
#
#   inside.sh all | quick | bench | NAME [VARIABLE=VALUE,...]
#     quick: one round of everything; bench: the figures alone, for docs/BENCHMARKS.md; NAME: the test files whose path
#     has it, without figures
export HOME=/tmp TERM=dumb
cd "$(dirname "$0")/../.." || exit 1
ulimit -l unlimited
address=10.9.0.1

ip link add veth0 type veth peer name veth1 &&
  ip addr add $address/24 dev veth0 && ip link set veth0 up && ip link set veth1 up ||
  { echo 'rdma: not run: no network device'; exit; }
# test/e2e/device looks at what doctor says without a device, and at the device that is made as it says there. Taking a
# device away once it was used blocks this kernel.
export WITHOUT_DEVICE=/tmp/without-device.json
node dist/cli/main.js doctor --json --host $address >$WITHOUT_DEVICE
rdma link add rxe0 type rxe netdev veth0 || { echo 'rdma: not run: no Soft-RoCE device'; exit; }
rdma link

# Emulation is slow, and the machine that emulates may be busy.
export SLOWNESS=5 LINK_FABRIC=verbs LINK_HOST=$address LINK_ROUNDS=20 LINK_FENCINGS=3 LINK_CYCLES=1000 LINK_STRETCHES=3
[ "$1" = quick ] && export LINK_ROUNDS=1 LINK_FENCINGS=1 LINK_CYCLES=20
for assignment in ${2//,/ }; do
  export "${assignment?}"
done
files='dist/test/unit/fabric dist/test/e2e/rdma dist/test/e2e/device' figures=1
case $1 in
  all | quick | bench) ;;
  *) files=$1 figures=0 ;;
esac

passed=0 failed=0 skipped=0
count() {
  passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}
if [ "$1" != bench ]; then
  # The root is read only.
  # shellcheck disable=SC2086
  node node_modules/.bin/jest --runInBand --verbose --cacheDirectory /tmp/jest --testTimeout 300000 \
    --json --outputFile /tmp/results.json $files
  # shellcheck disable=SC2046
  count $(node .ci/count.js /tmp/results.json | tr -dc '0-9 ') || count 0 1 0
fi
if [ $figures = 1 ]; then
  rounds=5 mutations=20000
  [ "$1" = bench ] || rounds=3
  if bash test/rdma/bench.sh $address $rounds $mutations; then count 1 0 0; else count 0 1 0; fi
fi
echo "rdma: $passed passed, $failed failed, $skipped skipped"
