"""MQTT beside mosquitto, which stores nothing, and SenML over HTTP."""

import json
import os
import shutil
import socket
import subprocess

from server import Rest, Server

from . import process
from .process import Process, free_port, program

ANCHOR = "mosquitto"
CHANNEL = "anchor"


def write_keys(path, things):
    with open(path, "w") as file:
        file.writelines(f"{thing} {key}\n" for thing, key in things)
    return path


class Mosquitto:
    """Debian's broker with a password for each client and a rule for its topics, without persistence."""

    def __init__(self, folder, things, anchor):
        libraries = os.path.join(anchor, "usr/lib", os.uname().machine + "-linux-gnu")
        environment = {"LD_LIBRARY_PATH": libraries}
        passwords, rules = os.path.join(folder, "passwd"), os.path.join(folder, "acl")
        with open(passwords, "w") as file:
            file.writelines(f"{thing}:{key}\n" for thing, key in things)
        subprocess.run([program("mosquitto_passwd", anchor), "-U", passwords], check=True, capture_output=True,
                       env={**os.environ, **environment})
        with open(rules, "w") as file:
            file.writelines(f"user {thing}\ntopic readwrite channels/{CHANNEL}/messages/#\n" for thing, _ in things)
        for path in (passwords, rules):
            os.chmod(path, 0o644)
        self.port = free_port()
        config = os.path.join(folder, "mosquitto.conf")
        with open(config, "w") as file:
            file.write(f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
                       f"acl_file {rules}\nuser root\nmax_inflight_messages 0\nmax_queued_messages 0\nlog_type error\n")

        def answers():
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True

        self.process = Process([program("mosquitto", anchor), "-c", config], os.path.join(folder, "mosquitto.log"),
                               answers, environment=environment)
        self.pid = self.process.pid
        self.address, self.channel = f"127.0.0.1:{self.port}", CHANNEL

    def kill(self):
        self.process.kill()


class Ours:
    def __init__(self, arguments, folder):
        # More sockets than a server has by default.
        os.environ["TELLEE_MQTT__MAX_CONNECTIONS"] = "20000"
        self.server = Server(arguments.server, os.path.join(folder, "data"), os.path.join(folder, "log"))
        self.pid = self.server.pid
        self.rest = Rest(self.server)
        # One thing has at most 64 sessions.
        self.things = self.rest.things([f"load-{number}" for number in range(200)])
        self.channel = self.rest.channel("load")
        self.rest.connect(self.channel, [thing for thing, _ in self.things])
        self.address = "{}:{}".format(*self.server.mqtt)

    def kill(self):
        self.server.kill()


def load(arguments, end, keys, **options):
    command = [arguments.mqtt_generator, "--address", end.address, "--pid", str(end.pid), "--channel", end.channel,
               "--keys", keys]
    for name, value in options.items():
        command += ["--" + name, str(value)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout)


def rows(table, name, end, arguments, keys, sizes):
    messages = sizes["messages"]

    def attempt(work, measure):
        try:
            measure()
        except (RuntimeError, OSError, KeyError, subprocess.TimeoutExpired) as problem:
            table.notes.append(f"{name}: {work} cannot be measured: {problem}")

    def qos_1_window_20():
        found = load(arguments, end, keys, connections=50, messages=messages, window=20)
        table.put("MQTT QoS 1, window 20: CPU per message", "µs", name, found["cpu_us_per_message"], anchor=ANCHOR,
                  must=1.1, goal=0.5)
        table.put("MQTT QoS 1, window 20: rate", "messages/s", name, found["per_second"])

    def qos_1_window_1():
        found = load(arguments, end, keys, connections=50, messages=messages // 4, window=1)
        table.put("MQTT QoS 1, window 1: CPU per message", "µs", name, found["cpu_us_per_message"], anchor=ANCHOR)
        table.put("MQTT QoS 1, window 1: rate (must ≥ 0.5 ×, goal ≥ 0.8 ×)", "messages/s", name, found["per_second"],
                  anchor=ANCHOR)

    def qos_2_window_20():
        found = load(arguments, end, keys, connections=50, messages=messages // 2, window=20, qos=2)
        table.put("MQTT QoS 2, window 20: CPU per message", "µs", name, found["cpu_us_per_message"], anchor=ANCHOR,
                  must=1.1, goal=0.6)

    def fan_out():
        count = sizes["deliver"]
        found = load(arguments, end, keys, connections=1, messages=count, window=1, subscribers=1_000)
        if found["delivered"] != found["wanted"]:
            table.notes.append(f"{name}: {found['delivered']} of {found['wanted']} deliveries came")
        each = found["cpu_us_per_message"] * count / max(found["delivered"], 1)
        table.put("MQTT, one publisher to 1,000 subscribers: CPU per delivery", "µs", name, round(each, 2), anchor=ANCHOR,
                  must=1.0, goal=0.5)

    def idle():
        found = load(arguments, end, keys, idle=sizes["idle"])
        table.put(f"MQTT, {sizes['idle']:,} idle connections: memory of each", "kB", name,
                  round(found["bytes_each"] / 1000, 2), must="< 10", goal="< 5")

    for work in (qos_1_window_20, qos_1_window_1, qos_2_window_20, fan_out, idle):
        attempt(work.__name__, work)


def senml(table, ours, arguments, sizes):
    thing, key = ours.things[0]
    command = [arguments.generator, "--address", "{}:{}".format(*ours.server.http), "--senml", "true", "--batch", "1",
               "--path", f"/channels/{ours.channel}/messages", "--authorization", f"Thing {key}", "--connections", "50",
               "--series", "50", "--points", "1000000", "--seconds", str(sizes["seconds"])]
    before = process.cpu_seconds(ours.pid)
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        table.notes.append(f"SenML over HTTP cannot be measured: {done.stderr.strip()[:300]}")
        return
    found = json.loads(done.stdout)
    cpu = (process.cpu_seconds(ours.pid) - before) / found["requests"] * 1e6
    table.put("HTTP, one SenML record, keep-alive: CPU per message", "µs", "tellee", round(cpu, 1))
    mqtt = next((row["values"].get("tellee") for row in table.rows if "QoS 1, window 20: CPU" in row["work"]), None)
    if mqtt:
        table.put("… against its own QoS 1, window 20", "×", "tellee", round(cpu / mqtt, 2), must="< 1.7", goal="< 0.9")
    table.put("HTTP, one SenML record, keep-alive: rate", "messages/s", "tellee", found["requests_per_second"])


def run(table, arguments, sizes, work):
    folder = os.path.join(work, "mqtt")
    os.makedirs(folder)
    ours = theirs = None
    try:
        ours = Ours(arguments, folder)
        keys = write_keys(os.path.join(folder, "keys"), ours.things)
        rows(table, "tellee", ours, arguments, keys, sizes)
        senml(table, ours, arguments, sizes)
        anchor = arguments.anchors.get("mosquitto")
        if anchor is None:
            table.absent(ANCHOR, "its Debian package cannot be had here")
            return
        theirs = Mosquitto(folder, ours.things, anchor)
        rows(table, ANCHOR, theirs, arguments, keys, sizes)
    finally:
        for end in (ours, theirs):
            if end is not None:
                end.kill()
        shutil.rmtree(folder, ignore_errors=True)
