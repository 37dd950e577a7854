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


class Client:
    """An MQTT 3.1.1 client with a session that stays: it keeps its half of each QoS 1 and 2 exchange, and goes on with it
    in the next connection as the standard asks (4.4).

    `on_ack(tag)`: PUBACK or PUBREC came, the server has taken the message. `on_message(topic, payload, qos, duplicate)`: a
    message came, at QoS 2 once however often it is sent.
    """

    def __init__(self, name, user, password, on_ack=None, on_message=None, clean=False):
        self.name, self.user, self.password, self.clean = name, user, password, clean
        self.on_ack, self.on_message = on_ack, on_message
        self.flight = {}  # packet id -> [tag, qos, topic, payload, retain, released]
        self.held = set()  # packet ids of QoS 2 messages that came and are not released
        self.subscribing = {}
        self.next_id = 0
        self.room = asyncio.Event()
        self.reading = None
        self.writer = None

    async def open(self, host, port):
        """Connects; answers whether the server still had the session."""
        self.reader, self.writer = await asyncio.open_connection(host, port)
        body = (_text("MQTT") + bytes([4, 0xC2 if self.clean else 0xC0]) + struct.pack(">H", 60) + _text(self.name)
                + _text(self.user) + _text(self.password))
        self.writer.write(_frame(0x10, body))
        kind, body = await asyncio.wait_for(self._packet(), 30)
        if kind != 0x20 or body[1] != 0:
            raise Refused(f"CONNACK {body[1]}")
        present = bool(body[0] & 1)
        if not present:
            self.flight.clear()
            self.held.clear()
        for packet_id, exchange in self.flight.items():
            self._send(packet_id, exchange, duplicate=True)
        self.reading = asyncio.create_task(self._read())
        return present

    _packet = Publisher._packet

    def _send(self, packet_id, exchange, duplicate=False):
        _, qos, topic, payload, retain, released = exchange
        if released:
            self.writer.write(_frame(0x62, struct.pack(">H", packet_id)))
            return
        first = 0x30 | (8 if duplicate else 0) | qos << 1 | (1 if retain else 0)
        self.writer.write(_frame(first, _text(topic) + struct.pack(">H", packet_id) + payload))

    async def _read(self):
        while True:
            first, body = await self._packet()
            kind = first >> 4
            if kind == 3:
                self._incoming(first, body)
                continue
            packet_id = struct.unpack(">H", body[:2])[0] if len(body) >= 2 else 0
            if kind in (9, 11):
                waiting = self.subscribing.pop(packet_id, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(body[2:])
            elif kind == 6:
                self.held.discard(packet_id)
                self.writer.write(_frame(0x70, struct.pack(">H", packet_id)))
            elif kind in (4, 5, 7):
                self._answered(kind, packet_id)

    def _incoming(self, first, body):
        qos, duplicate = first >> 1 & 3, bool(first & 8)
        length = struct.unpack(">H", body[:2])[0]
        topic, rest = body[2:2 + length].decode(), body[2 + length:]
        if qos == 0:
            self.on_message(topic, rest, qos, duplicate)
            return
        packet_id = struct.unpack(">H", rest[:2])[0]
        if qos == 1:
            self.on_message(topic, rest[2:], qos, duplicate)
            self.writer.write(_frame(0x40, struct.pack(">H", packet_id)))
            return
        if packet_id not in self.held:
            self.held.add(packet_id)
            self.on_message(topic, rest[2:], qos, duplicate)
        self.writer.write(_frame(0x50, struct.pack(">H", packet_id)))

    def _answered(self, kind, packet_id):
        exchange = self.flight.get(packet_id)
        if kind == 5:
            if exchange is not None and not exchange[5]:
                exchange[5] = True
                self.on_ack(exchange[0])
            self.writer.write(_frame(0x62, struct.pack(">H", packet_id)))
            return
        if exchange is None:
            return
        if kind == 4:
            self.on_ack(exchange[0])
        del self.flight[packet_id]
        self.room.set()

    async def _wait(self, future):
        done, _ = await asyncio.wait({future, self.reading}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
        if future not in done:
            future.cancel()
            raise ConnectionError("the server closed the connection or does not answer")
        return future.result()

    def _take_id(self):
        while True:
            self.next_id = self.next_id % 65535 + 1
            if self.next_id not in self.flight:
                return self.next_id

    async def subscribe(self, topic, qos):
        """The return code of the SUBACK."""
        packet_id = self._take_id()
        answer = self.subscribing[packet_id] = asyncio.get_running_loop().create_future()
        self.writer.write(_frame(0x82, struct.pack(">H", packet_id) + _text(topic) + bytes([qos])))
        return (await self._wait(answer))[0]

    async def publish(self, topic, payload, tag, qos, window, retain=False):
        """Sends one message at QoS 1 or 2 as soon as fewer than `window` are in flight."""
        while len(self.flight) >= window:
            self.room.clear()
            await self._wait(asyncio.ensure_future(self.room.wait()))
        if self.reading.done():
            raise ConnectionError("the server closed the connection")
        packet_id = self._take_id()
        exchange = self.flight[packet_id] = [tag, qos, topic, payload, retain, False]
        self._send(packet_id, exchange)
        await self.writer.drain()

    async def settle(self):
        """Waits until nothing is in flight."""
        while self.flight:
            self.room.clear()
            await self._wait(asyncio.ensure_future(self.room.wait()))

    async def close(self):
        if self.reading is not None:
            self.reading.cancel()
            await asyncio.gather(self.reading, return_exceptions=True)
        if self.writer is not None:
            self.writer.close()
