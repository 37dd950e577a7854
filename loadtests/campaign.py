#!/usr/bin/env python3
"""Drives a real server with MQTT QoS 1 and 2, HTTP and line protocol, and kills it with SIGKILL at random moments, again
and again.

Writes what happened as JSON lines; `check_history.py` says later whether the promises held. Operations:
  begin  {seed, kills, channel}               one run
  send   {n, via}                             message n leaves; its sample has source time BASE + n and value n
  ack    {n}                                  PUBACK, PUBREC, 202 or 204 came
  fault  {kind: kill|stop|disk_full|terminate} what was done to the server
  ready  {seconds}                            it answers again
  stored {from, to, counts: {n: times}}       what the reader gives of numbers from ≤ n < to
  session {by, present, wanted}               a client with a session that stays is back
  watch  {by, qos, from}                      its subscription is acknowledged: it gets all that is sent from number on
  got    {by, n, qos}                         a follower was given message n; HTTP messages come at QoS 1 at most
  drained {by, n, ok}                         a follower was given the mark n, sent after the fault, or was not in time
  retain {key, n}, retain_ack {key, n}        message n is to be kept for the key; n < 0 clears it
  kept   {counts: {key: n}}                   what a new subscriber is given of them
  end    {}
"""

import argparse
import asyncio
import base64
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mqtt import Client, Publisher, Refused  # noqa: E402
from server import Rest, Server  # noqa: E402

BASE = 1_500_000_000
WINDOW = 20
KEYS = 5
LINES = 20
GONE = (OSError, EOFError, asyncio.IncompleteReadError, Refused)


class History:
    def __init__(self, path):
        self.file = open(path, "w", buffering=1 << 16)
        self.next = 0
        self.acknowledged = 0
        self.unsure = set()

    def write(self, op, **fields):
        self.file.write(json.dumps({"at": time.time_ns(), "op": op, **fields}, separators=(",", ":")) + "\n")

    def send(self, via):
        number = self.next
        self.next += 1
        self.unsure.add(number)
        self.write("send", n=number, via=via)
        return number

    def kept(self, key, number):
        self.write("retain_ack", key=key, n=number)
        if number >= 0:
            self.ack(number)

    def ack(self, number):
        self.acknowledged += 1
        self.unsure.discard(number)
        self.write("ack", n=number)


def pack(number):
    return f'[{{"n":"count","t":{BASE + number},"v":{number}}}]'.encode()


async def over_mqtt(server, history, thing, channel, name, rate):
    """Publishes at a steady rate until the server goes away."""
    publisher = Publisher(history.ack)
    topic = f"channels/{channel}/messages"
    try:
        await publisher.open(*server.mqtt, name, *thing)
        due = time.monotonic()
        while True:
            number = history.send("mqtt")
            await publisher.publish(topic, pack(number), number, WINDOW)
            due = max(due + 1 / rate, time.monotonic() - 1)
            await asyncio.sleep(max(0, due - time.monotonic()))
    except (OSError, EOFError, asyncio.IncompleteReadError):
        return
    finally:
        await publisher.close()


async def answer(reader, writer):
    """The status of the answer to what was just written."""
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                   if line.startswith(b"content-length")), 0)
    if length:
        await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


