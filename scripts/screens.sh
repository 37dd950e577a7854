#!/usr/bin/env bash
# A picture of each page of the running demo, light and dark, into docs/screens/.
#
# PROFILE=debug|release (release). SCREENS_AFTER: seconds until the fault of the demo's pump has become an alarm (150).
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$ROOT"
export PROFILE=${PROFILE:-release}
scripts/setup.sh
[ "$PROFILE" = release ] && scripts/build.sh
. scripts/demo-in-background.sh

start_demo
note "the fault needs time to become an alarm"
sleep "${SCREENS_AFTER:-150}"
cd web
npm run --silent screens -- "$@"
