#!/usr/bin/env bash
# Tellee beside its anchor in one run: MQTT QoS 1 against Debian's mosquitto (which stores nothing), with start-up,
# memory and bytes per point. Root and apt fetch mosquitto where it is missing; without it our own rows stand alone.
set -euo pipefail
. "$(dirname "$0")/../scripts/common.sh"
cd "$ROOT"

if ! have mosquitto && [ ! -x /usr/sbin/mosquitto ] && [ "$(id -u)" = 0 ] && have apt-get; then
  # Fetched and unpacked, not installed: no service shall start on this machine.
  note "fetching mosquitto"
  anchor="$TELLEE_CACHE/mosquitto"
  mkdir -p "$anchor"
  libraries=$(apt-cache depends mosquitto 2>/dev/null | awk '/Depends: lib/ { print $2 }')
  for package in mosquitto $libraries; do
    dpkg -s "$package" >/dev/null 2>&1 || (cd "$anchor" && apt-get download -qq "$package" >/dev/null 2>&1) || true
  done
  if ls "$anchor"/mosquitto_*.deb >/dev/null 2>&1; then
    for package in "$anchor"/*.deb; do dpkg -x "$package" "$anchor/unpacked"; done
    export LD_LIBRARY_PATH="$anchor/unpacked/usr/lib/$(uname -m)-linux-gnu:${LD_LIBRARY_PATH:-}"
    export PATH="$anchor/unpacked/usr/sbin:$anchor/unpacked/usr/bin:$PATH"
  else
    note "mosquitto cannot be fetched"
  fi
fi
exec loadtests/figures.sh "$@"
