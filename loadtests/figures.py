#!/usr/bin/env python3
"""All figures of one machine in one run: start-up, memory, CPU and bytes per message, latency of alarms.

Prints a table, and writes the same as JSON where --json says. An anchor that is not installed is left out by name.
"""

import argparse
import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mosquitto  # noqa: E402
import mqtt_figures  # noqa: E402
from server import Rest, Server  # noqa: E402

ROWS = []


def row(name, value, unit, note=""):
    ROWS.append({"figure": name, "value": value, "unit": unit, "note": note})
    print(f"{name:<58} {value:>12} {unit:<10} {note}", flush=True)


def folder_bytes(path):
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                pass
    return total


class WebSocket:
    """Just enough of RFC 6455 for graphql-transport-ws."""

    def __init__(self, address, token):
        self.socket = socket.create_connection(address, 30)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((
            f"GET /graphql HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {token}\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n").encode())
        head = b""
        while b"\r\n\r\n" not in head:
            got = self.socket.recv(1)
            if not got:
                raise RuntimeError("the WebSocket was refused")
            head += got
        if b" 101 " not in head:
            raise RuntimeError(head.decode(errors="replace"))
        self.send({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
        while self.receive()["type"] != "connection_ack":
            pass

    def send(self, message):
        self._frame(0x81, json.dumps(message).encode())

    def _frame(self, first, data):
        mask = os.urandom(4)
        length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
        self.socket.sendall(bytes([first]) + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            got = self.socket.recv(count - len(data))
            if not got:
                raise EOFError
            data += got
        return data

    def receive(self):
        while True:
            first, length = self._exactly(2)
            if length == 126:
                length = struct.unpack(">H", self._exactly(2))[0]
            elif length == 127:
                length = struct.unpack(">Q", self._exactly(8))[0]
            data = self._exactly(length)
            if first & 0x0F == 9:
                self._frame(0x8A, data)
            elif first & 0x0F == 8:
                raise EOFError(data)
            else:
                message = json.loads(data)
                if message["type"] == "ping":
                    self.send({"type": "pong"})
                else:
                    return message


def alarm_latency(server, rest):
    """Milliseconds from the publish that crosses a limit to the subscriber's frame, a few times over."""
    channel = rest.channel("alarms")
    thing, key = rest.things(["alarmed"])[0]
    rest.connect(channel, [thing])
    create = "mutation($input: CreateAlarmRuleInput!) { createAlarmRule(input: $input) { revision } }"
    rest.graphql(create, input={"idempotencyKey": "latency", "definition": {
        "name": "high", "thing": thing, "seriesName": "pressure", "message": "high", "action": "look",
        "acknowledgeRequired": False, "levels": [{"kind": "HI", "limit": 10, "priority": "P2"}]}})
    listening = WebSocket(server.http, rest.token)
    listening.send({"id": "1", "type": "subscribe", "payload": {
        "query": "subscription { alarmChanges { kind change { kind } alarm { state } } }"}})
    arrivals = []
    arrived = threading.Condition()

    def listen():
        try:
            while True:
                message = listening.receive()
                change = ((message.get("payload") or {}).get("data") or {}).get("alarmChanges") or {}
                if change.get("kind") == "CHANGE" and change["change"]["kind"] in ("activated", "returned"):
                    with arrived:
                        arrivals.append((time.perf_counter(), change["change"]["kind"]))
                        arrived.notify()
        except (EOFError, OSError):
            return

    threading.Thread(target=listen, daemon=True).start()
    time.sleep(1)

    def publish(value):
        pack = json.dumps([{"n": "pressure", "v": value}]).encode()
        rest.must(202, "POST", f"/channels/{channel}/messages", pack,
                  authorization=f"Thing {key}", content_type="application/senml+json")

    delays = []
    for _ in range(20):
        for value, kind in ((20, "activated"), (1, "returned")):
            with arrived:
                arrivals.clear()
            begin = time.perf_counter()
            publish(value)
            with arrived:
                if not arrived.wait_for(lambda: any(found == kind for _, found in arrivals), 20):
                    raise RuntimeError(f"no `{kind}` came within 20 s")
                if kind == "activated":
                    delays.append((next(at for at, found in arrivals if found == kind) - begin) * 1000)
            time.sleep(0.05)
    return sorted(delays)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--server", required=True)
    arguments.add_argument("--generator", required=True, help="program `mqtt_load`")
    arguments.add_argument("--messages", type=int, default=2000, help="of each of 50 connections")
    arguments.add_argument("--repeat", type=int, default=3)
    arguments.add_argument("--things", type=int, default=10_000)
    arguments.add_argument("--json")
    args = arguments.parse_args()
    folder = tempfile.mkdtemp(prefix="tellee-figures-")
    data, log = os.path.join(folder, "data"), os.path.join(folder, "server.log")
    anchor = None
    server = None
    try:
        row("size of `tellee`", f"{os.path.getsize(args.server) / 1e6:.1f}", "MB", "symbols included")
        server = Server(args.server, data, log)
        row("start, empty data folder", f"{server.seconds_to_ready:.2f}", "s", "until the ready line")
        time.sleep(5)
        row("resident memory, idle", f"{server.rss_bytes() / 1e6:.1f}", "MB")
        rest = Rest(server)
        if not mosquitto.available():
            print("mosquitto is not installed: its rows are left out", flush=True)
        anchor_of = mosquitto.Mosquitto if mosquitto.available() else lambda folder, things: None
        bench = mqtt_figures.Bench(args.generator, server, rest, anchor_of, folder, row, args.repeat)
        anchor = bench.anchor
        mqtt_figures.rows(bench, args.messages)
        row("resident memory after the load", f"{server.rss_bytes() / 1e6:.1f}", "MB")

        delays = alarm_latency(server, rest)
        row("alarm raise → GraphQL subscriber, median", f"{delays[len(delays) // 2]:.1f}", "ms", "from the publish over HTTP")
        row("alarm raise → GraphQL subscriber, worst of 20", f"{delays[-1]:.1f}", "ms")

        begin = time.monotonic()
        rest.things([f"thing-{number}" for number in range(args.things)])
        row(f"making {args.things} things over REST, in bulk", f"{time.monotonic() - begin:.1f}", "s")
        status, seconds = server.stop()
        row("SIGTERM to end", f"{seconds:.2f}", "s", f"exit status {status}")
        samples = bench.stored
        telemetry = folder_bytes(os.path.join(data, "telemetry"))
        row("bytes on disk per point after an orderly stop", f"{telemetry / samples:.2f}", "B",
            f"{samples} points of one number each, times 1 ms apart")
        server = Server(args.server, data, log)
        row(f"start with {args.things} things", f"{server.seconds_to_ready:.2f}", "s")
        row(f"resident memory with {args.things} things", f"{server.rss_bytes() / 1e6:.1f}", "MB")
        server.kill()
        server = Server(args.server, data, log)
        row(f"start with {args.things} things after kill -9", f"{server.seconds_to_ready:.2f}", "s")
        if args.json:
            with open(args.json, "w") as file:
                json.dump(ROWS, file, indent=1, ensure_ascii=False)
    finally:
        if server is not None:
            server.kill()
        if anchor is not None:
            anchor.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
