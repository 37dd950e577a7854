#!/usr/bin/env python3
"""Starts a server with some data, and k6 against it. Ends with k6's exit status: 99 where a threshold was missed."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server import Rest, Server  # noqa: E402


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--server", required=True)
    arguments.add_argument("--k6", required=True)
    arguments.add_argument("--json", required=True)
    args = arguments.parse_args()
    folder = tempfile.mkdtemp(prefix="tellee-load-")
    server = None
    try:
        server = Server(args.server, os.path.join(folder, "data"), os.path.join(folder, "server.log"))
        rest = Rest(server)
        channel = rest.channel("load")
        things = rest.things([f"pump-{number}" for number in range(50)])
        rest.connect(channel, [thing for thing, _ in things])
        now = time.time()
        for thing, key in things[:10]:
            pack = [{"bn": "history-", "n": "speed", "t": now - age, "v": 1480 + age % 7} for age in range(3600, 0, -10)]
            rest.must(202, "POST", f"/channels/{channel}/messages", json.dumps(pack).encode(),
                      authorization=f"Thing {key}", content_type="application/senml+json")
        environment = dict(
            os.environ, K6_NO_USAGE_REPORT="true", TELLEE_HTTP="http://{}:{}".format(*server.http),
            TELLEE_TOKEN=rest.token, TELLEE_CHANNEL=channel, LOAD_JSON=args.json,
            TELLEE_THINGS=json.dumps([{"id": thing, "key": key} for thing, key in things]))
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "k6", "scenarios.js")
        begin = server.cpu_seconds()
        done = subprocess.run([args.k6, "run", "--quiet", script], env=environment, timeout=600)
        print(f"server: {server.cpu_seconds() - begin:.1f} s CPU, {server.rss_bytes() / 1e6:.0f} MB resident")
        return done.returncode
    finally:
        if server is not None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
