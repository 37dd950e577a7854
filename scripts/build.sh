#!/usr/bin/env bash
# Builds the dashboard, then the release programs with the dashboard inside, then the model worker if libtorch is there.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$ROOT"

say "dashboard"
newest=$(find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -newer web/dist/index.html -print -quit 2>/dev/null || echo all)
if [ ! -f web/dist/index.html ] || [ -n "$newest" ]; then
  (cd web && npm run --silent build) >&2
else
  note "unchanged"
fi

# Told by `/health`. A tree that is no clone builds without.
if [ -z "${TELLEE_COMMIT:-}" ] && git rev-parse --quiet --verify HEAD >/dev/null 2>&1; then
  TELLEE_COMMIT=$(git rev-parse --short=12 HEAD)
  TELLEE_COMMIT_TIME=$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)
  export TELLEE_COMMIT TELLEE_COMMIT_TIME
fi

say "tellee and tellee-edge (release)"
cargo build --release --locked >&2

if [ -f "$LIBTORCH_DIR/ok" ]; then
  say "tellee-ml-worker (release)"
  LIBTORCH="$LIBTORCH_DIR" cargo build --release --locked -p tellee-ml-worker >&2
fi
