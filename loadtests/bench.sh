#!/usr/bin/env bash
# Tellee beside VictoriaMetrics, InfluxDB 1.6, PostgreSQL 15 and mosquitto in one run on the same generated data: what
# each point and each message costs, what it takes on the disk, how fast questions are answered, what kill -9 leaves.
# One table, as Markdown and JSON, in loadtests/results/. What cannot be had is left out by name.
#
#   loadtests/bench.sh [--only NAME]… [--part stores|mqtt]      QUICK=1: a tenth of the data, in about 3 minutes
#
# Nothing else should run meanwhile. The others are Debian packages, unpacked into the cache and run on loopback.
set -euo pipefail
. "$(dirname "$0")/../scripts/common.sh"
cd "$ROOT"

# 10,000 idle connections need as many sockets at both ends.
ulimit -n "$(ulimit -Hn)"
anchors=()
while read -r package folder; do anchors+=(--anchor "$package=$folder"); done < <(loadtests/anchors.sh)
cargo build --release --locked
cargo build --release --locked -p tellee --example mqtt_load --example line_load
quick=()
[ "${QUICK:-}" = 1 ] && quick=(--quick)
cd loadtests
exec python3 -m bench --server "$CARGO_TARGET_DIR/release/tellee" \
  --generator "$CARGO_TARGET_DIR/release/examples/line_load" \
  --mqtt-generator "$CARGO_TARGET_DIR/release/examples/mqtt_load" \
  --results "$ROOT/loadtests/results" "${anchors[@]}" "${quick[@]}" "$@"
