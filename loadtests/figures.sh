#!/usr/bin/env bash
# All figures of this machine from one run, into loadtests/results/figures.json. Nothing else should run meanwhile.
#
# With FIGURES=all also: build time from an empty target folder, `make test`, 20 kills.
set -euo pipefail
. "$(dirname "$0")/../scripts/common.sh"
cd "$ROOT"

seconds() { # LABEL COMMAND…
  local label=$1 begin=$SECONDS
  shift
  "$@" >&2
  printf '%-58s %12d s\n' "$label" $((SECONDS - begin))
}

printf '%s, %s cores, %s\n' "$(uname -srm)" "$(nproc)" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
if [ "${FIGURES:-}" = all ]; then
  cold=$(mktemp -d "$TELLEE_CACHE/cold-XXXXXX")
  seconds 'release build from an empty target folder' env CARGO_TARGET_DIR="$cold" cargo build --release --locked
  rm -rf "$cold"
fi
seconds 'release build, warm' cargo build --release --locked
cargo build --quiet --release --locked -p tellee --example mqtt_load
python3 loadtests/figures.py --server "$CARGO_TARGET_DIR/release/tellee" \
  --generator "$CARGO_TARGET_DIR/release/examples/mqtt_load" --json loadtests/results/figures.json "$@"
if [ "${FIGURES:-}" = all ]; then
  KILLS=20 loadtests/campaign.sh
  seconds 'make test' make test
fi
