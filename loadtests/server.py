"""Starts `tellee serve` in a folder of its own, and speaks REST to it."""

import http.client
import json
import os
import select
import signal
import subprocess
import time

EMAIL = "load@plant.example"
PASSWORD = "a long pass phrase"


class Server:
    """A server process; `http` and `mqtt` are (host, port)."""

    def __init__(self, program, data, log_path, environment=None):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TELLEE_")}
        clean.update(TELLEE_ADMIN_EMAIL=EMAIL, TELLEE_ADMIN_PASSWORD=PASSWORD, TELLEE_ML__ENABLED="false")
        clean.update(environment or {})
        self.log_path = log_path
        self.started = time.monotonic()
        with open(log_path, "ab") as log:
            self.process = subprocess.Popen(
                [program, "serve", "--data-dir", data, "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=clean)
        ready, _, _ = select.select([self.process.stdout], [], [], 120)
        line = self.process.stdout.readline() if ready else b""
        self.seconds_to_ready = time.monotonic() - self.started
        if not line:
            self.process.kill()
            self.process.wait()
            with open(log_path, errors="replace") as log:
                raise RuntimeError("the server does not start: " + "".join(log.readlines()[-5:]))
        self.ready = json.loads(line)
        self.http = self._address("http")
        self.mqtt = self._address("mqtt")

    def _address(self, name):
        host, port = self.ready[name].rsplit(":", 1)
        return host, int(port)

    @property
    def pid(self):
        return self.process.pid

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """SIGTERM; exit status and seconds."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            return None, time.monotonic() - begin
        self.process.stdout.close()
        return status, time.monotonic() - begin

    def cpu_seconds(self):
        """User and system time of all its threads."""
        with open(f"/proc/{self.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self):
        with open(f"/proc/{self.pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS"):
                    return int(line.split()[1]) * 1024
        return 0


class Rest:
    """A signed-in administrator with one kept connection."""

    def __init__(self, server):
        self.address = server.http
        self.connection = http.client.HTTPConnection(*self.address, timeout=60)
        self.used_at = time.monotonic()
        self.token = None
        status, _, body = self.call("POST", "/tokens", {"email": EMAIL, "password": PASSWORD})
        if status != 201:
            raise RuntimeError(f"cannot sign in: {status} {body}")
        self.token = body["token"]

    def call(self, method, path, body=None, authorization=None, content_type="application/json"):
        headers = {}
        credential = authorization or (f"Bearer {self.token}" if self.token else None)
        if credential:
            headers["Authorization"] = credential
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["Content-Type"] = content_type
        # The server closes a connection that says nothing for 15 s.
        if time.monotonic() - self.used_at > 10:
            self.connection.close()
        self.used_at = time.monotonic()
        self.connection.request(method, path, data, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        parsed = json.loads(text) if text and "json" in (answer.headers.get("content-type") or "") else text
        return answer.status, answer.headers, parsed

    def must(self, expected, method, path, body=None, **more):
        status, headers, answer = self.call(method, path, body, **more)
        if status != expected:
            raise RuntimeError(f"{method} {path}: {status} {answer}")
        return headers, answer

    def graphql(self, query, **variables):
        _, answer = self.must(200, "POST", "/graphql", {"query": query, "variables": variables})
        if answer.get("errors"):
            raise RuntimeError(answer["errors"])
        return answer["data"]

    def lasting_channel(self, name):
        """A channel that keeps its samples for ever, whatever times they bear."""
        asked = "mutation($input: CreateChannelInput!) { createChannel(input: $input) { channel { id } } }"
        made = self.graphql(asked, input={"idempotencyKey": name, "name": name, "retention": "FOREVER"})
        return made["createChannel"]["channel"]["id"]

    def channel(self, name):
        headers, _ = self.must(201, "POST", "/channels", {"name": name})
        return headers["Location"].rsplit("/", 1)[1]

    def things(self, names):
        """(id, key) of each new thing, made in bulk."""
        made = []
        for start in range(0, len(names), 1000):
            _, answer = self.must(201, "POST", "/things/bulk", [{"name": name} for name in names[start:start + 1000]])
            made += [(thing["id"], thing["key"]) for thing in answer["things"]]
        return made

    def connect(self, channel, things):
        for start in range(0, len(things), 1000):
            ids = things[start:start + 1000]
            self.must(200, "POST", "/connect", {"channel_ids": [channel], "thing_ids": ids})
