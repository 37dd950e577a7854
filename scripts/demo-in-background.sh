# Sourced: `start_demo` starts the demo in a folder of its own on free ports and exports TELLEE_URL, TELLEE_EMAIL and
# TELLEE_PASSWORD. It ends with the script that sourced this.
demo_folder=
demo_pid=

end_demo() {
  if [ -n "$demo_pid" ]; then
    kill -TERM "$demo_pid" 2>/dev/null || true
    wait "$demo_pid" 2>/dev/null || true
  fi
  [ -z "$demo_folder" ] || rm -rf "$demo_folder"
}

start_demo() { # ARGUMENT OF `tellee demo`…
  local profile=${PROFILE:-debug} tellee tries
  if [ "$profile" = debug ]; then
    cargo build --quiet --locked -p tellee -p tellee-edge
  fi
  tellee="$CARGO_TARGET_DIR/$profile/tellee"
  [ -x "$tellee" ] || die "$tellee is missing: build it first"
  demo_folder=$(mktemp -d "${TMPDIR:-/tmp}/tellee-demo-XXXXXX")
  trap end_demo EXIT
  export TELLEE_ML__LIBTORCH=${TELLEE_ML__LIBTORCH:-$LIBTORCH_DIR}
  "$tellee" demo --folder "$demo_folder" --http 127.0.0.1:0 --mqtt 127.0.0.1:0 "$@" \
    >"$demo_folder/demo.out" 2>"$demo_folder/demo.err" &
  demo_pid=$!
  for ((tries = 0; tries < 600; tries++)); do
    TELLEE_URL=$(sed -nE 's|.*(http://[^/ ]+)/ui/.*|\1|p' "$demo_folder/demo.out" | head -n 1)
    [ -n "$TELLEE_URL" ] && break
    kill -0 "$demo_pid" 2>/dev/null || break
    sleep 0.1
  done
  if [ -z "$TELLEE_URL" ]; then
    cat "$demo_folder/demo.err" >&2
    die "the demo does not start"
  fi
  TELLEE_EMAIL=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).email' "$demo_folder/account.json")
  TELLEE_PASSWORD=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).password' "$demo_folder/account.json")
  export TELLEE_URL TELLEE_EMAIL TELLEE_PASSWORD
  note "the demo answers at $TELLEE_URL"
}
