#!/usr/bin/env bash
# The dashboard in a real browser against the demo: server, simulated pump and edge agent, on free ports.
#
#   scripts/e2e.sh [ARGUMENT OF playwright…]
#
# PROFILE=debug|release (debug). Starts and ends its own processes only.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$ROOT"
. scripts/demo-in-background.sh

start_demo
# Some tests start a server of their own.
export TELLEE_PROGRAM="$CARGO_TARGET_DIR/${PROFILE:-debug}/tellee"
cd web
npm run --silent e2e -- "$@"
