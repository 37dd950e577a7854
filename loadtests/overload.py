#!/usr/bin/env python3
"""Ten times the load, for a while: memory must stay below 1.5 times its steady value, and nothing acknowledged be lost.

Steady: 500 connections with 20 messages in flight each, all that the server can take. Overload: each has more than ten
times as many in flight, or as many as the server lets it have, while a subscriber of everything is stopped. Ends with
status 1 if the promise is broken.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mqtt_figures import write_keys  # noqa: E402
from server import Rest, Server  # noqa: E402

STEADY = {"connections": 500, "window": 20}
OVERLOAD = {"connections": 500, "window": 256}


class Highest:
    """The largest memory of a process while this runs."""

    def __init__(self, server):
        self.server, self.bytes, self.stopped = server, 0, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        while not self.stopped.wait(0.2):
            self.bytes = max(self.bytes, self.server.rss_bytes())

    def stop(self):
        self.stopped.set()
        self.thread.join()
        return self.bytes


class Load:
    """Runs `mqtt_load` again and again for some seconds, and counts what was acknowledged."""

    def __init__(self, generator, server, channel, keys):
        self.command = [generator, "--address", "{}:{}".format(*server.mqtt), "--pid", str(server.pid),
                        "--channel", channel, "--keys", keys]
        self.next = 0
        self.acknowledged = 0

    def run(self, seconds, connections, window, messages):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            options = {"connections": connections, "window": window, "messages": messages, "start": self.next}
            arguments = [part for name, value in options.items() for part in ("--" + name, str(value))]
            done = subprocess.run(self.command + arguments, capture_output=True, text=True, timeout=seconds + 300)
            if done.returncode != 0:
                raise RuntimeError(done.stderr.strip())
            self.next += messages
            self.acknowledged += json.loads(done.stdout)["messages"]

    def deaf(self):
        """A subscriber of everything that has stopped reading."""
        options = ["--subscribers", "1", "--idle", "1"]
        process = subprocess.Popen(self.command + options, stdout=subprocess.DEVNULL)
        time.sleep(1)
        process.send_signal(signal.SIGSTOP)
        return process


def stored(rest, channel, key):
    _, page = rest.must(200, "GET", f"/channels/{channel}/messages?limit=1", authorization=f"Thing {key}")
    return page["total"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--server", required=True)
    arguments.add_argument("--generator", required=True, help="program `mqtt_load`")
    arguments.add_argument("--seconds", type=int, default=30, help="of overload; 600 is the full run")
    arguments.add_argument("--steady-seconds", type=int, default=15)
    args = arguments.parse_args()
    folder = tempfile.mkdtemp(prefix="tellee-overload-")
    server = Server(args.server, os.path.join(folder, "data"), os.path.join(folder, "server.log"))
    deaf = None
    try:
        rest = Rest(server)
        things = rest.things([f"load-{number}" for number in range(500)])
        # The generator's samples bear times of years ago: retention would take them away in mid-run.
        channel = rest.lasting_channel("load")
        rest.connect(channel, [thing for thing, _ in things])
        load = Load(args.generator, server, channel, write_keys(os.path.join(folder, "keys"), things))
        highest = Highest(server)
        load.run(args.steady_seconds, messages=1000, **STEADY)
        steady = highest.stop()
        deaf = load.deaf()
        highest = Highest(server)
        load.run(args.seconds, messages=1000, **OVERLOAD)
        overload = highest.stop()
        kept = stored(rest, channel, things[0][1])
        ratio = overload / steady
        lost = load.acknowledged - kept
        print(json.dumps({"steady_mb": round(steady / 1e6, 1), "overload_mb": round(overload / 1e6, 1),
                          "ratio": round(ratio, 2), "acknowledged": load.acknowledged, "stored": kept, "lost": lost}))
        if ratio >= 1.5 or lost > 0 or server.process.poll() is not None:
            sys.exit(1)
    finally:
        if deaf is not None:
            deaf.kill()
            deaf.wait()
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
