#!/usr/bin/env bash
# Makes a Python in the cache that has InfluxDB's clients, for the tests that write with them, and prints its path.
set -euo pipefail
. "$(dirname "$0")/common.sh"

folder="$TELLEE_CACHE/influx-clients"
if ! [ -f "$folder/ok" ]; then
  python3 -m venv "$folder" >&2
  "$folder/bin/pip" install --quiet --disable-pip-version-check influxdb==5.3.2 influxdb-client==1.50.0 >&2
  touch "$folder/ok"
fi
printf '%s\n' "$folder/bin/python"
