#!/usr/bin/env bash
# Fuzzes with cargo-fuzz on the nightly compiler; installs cargo-fuzz where it is missing. Corpora stay in the cache.
#
#   scripts/fuzz.sh [TARGET…]     RUNS executions of each (10000000), at most SECONDS_EACH seconds each (no limit)
#
# What it finds is written to fuzz/artifacts/: mend it, and keep the input in fuzz/seeds/TARGET/.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$ROOT"

targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(senml_json senml_cbor plain_json line_protocol mqtt_packets mqtt_server)
cargo +nightly --version >/dev/null 2>&1 || { note "needs the nightly toolchain: rustup toolchain install nightly"; exit 1; }
cargo fuzz --version >/dev/null 2>&1 || { say "installing cargo-fuzz"; cargo install --quiet --locked cargo-fuzz; }

# Without the address sanitizer: there is no unsafe code to find, and it halves the speed.
build=(--fuzz-dir fuzz --features libfuzzer --sanitizer none -O)
export CARGO_TARGET_DIR="$CARGO_TARGET_DIR/fuzz"
for target in "${targets[@]}"; do
  corpus="$TELLEE_CACHE/fuzz/$target"
  mkdir -p "$corpus" "fuzz/artifacts/$target"
  cargo +nightly fuzz build "${build[@]}" "$target"
  say "$target: ${RUNS:-10000000} executions"
  cargo +nightly fuzz run "${build[@]}" "$target" "$corpus" "fuzz/seeds/$target" -- \
    -runs="${RUNS:-10000000}" -max_total_time="${SECONDS_EACH:-0}" -max_len=4096 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 2>&1 |
    grep -E 'stat::|DONE|ERROR|SUMMARY|panicked|Test unit' || true
  [ -z "$(ls -A "fuzz/artifacts/$target")" ] || { note "$target found something: fuzz/artifacts/$target"; exit 1; }
done
