#!/usr/bin/env bash
# npm run test:sanitize: the tests of the native addon with AddressSanitizer and UndefinedBehaviorSanitizer, in a copy of
# the package under build/sanitized, so that the ordinary build stays. What they find ends the test's process.
#
#   sanitize.sh [JEST ARGUMENTS]     default: the unit tests, and the RDMA link between processes
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
copy=$root/build/sanitized
[ -f "$root/dist/cli/main.js" ] || { echo 'dist/ is missing (npm run build:ts)' >&2; exit 1; }
mkdir -p "$copy"
cd "$root"
npx cmake-js compile --directory native --out "$copy/build/native" --CDSANITIZE=ON
rm -rf "$copy/dist"
cp -a dist package.json "$copy/"
ln -sfn "$root/node_modules" "$copy/node_modules"
cd "$copy"
[ $# -gt 0 ] || set -- dist/test/unit dist/test/e2e/rdma
# Node leaks what it never needs to give back; and its stack grows in ways that only it knows.
export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export SLOWNESS=${SLOWNESS:-3}
LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)" \
  node node_modules/.bin/jest --runInBand --testTimeout 180000 "$@"
