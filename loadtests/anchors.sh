#!/usr/bin/env bash
# Fetches the programs that `make bench` measures beside ours, as Debian packages, and unpacks them into the cache.
# Nothing is installed: no service starts on this machine, no file outside the cache changes. Prints one line
# `NAME FOLDER` for each package that is there, for those that are not a note on stderr.
#
#   loadtests/anchors.sh [PACKAGE…]      default: victoria-metrics influxdb mosquitto postgresql-15
set -euo pipefail
. "$(dirname "$0")/../scripts/common.sh"

fetch() { # PACKAGE FOLDER
  local package=$1 folder=$2 needed
  # With what it needs and this machine lacks; the simulation writes nothing.
  needed=$(apt-get --simulate --no-install-recommends install "$package" 2>/dev/null | awk '/^Inst/ { print $2 }' | sort -u)
  # A package that is installed already is not in the list; its programs are unpacked all the same.
  needed=$(printf '%s\n%s\n' "$package" "$needed" | sort -u | grep .)
  rm -rf "$folder.part"
  mkdir -p "$folder.part/packages"
  # shellcheck disable=SC2086
  (cd "$folder.part/packages" && apt-get download -qq $needed >/dev/null 2>&1) || return 1
  local file
  for file in "$folder.part/packages"/*.deb; do
    dpkg-deb --extract "$file" "$folder.part" || return 1
  done
  rm -rf "$folder" "$folder.part/packages"
  mv "$folder.part" "$folder"
}

packages=("$@")
[ ${#packages[@]} -gt 0 ] || packages=(victoria-metrics influxdb mosquitto postgresql-15)
for package in "${packages[@]}"; do
  folder="$TELLEE_CACHE/anchors/$package"
  if [ ! -d "$folder" ]; then
    if ! have apt-get || ! have dpkg-deb; then
      note "$package cannot be fetched: this is no Debian"
      continue
    fi
    note "fetching $package"
    mkdir -p "$TELLEE_CACHE/anchors"
    fetch "$package" "$folder" || { note "$package cannot be fetched"; continue; }
  fi
  printf '%s %s\n' "$package" "$folder"
done