async def over_http(server, history, thing, channel, rate, subtopic="", via="http"):
    """The same over one kept HTTP connection."""
    try:
        reader, writer = await asyncio.open_connection(*server.http)
    except OSError:
        return
    try:
        due = time.monotonic()
        while True:
            number = history.send(via)
            body = pack(number)
            writer.write((
                f"POST /channels/{channel}/messages{subtopic} HTTP/1.1\r\nHost: tellee\r\nAuthorization: Thing {thing[1]}\r\n"
                f"Content-Type: application/senml+json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body)
            if await answer(reader, writer) == 202:
                history.ack(number)
            due = max(due + 1 / rate, time.monotonic() - 1)
            await asyncio.sleep(max(0, due - time.monotonic()))
    except (OSError, EOFError, asyncio.IncompleteReadError):
        return
    finally:
        writer.close()


async def over_lines(server, history, thing, channel, rate):
    """Line protocol, `LINES` lines a request."""
    try:
        reader, writer = await asyncio.open_connection(*server.http)
    except OSError:
        return
    credential = base64.b64encode(f"{thing[0]}:{thing[1]}".encode()).decode()
    try:
        due = time.monotonic()
        while True:
            numbers = [history.send("line") for _ in range(LINES)]
            body = "\n".join(f"count,machine=p101 line={number} {BASE + number}" for number in numbers).encode()
            writer.write((
                f"POST /write?db={channel}&precision=s HTTP/1.1\r\nHost: tellee\r\nAuthorization: Basic {credential}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
            if await answer(reader, writer) == 204:
                for number in numbers:
                    history.ack(number)
            due = max(due + LINES / rate, time.monotonic() - 1)
            await asyncio.sleep(max(0, due - time.monotonic()))
    except (OSError, EOFError, asyncio.IncompleteReadError):
        return
    finally:
        writer.close()


async def paced(client, history, topic, via, qos, rate):
    """Publishes over a connection that is open, until it is not."""
    try:
        due = time.monotonic()
        while True:
            number = history.send(via)
            await client.publish(topic, pack(number), number, qos, WINDOW)
            due = max(due + 1 / rate, time.monotonic() - 1)
            await asyncio.sleep(max(0, due - time.monotonic()))
    except GONE:
        return


async def keeping(server, history, thing, channel, chance):
    """Sets and clears retained messages, one after the other."""
    kept = Client("keeper", *thing, on_ack=lambda tag: history.kept(*tag), clean=True)
    try:
        await kept.open(*server.mqtt)
        while True:
            key = chance.randrange(KEYS)
            clear = chance.random() < 0.2
            number = -1 - history.next if clear else history.send("retained")
            history.write("retain", key=key, n=number)
            payload = b"" if clear else pack(number)
            await kept.publish(f"channels/{channel}/messages/kept/{key}", payload, (key, number), 1, 1, retain=True)
            await kept.settle()
            await asyncio.sleep(0.02)
    except GONE:
        return
    finally:
        await kept.close()


async def look_at_kept(server, history, thing, channel):
    """What a subscriber that never was here before is given."""
    counts = {}

    def seen(topic, payload, _qos, _duplicate):
        counts[int(topic.rsplit("/", 1)[1])] = json.loads(payload)[0]["v"] if payload else -1

    looker = Client("looker", *thing, on_message=seen, clean=True)
    await looker.open(*server.mqtt)
    await looker.subscribe(f"channels/{channel}/messages/kept/+", 1)
    await asyncio.sleep(0.3)
    await looker.close()
    history.write("kept", counts=counts)


class Follower:
    """A subscriber whose session outlives it and the server."""

    def __init__(self, history, name, thing, channel, qos):
        self.history, self.name, self.channel, self.qos = history, name, channel, qos
        self.client = Client(name, *thing, on_message=self.got)
        self.wanted = False
        self.marks = {}

    def got(self, _topic, payload, qos, _duplicate):
        number = json.loads(payload)[0]["v"]
        self.history.write("got", by=self.name, n=number, qos=qos)
        mark = self.marks.pop(number, None)
        if mark is not None and not mark.done():
            mark.set_result(True)

    async def open(self, server):
        present = await self.client.open(*server.mqtt)
        self.history.write("session", by=self.name, present=present, wanted=self.wanted)
        if not present:
            code = await self.client.subscribe(f"channels/{self.channel}/messages/watched/#", self.qos)
            if code != self.qos:
                raise RuntimeError(f"SUBACK {code}")
            self.history.write("watch", by=self.name, qos=self.qos, **{"from": self.history.next})
        self.wanted = True

    def expect(self, number):
        """Message `number` is the last that will be sent."""
        self.marks[number] = asyncio.get_running_loop().create_future()
        return number, self.marks[number]

    async def drain(self, number, mark):
        """Waits for the message that is expected."""
        try:
            await asyncio.wait_for(mark, 30)
            ok = True
        except asyncio.TimeoutError:
            ok = False
        self.history.write("drained", by=self.name, n=number, ok=ok)


class Sessions:
    """Followers of the watched subtopic, and the QoS 2 sender into it."""

    def __init__(self, history, things, channel, rest):
        self.history, self.channel, self.http_thing = history, channel, things[0]
        self.topic = f"channels/{channel}/messages/watched"
        self.followers = [Follower(history, f"follower-{qos}", things[qos], channel, qos) for qos in (1, 2)]
        self.sender = Client("sender-q2", *things[3], on_ack=history.ack)
        self.wanted = False

    async def open(self, server, round_number):
        """One of the followers stays away in each third round."""
        present = await self.sender.open(*server.mqtt)
        self.history.write("session", by="sender-q2", present=present, wanted=self.wanted)
        self.wanted = True
        self.online = [follower for index, follower in enumerate(self.followers)
                       if round_number == 0 or round_number % 3 != index + 1]
        for follower in self.online:
            await follower.open(server)

    async def settle(self, server, rest):
        """Ends what is in flight, sends a mark, and waits until the followers have it."""
        await self.sender.settle()
        number = self.history.send("mark")
        expected = [(follower, follower.expect(number)) for follower in self.online]
        status, _, _ = rest.call("POST", f"/channels/{self.channel}/messages/watched", pack(number),
                                 authorization=f"Thing {self.http_thing[1]}", content_type="application/senml+json")
        if status != 202:
            raise RuntimeError(f"the mark: {status}")
        self.history.ack(number)
        await asyncio.gather(*(follower.drain(*mark) for follower, mark in expected))

    async def close(self):
        for client in [self.sender] + [follower.client for follower in self.followers]:
            await client.close()


def read_back(rest, history, channel, begin, end):
    """What the reader gives of the numbers begin ≤ n < end, into the history."""
    counts = {}
    for start in range(begin, end, 500):
        stop = min(start + 500, end)
        path = f"/channels/{channel}/messages?limit=1000&from={BASE + start}&to={BASE + stop}"
        _, page = rest.must(200, "GET", path)
        for message in page["messages"]:
            number = int(message["value"])
            if int(message["time"]) != BASE + number:
                raise RuntimeError(f"the sample of {number} came back as {message}")
            counts[number] = counts.get(number, 0) + 1
    history.write("stored", **{"from": begin, "to": end}, counts=counts)


async def campaign(args, folder):
    history = History(args.log)
    chance = random.Random(args.seed)
    data, log = os.path.join(folder, "data"), os.path.join(folder, "server.log")
    start = lambda: Server(args.server, data, log)  # noqa: E731
    server = start()
    rest = Rest(server)
    channel = rest.channel("campaign")
    things = rest.things([f"sender-{number}" for number in range(args.connections + 8)])
    rest.connect(channel, [thing for thing, _ in things])
    history.write("begin", seed=args.seed, kills=args.kills, channel=channel)
    own, plain = things[:8], things[8:]
    sessions = Sessions(history, own[:4], channel, rest)
    await sessions.open(server, 0)
    checked = 0
    rate = args.rate / (args.connections + 5)
    for kill in range(1, args.kills + 1):
        tasks = [over_mqtt(server, history, thing, channel, f"sender-{number}", rate)
                 for number, thing in enumerate(plain)]
        tasks += [
            over_http(server, history, own[4], channel, rate),
            over_http(server, history, own[5], channel, rate, "/watched", "watched-http"),
            over_lines(server, history, own[6], channel, 2 * rate),
            paced(sessions.sender, history, sessions.topic, "watched-q2", 2, rate),
            keeping(server, history, own[7], channel, chance),
        ]
        tasks = [asyncio.create_task(task) for task in tasks]
        await asyncio.sleep(chance.uniform(0.2, args.longest))
        if args.stop_seconds and kill % 10 == 5:
            history.write("fault", kind="stop", seconds=args.stop_seconds)
            server.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(args.stop_seconds)
            server.process.send_signal(signal.SIGCONT)
            await asyncio.sleep(1)
        kind = "terminate" if args.terminate and kill % 10 == 0 else "kill"
        history.write("fault", kind=kind, number=kill)
        if kind == "kill":
            server.kill()
        else:
            status, seconds = await asyncio.to_thread(server.stop)
            if status != 0 or seconds > 10:
                raise RuntimeError(f"SIGTERM: exit status {status} after {seconds:.1f} s")
        await asyncio.wait(tasks, timeout=30)
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome
        await sessions.close()
        server = start()
        history.write("ready", seconds=round(server.seconds_to_ready, 3))
        rest = Rest(server)
        await sessions.open(server, 0 if kill == args.kills else kill)
        await sessions.settle(server, rest)
        await look_at_kept(server, history, own[7], channel)
        read_back(rest, history, channel, checked, history.next)
        checked = history.next
        history.unsure.clear()
        if kill % 10 == 0 or kill == args.kills:
            print(f"{kill} of {args.kills} faults, {history.next} sent, {history.acknowledged} acknowledged", flush=True)
    # Once more from the beginning: a later fault may harm what an earlier look found whole.
    read_back(rest, history, channel, 0, history.next)
    await sessions.close()
    server.stop()
    history.write("end")
    history.file.close()


async def disk_full(args, folder):
    """Fills a small file system under the server: writes are refused, reads go on, room heals it, nothing is lost."""
    mount = os.path.join(folder, "small")
    os.mkdir(mount)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", mount], check=True)
    server = None
    history = History(args.log)
    try:
        data, log = os.path.join(mount, "data"), os.path.join(folder, "server-full.log")
        server = Server(args.server, data, log)
        rest = Rest(server)
        channel = rest.channel("campaign")
        thing = rest.things(["sender"])[0]
        rest.connect(channel, [thing[0]])
        history.write("begin", seed=args.seed, kills=1, channel=channel)

        def publish(count):
            statuses = {}
            for _ in range(count):
                number = history.send("http")
                status, _, _ = rest.call("POST", f"/channels/{channel}/messages", pack(number),
                                         authorization=f"Thing {thing[1]}", content_type="application/senml+json")
                if status == 202:
                    history.ack(number)
                statuses[status] = statuses.get(status, 0) + 1
            return statuses

        before = publish(200)
        history.write("fault", kind="disk_full")
        ballast = os.path.join(mount, "ballast")
        with open(ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                pass
            try:
                while True:
                    file.write(bytes(1 << 9))
            except OSError:
                pass
        during = publish(4000)
        status, _, _ = rest.call("GET", f"/channels/{channel}/messages?limit=1")
        reads = status == 200
        os.remove(ballast)
        time.sleep(1)
        after = publish(200)
        history.write("fault", kind="kill", number=1)
        server.kill()
        server = Server(args.server, data, log)
        history.write("ready", seconds=round(server.seconds_to_ready, 3))
        rest = Rest(server)
        read_back(rest, history, channel, 0, history.next)
        history.write("end")
        print(f"disk full: statuses before {before}, during {during}, after {after}; reads during: {reads}")
        refused = sum(count for status, count in during.items() if status != 202)
        healed = after.get(202, 0) > 0
        return reads and healed and refused > 0 and set(during) <= {202, 503, 507}
    finally:
        history.file.close()
        if server is not None:
            server.kill()
        subprocess.run(["umount", mount], check=False)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--server", required=True, help="program `tellee`")
    arguments.add_argument("--log", required=True, help="history to write")
    arguments.add_argument("--kills", type=int, default=20)
    arguments.add_argument("--rate", type=float, default=1000, help="messages a second, all together")
    arguments.add_argument("--connections", type=int, default=8)
    arguments.add_argument("--longest", type=float, default=1.5, help="seconds between two faults, at most")
    arguments.add_argument("--stop-seconds", type=float, default=0, help="SIGSTOP for so long before every tenth kill")
    arguments.add_argument("--terminate", action="store_true", help="every tenth fault is SIGTERM")
    arguments.add_argument("--disk-full", action="store_true", help="only fill the disk; needs root")
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    args = arguments.parse_args()
    folder = tempfile.mkdtemp(prefix="tellee-campaign-")
    try:
        if args.disk_full:
            return 0 if asyncio.run(disk_full(args, folder)) else 1
        asyncio.run(campaign(args, folder))
        return 0
    except BaseException:
        for name in ("server.log", "server-full.log"):
            path = os.path.join(folder, name)
            if os.path.exists(path):
                with open(path, errors="replace") as log:
                    sys.stderr.write("".join(log.readlines()[-20:]))
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
