#!/usr/bin/env python3
"""What MQTT and HTTP messages cost, each figure beside mosquitto's from the same run.

Each pair is measured `--repeat` times, ours and the anchor's by turns; the median stands in the table. `rows(…)` is for
scripts that measure more than this.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mosquitto  # noqa: E402
from server import Rest, Server  # noqa: E402

CONNECTIONS = 50
# One thing has at most 64 sessions.
IDLE_THINGS = 500


def load(generator, address, pid, channel, keys, **options):
    """One run of `mqtt_load`; options are its flags."""
    command = [generator, "--address", "{}:{}".format(*address), "--pid", str(pid), "--channel", channel, "--keys", keys]
    for name, value in options.items():
        command += ["--" + name.replace("_", "-"), str(value)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout)


def write_keys(path, things):
    with open(path, "w") as file:
        for thing, key in things:
            file.write(f"{thing} {key}\n")
    return path


class Bench:
    """Server and anchor under the same load."""

    def __init__(self, generator, server, rest, anchor_of, folder, row, repeat=3):
        self.generator, self.server, self.row, self.repeat = generator, server, row, repeat
        self.things = rest.things([f"load-{number}" for number in range(IDLE_THINGS)])
        self.channel = rest.channel("load")
        rest.connect(self.channel, [thing for thing, _ in self.things])
        self.few = write_keys(os.path.join(folder, "keys"), self.things[:CONNECTIONS])
        self.many = write_keys(os.path.join(folder, "keys-of-all"), self.things)
        self.anchor = anchor_of(folder, self.things)
        self.stored = 0
        self.start = 0

    def ours(self, http=False, **options):
        address = self.server.http if http else self.server.mqtt
        keys = options.pop("keys", self.few)
        messages = options.get("messages", 0)
        done = load(self.generator, address, self.server.pid, self.channel, keys, start=self.start, http=int(http), **options)
        self.start += messages
        self.stored += messages * options.get("connections", 0)
        return done

    def theirs(self, **options):
        keys = options.pop("keys", self.few)
        return load(self.generator, self.anchor.address, self.anchor.pid, mosquitto.CHANNEL, keys, **options)

    def pair(self, title, figures, ours=None, **options):
        """Runs both by turns; `figures` are (key, name, unit, better) of what is shown. Answers our medians."""
        mine, anchored = [], []
        for _ in range(self.repeat):
            mine.append(self.ours(**{**options, **(ours or {})}))
            if self.anchor:
                anchored.append(self.theirs(**options))
        medians = {}
        for key, name, unit in figures:
            medians[key] = statistics.median(run[key] for run in mine)
            self.row(f"{title}: {name}", medians[key], unit)
            if anchored:
                theirs = statistics.median(run[key] for run in anchored)
                self.row(f"{title}, mosquitto: {name}", theirs, unit)
                self.row(f"{title}: {name} against mosquitto", f"{medians[key] / max(theirs, 0.01):.2f}", "ratio")
        return medians, anchored


CPU = ("cpu_us_per_message", "CPU", "µs/msg")
RATE = ("per_second", "rate", "msg/s")


def rows(bench, messages):
    """All MQTT and HTTP figures; `messages` of each of 50 connections at window 20."""
    publish = {"connections": CONNECTIONS, "messages": messages, "window": 20}
    _, anchored = bench.pair("QoS 1, window 20, stored", (CPU, RATE), qos=1, **publish)
    bench.pair("QoS 1, window 1, stored", (RATE, CPU), qos=1, **{**publish, "messages": messages // 4, "window": 1})
    bench.pair("QoS 2, window 20, stored", (CPU, RATE), qos=2, **{**publish, "messages": messages // 2})
    over_http = [bench.ours(http=True, connections=CONNECTIONS, messages=messages // 4)
                 for _ in range(bench.repeat)]
    cost = statistics.median(run["cpu_us_per_message"] for run in over_http)
    bench.row("HTTP, one SenML record, stored: CPU", cost, "µs/msg")
    bench.row("HTTP, one SenML record, stored: rate", statistics.median(run["per_second"] for run in over_http), "msg/s")
    if anchored:
        theirs = statistics.median(run["cpu_us_per_message"] for run in anchored)
        bench.row("HTTP: CPU against mosquitto's QoS 1, window 20", f"{cost / max(theirs, 0.01):.2f}", "ratio")
    delivery = (("cpu_us_per_delivery", "CPU", "µs/delivery"), ("delivered_per_second", "rate", "deliveries/s"))
    bench.pair("fan-out 1 → 1,000", delivery, connections=1, messages=max(messages // 10, 50), window=1, qos=1,
               subscribers=1000, subscriber_qos=0)
    bench.pair("fan-out 1 → 1,000, window 20", delivery, connections=1, messages=max(messages // 10, 50), window=20,
               qos=1, subscribers=1000, subscriber_qos=0)


def idle_rows(bench, connections):
    """Needs a server that has done nothing else: what a load left free in the allocator would be counted as cheap."""
    idle = (("bytes_each", "memory", "B"), ("connects_per_second", "sign-ins", "/s"),
            ("cpu_us_per_connect", "CPU of a sign-in", "µs"))
    repeat, bench.repeat = bench.repeat, 1
    bench.pair(f"{connections} idle connections", idle, idle=connections, keys=bench.many)
    bench.repeat = repeat


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--server", required=True)
    arguments.add_argument("--generator", required=True, help="program `mqtt_load`")
    arguments.add_argument("--messages", type=int, default=2000, help="of each of 50 connections")
    arguments.add_argument("--idle", type=int, default=10_000, help="connections; 0 leaves them out")
    arguments.add_argument("--repeat", type=int, default=3)
    arguments.add_argument("--json")
    args = arguments.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    shown = []

    def row(name, value, unit, note=""):
        shown.append({"figure": name, "value": value, "unit": unit, "note": note})
        print(f"{name:<64} {value:>12} {unit:<12} {note}", flush=True)

    if not mosquitto.available():
        print("mosquitto is not installed: its rows are left out", flush=True)
    for measure in ([idle_rows] if args.idle else []) + [rows]:
        folder = tempfile.mkdtemp(prefix="tellee-mqtt-figures-")
        server = Server(args.server, os.path.join(folder, "data"), os.path.join(folder, "server.log"))
        bench = None
        try:
            anchor_of = mosquitto.Mosquitto if mosquitto.available() else lambda folder, things: None
            bench = Bench(args.generator, server, Rest(server), anchor_of, folder, row, args.repeat)
            measure(bench, args.idle if measure is idle_rows else args.messages)
        finally:
            server.kill()
            if bench is not None and bench.anchor:
                bench.anchor.stop()
            shutil.rmtree(folder, ignore_errors=True)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(shown, file, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    main()
