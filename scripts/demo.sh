#!/usr/bin/env bash
# Starts the demo: server, simulated pump and edge agent, three processes over real sockets. Ctrl-C ends all of them.
set -euo pipefail
. "$(dirname "$0")/common.sh"
export TELLEE_ML__LIBTORCH=${TELLEE_ML__LIBTORCH:-$LIBTORCH_DIR}
exec "$CARGO_TARGET_DIR/release/tellee" demo --folder "${TELLEE_DEMO_FOLDER:-$TELLEE_CACHE/demo}" "$@"
