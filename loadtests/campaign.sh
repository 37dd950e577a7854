#!/usr/bin/env bash
# kill -9 under load with a history checker.
#
# KILLS (200), RATE messages a second (1000), PROFILE release|debug (release), SEED, FAULTS=all adds SIGSTOP for 10 s,
# SIGTERM and, for root, a full disk. The history stays in loadtests/results/ and can be checked again with
# loadtests/check_history.py.
set -euo pipefail
. "$(dirname "$0")/../scripts/common.sh"
cd "$ROOT"

KILLS=${KILLS:-200}
profile=${PROFILE:-release}
if [ "$profile" = debug ]; then
  cargo build --quiet --locked -p tellee
else
  cargo build --quiet --locked --release -p tellee
fi
server="$CARGO_TARGET_DIR/$profile/tellee"
stamp=$(date -u +%Y%m%dT%H%M%S)
history="loadtests/results/campaign-$stamp.jsonl"
more=()
[ -n "${SEED:-}" ] && more+=(--seed "$SEED")
[ "${FAULTS:-}" = all ] && more+=(--stop-seconds 10 --terminate)

say "campaign: $KILLS kills at ${RATE:-1000} messages a second"
python3 loadtests/campaign.py --server "$server" --kills "$KILLS" --rate "${RATE:-1000}" --log "$history" "${more[@]}"
python3 loadtests/check_history.py "$history"

say "share groups"
python3 loadtests/share_groups.py --server "$server" --kills $((KILLS / 10 + 1))

if [ "${FAULTS:-}" = all ]; then
  say "full disk"
  if [ "$(id -u)" != 0 ]; then
    note "left out: needs root for a small file system"
  else
    history="loadtests/results/disk-full-$stamp.jsonl"
    python3 loadtests/campaign.py --server "$server" --disk-full --log "$history"
    python3 loadtests/check_history.py "$history"
  fi
fi
