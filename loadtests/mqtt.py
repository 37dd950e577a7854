"""A small MQTT 3.1.1 publisher on asyncio that knows which message was acknowledged."""

import asyncio
import struct


def _text(text):
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def _frame(kind, body):
    length, digits = len(body), bytearray()
    while True:
        digit, length = length % 128, length // 128
        digits.append(digit | (0x80 if length else 0))
        if not length:
            return bytes([kind]) + bytes(digits) + body


class Refused(Exception):
    """CONNACK with a return code other than 0."""


class Publisher:
    """One connection. `on_ack(tag)` is called for each PUBACK with the tag of its message."""

    def __init__(self, on_ack):
        self.on_ack = on_ack
        self.flight = {}
        self.next_id = 0
        self.room = asyncio.Event()

    async def open(self, host, port, client, user, password):
        self.reader, self.writer = await asyncio.open_connection(host, port)
        body = _text("MQTT") + bytes([4, 0xC2]) + struct.pack(">H", 60) + _text(client) + _text(user) + _text(password)
        self.writer.write(_frame(0x10, body))
        kind, body = await self._packet()
        if kind != 0x20 or body[1] != 0:
            raise Refused(f"CONNACK {body[1]}")
        self.reading = asyncio.create_task(self._read())

    async def _packet(self):
        kind = (await self.reader.readexactly(1))[0]
        length = shift = 0
        while True:
            digit = (await self.reader.readexactly(1))[0]
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                return kind, await self.reader.readexactly(length)

    async def _read(self):
        while True:
            kind, body = await self._packet()
            if kind == 0x40:
                tag = self.flight.pop(struct.unpack(">H", body[:2])[0], None)
                if tag is not None:
                    self.on_ack(tag)
                self.room.set()

    async def publish(self, topic, payload, tag, window):
        """Sends one message at QoS 1 as soon as fewer than `window` are in flight."""
        while len(self.flight) >= window:
            self.room.clear()
            waiting = asyncio.create_task(self.room.wait())
            done, _ = await asyncio.wait({waiting, self.reading}, return_when=asyncio.FIRST_COMPLETED)
            if self.reading in done:
                waiting.cancel()
                raise ConnectionError("the server closed the connection")
        if self.reading.done():
            raise ConnectionError("the server closed the connection")
        self.next_id = self.next_id % 65535 + 1
        self.flight[self.next_id] = tag
        self.writer.write(_frame(0x32, _text(topic) + struct.pack(">H", self.next_id) + payload))
        await self.writer.drain()

    async def close(self):
        reading = getattr(self, "reading", None)
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        writer = getattr(self, "writer", None)
        if writer is not None:
            writer.close()
