# Sourced by the other scripts: where things lie, and how to say what happens.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export TELLEE_CACHE=${TELLEE_CACHE:-$HOME/.cache/tellee}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$TELLEE_CACHE/target}
export npm_config_cache=${npm_config_cache:-$TELLEE_CACHE/npm}
LIBTORCH_DIR=${LIBTORCH:-$TELLEE_CACHE/libtorch-2.13.0}
mkdir -p "$TELLEE_CACHE"

say() { printf '\n== %s\n' "$*" >&2; }
note() { printf '   %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
