#!/usr/bin/env bash
# What no compiler checks: paths of one machine, hosts of a registry or a mirror, secrets, large files, broken links.
set -uo pipefail
. "$(dirname "$0")/common.sh"
cd "$ROOT"
wrong=0

complain() { printf '%s\n' "$1" >&2; [ -n "${2:-}" ] && printf '%s\n' "$2" | head -n 10 >&2; wrong=1; }

# The patterns are put together here so that this file does not match itself.
slash=/
paths="(${slash}root${slash}|${slash}work${slash}|${slash}farm${slash}|${slash}home${slash}[a-z]+${slash}|bash_""jobs)"
found=$(git grep -nIE "$paths" -- . ':!*.lock' ':!*package-lock.json')
[ -z "$found" ] || complain "paths of one machine:" "$found"

# Lock files name where a package came from: the public registries and no other.
found=$(git grep -hIoE '"resolved": "https?://[^/"]+' -- '*package-lock.json' | grep -v '"https://registry.npmjs.org$' | sort -u)
[ -z "$found" ] || complain "package-lock.json names another registry:" "$found"
found=$(git grep -hIoE '^source = "[^"]+' -- '*Cargo.lock' | grep -v 'registry+https://github.com/rust-lang/crates.io-index$' | sort -u)
[ -z "$found" ] || complain "Cargo.lock names another source:" "$found"
found=$(git grep -nIE '^ *(@[a-z-]+:)?registry|index-url|replace-with' -- '.npmrc' '*/.npmrc' '.cargo/config*' '*/.cargo/config*' 'pip.conf')
[ -z "$found" ] || complain "settings that point to another registry:" "$found"

found=$(git grep -nIE -e '-----BEGIN [A-Z ]*PRIVATE KEY-----(\\n|$)' -- .)
[ -z "$found" ] || complain "private keys:" "$found"

found=$(git ls-files -z | xargs -0 -r stat -c '%s %n' 2>/dev/null | awk '$1 > 1500000')
[ -z "$found" ] || complain "files over 1.5 MB:" "$found"

# Links from one Markdown file to another place in the repository.
while IFS=: read -r file link; do
  target=${link#*](}
  target=${target%)}
  target=${target%%#*}
  # Pictures are made by `make screens`.
  case $target in '' | *://* | mailto:* | *docs/screens/* | screens/*) continue ;; esac
  [ -e "$(dirname "$file")/$target" ] || complain "$file: nothing at \`$target\`"
done < <(git grep -oIE '\]\([^) ]+\)' -- '*.md')

found=$(git ls-files 'scripts/*.sh' 'loadtests/*.sh' | while read -r script; do bash -n "$script" 2>&1; [ -x "$script" ] || case $script in scripts/common.sh | scripts/demo-in-background.sh) true ;; *) false ;; esac || echo "$script is not executable"; done)
[ -z "$found" ] || complain "shell scripts:" "$found"

[ $wrong -eq 0 ] && note "nothing found"
exit $wrong
