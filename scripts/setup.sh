#!/usr/bin/env bash
# Fetches what building and the demo need into the cache: web packages and, for models, libtorch.
set -euo pipefail
. "$(dirname "$0")/common.sh"

have cargo || die "cargo is missing: install Rust 1.95 or newer (https://rustup.rs)"
have node && have npm || die "node and npm are missing: install Node.js 20.19 or newer"
have cc && have c++ || die "a C and C++ compiler is missing: install gcc and g++"

say "web packages"
stamp="$ROOT/web/node_modules/.tellee-lock"
if [ -f "$stamp" ] && cmp -s "$stamp" "$ROOT/web/package-lock.json"; then
  note "unchanged"
else
  (cd "$ROOT/web" && npm ci --no-audit --no-fund --loglevel=error) >&2
  cp "$ROOT/web/package-lock.json" "$stamp"
fi

say "libtorch for the model worker"
if [ -f "$LIBTORCH_DIR/ok" ]; then
  note "is in the cache"
elif [ "${TELLEE_WITHOUT_LIBTORCH:-}" = 1 ]; then
  note "left out (TELLEE_WITHOUT_LIBTORCH=1): Tellee runs without models"
elif ! "$ROOT/scripts/get-libtorch.sh" "$LIBTORCH_DIR" >&2; then
  note "cannot be fetched: Tellee runs without models and says so"
fi
