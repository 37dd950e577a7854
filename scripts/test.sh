#!/usr/bin/env bash
# Everything that CI runs, stage by stage, each with its own time limit. Ends with one line: `N passed, N failed`.
#
#   scripts/test.sh [STAGE…]      only these stages (after `setup`, which every other one needs)
#
# A stage that cannot run for want of something from outside (a package, a download) says so in one line. It counts as
# failed unless it is optional: model worker and browser are, where their downloads cannot be had.
set -uo pipefail
. "$(dirname "$0")/common.sh"
cd "$ROOT"

logs=$(mktemp -d "${TMPDIR:-/tmp}/tellee-test-XXXXXX")
passed=0
failed=0
left_out=0
failures=()
only=("$@")
CHROMIUM=${CHROMIUM:-}

wanted() { # NAME
  [ ${#only[@]} -eq 0 ] && return 0
  local name
  for name in "${only[@]}"; do [ "$name" = "$1" ] && return 0; done
  return 1
}

# stage NAME LIMIT_SECONDS COMMAND…: shows the end of the command's output only where it fails.
stage() {
  local name=$1 limit=$2 begin=$SECONDS log rc
  shift 2
  wanted "$name" || return 0
  log="$logs/$name.log"
  timeout --kill-after=15 "$limit" "$@" >"$log" 2>&1 </dev/null
  rc=$?
  if [ $rc -eq 0 ]; then
    passed=$((passed + 1))
    printf 'ok      %-18s %5d s\n' "$name" $((SECONDS - begin))
    return 0
  fi
  failed=$((failed + 1))
  failures+=("$name")
  local why="exit status $rc"
  [ $rc -eq 124 ] || [ $rc -eq 137 ] && why="stopped at its limit of $limit s"
  printf 'FAILED  %-18s %5d s  %s\n' "$name" $((SECONDS - begin)) "$why"
  tail -n 80 "$log" | sed 's/^/    /'
  return 1
}

# A stage that is optional and whose need is not there.
leave_out() { # NAME REASON
  wanted "$1" || return 0
  left_out=$((left_out + 1))
  printf 'left out %-17s %s\n' "$1" "$2"
}

# A stage that must run and cannot.
cannot() { # NAME REASON
  wanted "$1" || return 0
  failed=$((failed + 1))
  failures+=("$1")
  printf 'FAILED  %-18s cannot run: %s\n' "$1" "$2"
}

find_chromium() {
  local name
  for name in "$CHROMIUM" chromium chromium-browser google-chrome; do
    [ -n "$name" ] && have "$name" && { command -v "$name"; return; }
  done
}

# The packages of the system that some stages use; a machine without root keeps what it has.
system_packages() {
  local missing=()
  [ -n "$(find_chromium)" ] || missing+=(chromium)
  have mosquitto_pub || missing+=(mosquitto-clients)
  [ ${#missing[@]} -eq 0 ] && { note "system packages are there"; return; }
  if [ "$(id -u)" != 0 ] || ! have apt-get; then
    note "missing and not installed (needs root and apt): ${missing[*]}"
    return
  fi
  say "apt-get install ${missing[*]}"
  if ! timeout 600 sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"' sh "${missing[@]}" >"$logs/apt.log" 2>&1; then
    note "apt-get cannot install ${missing[*]}: $(tail -n 1 "$logs/apt.log")"
  fi
}

begin=$SECONDS
system_packages
only_saved=("${only[@]}")
only=()
stage setup 1200 scripts/setup.sh || { printf '%d passed, %d failed\n' "$passed" "$failed"; exit 1; }
only=("${only_saved[@]}")

export CHROMIUM
CHROMIUM=$(find_chromium)
with_worker=0
[ -f "$LIBTORCH_DIR/ok" ] && with_worker=1
without_worker=(--workspace --exclude tellee-ml-worker --locked)

stage repository 60 scripts/check-repository.sh
stage format 120 cargo fmt --all --check

# The dashboard first: the server carries it.
web() { npm --prefix web run --silent "$@"; }
export -f web
if [ -f web/package.json ]; then
  stage web-lint 300 bash -c 'web lint'
  stage web-types 300 bash -c 'web typecheck'
  stage web-test 300 bash -c 'web test'
  stage web-build 300 bash -c 'web build'
else
  cannot web-build "there is no web/package.json"
fi

# With InfluxDB's own clients where they can be had; the test that uses them says when it is skipped.
if wanted test && python=$(timeout 300 scripts/influx-clients.sh 2>"$logs/influx-clients.log"); then
  export TELLEE_INFLUX_PYTHON=$python
fi
stage clippy 1200 cargo clippy "${without_worker[@]}" --all-targets -- -D warnings
stage test 1500 cargo test "${without_worker[@]}" --no-fail-fast
stage docs 600 env RUSTDOCFLAGS=-Dwarnings cargo doc "${without_worker[@]}" --no-deps --document-private-items

if [ $with_worker = 1 ]; then
  export LIBTORCH=$LIBTORCH_DIR
  stage worker-clippy 900 cargo clippy --release --locked -p tellee-ml-worker --all-targets -- -D warnings
  stage worker-test 900 cargo test --release --locked -p tellee-ml-worker
  # Left out by the tests themselves before the worker is there.
  stage server-models 600 cargo test --locked --test server models:: -- --nocapture
else
  leave_out worker-test "no libtorch in $LIBTORCH_DIR (scripts/get-libtorch.sh fetches it)"
fi

if [ -z "$CHROMIUM" ]; then
  leave_out e2e "no Chromium on this machine (Debian: apt-get install chromium)"
else
  stage e2e 900 scripts/e2e.sh
fi

stage campaign 600 env KILLS="${TEST_KILLS:-20}" PROFILE=debug loadtests/campaign.sh

printf '\n%d s in all' $((SECONDS - begin))
[ $left_out -gt 0 ] && printf ', %d left out' "$left_out"
[ $failed -gt 0 ] && printf ', failed: %s; logs in %s' "${failures[*]}" "$logs"
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ $failed -eq 0 ] && rm -rf "$logs"
[ $failed -eq 0 ]
