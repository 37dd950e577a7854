#!/usr/bin/env python3
"""Kills a server with SIGKILL while members of a share group come, go deaf, vanish and end their sessions, and checks that each
acknowledged QoS 1 message reached one of them (MQTT 5, 4.8.2).

A message counts as processed once its member has sent PUBACK. One of the three members never ends its session, so the group always
has one. Exit status 1 if a message that the publisher was acknowledged was processed by nobody.
"""

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mqtt import Client, Refused  # noqa: E402
from server import Rest, Server  # noqa: E402

GONE = (OSError, EOFError, asyncio.IncompleteReadError, Refused)
MEMBERS = 3
# How long the last messages may take to be handed over.
PATIENCE = 60


class Member(Client):
    """While it is deaf it takes messages and acknowledges none."""

    deaf = False

    def _incoming(self, first, body):
        if not self.deaf:
            super()._incoming(first, body)


class Run:
    def __init__(self, program, folder, seed):
        self.program = program
        self.folder = folder
        self.random = random.Random(seed)
        self.start()
        rest = Rest(self.server)
        self.things = rest.things(["publisher"] + [f"member-{number}" for number in range(MEMBERS)])
        channel = rest.channel("shared")
        rest.connect(channel, [thing for thing, _ in self.things])
        self.topic = f"channels/{channel}/messages/a"
        self.group = f"$share/workers/channels/{channel}/messages/#"
        self.acknowledged, self.processed = set(), {}
        self.over = False
        self.kills = self.ended = 0

    def start(self):
        self.server = Server(self.program, os.path.join(self.folder, "data"), os.path.join(self.folder, "server.log"))

    async def open(self, client):
        while True:
            try:
                await client.open(*self.server.mqtt)
                return
            except GONE:
                await asyncio.sleep(0.1)

    def got(self, _topic, payload, _qos, _duplicate):
        number = int(payload)
        self.processed[number] = self.processed.get(number, 0) + 1

    def client(self, number, kind=Member, **more):
        name, (thing, key) = f"client-{number}", self.things[number]
        return kind(name, thing, key, on_message=self.got, **more)

    async def member(self, number):
        """Until the run is over; answers a member that acknowledges everything."""
        while True:
            client = self.client(number)
            await self.open(client)
            try:
                if await client.subscribe(self.group, 1) != 1:
                    raise RuntimeError("the group was refused")
                if self.over:
                    return client
                await asyncio.sleep(self.random.uniform(0.1, 0.8))
                client.deaf = self.random.random() < 0.6
                await asyncio.sleep(self.random.uniform(0, 0.3))
                client.writer.transport.abort()
                await asyncio.sleep(self.random.uniform(0, 0.5))
                if number > 1 and self.random.random() < 0.6:
                    clean = self.client(number, clean=True)
                    await self.open(clean)
                    await clean.close()
                    self.ended += 1
            except GONE:
                pass
            await client.close()

    async def publish(self):
        client = self.client(0, kind=Client, on_ack=self.acknowledged.add)
        await self.open(client)
        number = 0
        while not self.over or client.flight:
            try:
                if self.over:
                    await client.settle()
                    continue
                await client.publish(self.topic, str(number).encode(), number, 1, 20)
                number += 1
                if number % 10 == 0:
                    await asyncio.sleep(0.01)
            except GONE:
                await client.close()
                await self.open(client)
        await client.close()

    async def kill(self, kills):
        for _ in range(kills):
            await asyncio.sleep(self.random.uniform(1, 3))
            self.server.kill()
            await asyncio.get_running_loop().run_in_executor(None, self.start)
            self.kills += 1
        self.over = True

    async def whole(self, kills):
        members = [asyncio.create_task(self.member(number)) for number in range(1, MEMBERS + 1)]
        publisher = asyncio.create_task(self.publish())
        await self.kill(kills)
        await publisher
        clients = [await member for member in members]
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and not self.acknowledged <= set(self.processed):
            await asyncio.sleep(0.1)
        for client in clients:
            await client.close()
        return sorted(self.acknowledged - set(self.processed))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--server", required=True)
    arguments.add_argument("--kills", type=int, default=20)
    arguments.add_argument("--seed", type=int, default=1)
    args = arguments.parse_args()
    folder = tempfile.mkdtemp(prefix="tellee-share-groups-")
    run = Run(args.server, folder, args.seed)
    try:
        missing = asyncio.run(run.whole(args.kills))
    finally:
        run.server.kill()
        shutil.rmtree(folder, ignore_errors=True)
    again = sum(count - 1 for count in run.processed.values())
    print(f"{run.kills} kills, {run.ended} sessions ended, {len(run.acknowledged)} messages acknowledged, "
          f"{again} processed again, {len(missing)} by nobody {missing[:10]}")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
