"""The stores: how each is started, fed, asked and counted. All on loopback, in folders of their own."""

import datetime
import http.client
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.parse

from server import Rest, Server

from . import process
from .process import Process, free_port, program

# Midnight, so that intervals begin where the data does.
START = 1_599_955_200


class Store:
    """What all have in common. `load` describes what is sent: see line_load.rs."""

    children = False

    def __init__(self, folder, generator):
        self.folder = folder
        self.data = os.path.join(folder, "data")
        self.generator = generator
        os.makedirs(folder, exist_ok=True)

    def cpu(self):
        return process.cpu_seconds(self.pid, self.children)

    def rss(self):
        return process.rss_bytes(self.pid, self.children)

    def settle(self):
        process.settle(self.pid, self.children)

    def send(self, database, **load):
        """Sends the load; answers what the generator says, and the CPU seconds that it cost."""
        command = [self.generator, "--address", f"127.0.0.1:{self.port}", "--path", self.path(database)]
        for name, value in {"start": START, **load}.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        before = self.cpu()
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
        if done.returncode != 0:
            raise RuntimeError(f"{type(self).__name__}: {done.stderr.strip()[:500]}")
        return json.loads(done.stdout), self.cpu() - before

    def call(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path[:200]}: {answer.status} {text[:300]}")
            return text
        finally:
            connection.close()

    def bytes_on_disk(self):
        return process.folder_bytes(self.data)

    def show(self):
        """Makes what was acknowledged visible to questions, where that comes later of itself."""

    def finish(self):
        """Lets the store bring what was written into its final form, where a stop alone does not."""

    def stop(self):
        self.process.stop()

    def kill(self):
        self.process.kill()

    @property
    def pid(self):
        return self.process.pid

    def seconds_to_ready(self):
        return self.process.seconds_to_ready


class Tellee(Store):
    name = "tellee"

    def __init__(self, folder, generator, binary):
        super().__init__(folder, generator)
        self.binary = binary
        self.places = {}
        self.start()
        self.rest = Rest(self.server)

    def start(self):
        self.server = Server(self.binary, self.data, os.path.join(self.folder, "log"))
        self.port = self.server.http[1]

    @property
    def pid(self):
        return self.server.pid

    def seconds_to_ready(self):
        return self.server.seconds_to_ready

    def again(self):
        self.start()
        self.rest = Rest(self.server)

    def create(self, database):
        thing, key = self.rest.things([f"bench-{database}"])[0]
        # The samples bear times of 2020: a minute after the start, the usual retention would drop them.
        channel = self.rest.lasting_channel(f"bench-{database}")
        self.rest.connect(channel, [thing])
        self.places[database] = (channel, thing, key)

    def path(self, database):
        channel, thing, key = self.places[database]
        return f"/write?db={channel}&u={thing}&p={key}&precision=s"

    def bytes_on_disk(self):
        return process.folder_bytes(os.path.join(self.data, "telemetry"))

    def stop(self):
        self.server.stop()

    def kill(self):
        self.server.kill()

    def series_query(self, database, inside, first=100):
        channel, _, _ = self.places[database]
        query = f'{{ series(channel: "{channel}", first: {first}) {{ nodes {{ {inside} }} }} }}'
        return self.rest.graphql(query)["series"]["nodes"]

    def mean(self, database, series, seconds, every):
        functions = f'aggregate(from: "{iso(START)}", to: "{iso(START + seconds)}", every: "{every}") {{ t columns {{ v }} }}'
        nodes = self.series_query(database, functions, series)
        return sum(len(node["aggregate"]["t"]) for node in nodes)

    def last(self, database):
        return len(self.series_query(database, "latest { time number }"))

    def count(self, database):
        channel, _, _ = self.places[database]
        _, answer = self.rest.must(200, "GET", f"/channels/{channel}/messages?limit=1")
        return answer["total"]


class VictoriaMetrics(Store):
    name = "VictoriaMetrics"

    def __init__(self, folder, generator, anchor):
        super().__init__(folder, generator)
        self.program = program("victoria-metrics", anchor)
        self.again()

    def again(self):
        self.port = free_port()
        command = [self.program, "-storageDataPath=" + self.data, f"-httpListenAddr=127.0.0.1:{self.port}",
                   "-retentionPeriod=100y", "-loggerLevel=ERROR"]
        self.process = Process(command, os.path.join(self.folder, "log"), lambda: self.call("GET", "/health") is not None)

    def create(self, database):
        pass

    def path(self, database):
        return f"/write?db={database}&precision=s"

    def ask(self, path, **query):
        answer = json.loads(self.call("GET", path + "?" + urllib.parse.urlencode(query)))
        return answer["data"]["result"]

    def mean(self, database, series, seconds, every):
        chosen = f'messages_value{{db="{database}"}}'
        if series == 1:
            chosen = f'messages_value{{db="{database}",name="sensor0000",channel=~"c00000000.*"}}'
        result = self.ask("/api/v1/query_range", query=f"avg_over_time({chosen}[{every}])", start=START + 60,
                          end=START + seconds, step=every, nocache=1)
        return sum(len(one["values"]) for one in result)

    def last(self, database):
        # Newest samples are found by looking back from now; the data lies in the past, so the time is given.
        chosen = f'last_over_time(messages_value{{db="{database}"}}[1d])'
        return len(self.ask("/api/v1/query", query=chosen, time=START + self.seconds, nocache=1))

    def show(self):
        self.call("GET", "/internal/force_flush")

    def count(self, database):
        self.show()
        chosen = f'sum(count_over_time(messages_value{{db="{database}"}}[10d]))'
        result = self.ask("/api/v1/query", query=chosen, time=START + 864_000 - 1, nocache=1)
        return int(float(result[0]["value"][1])) if result else 0


class InfluxDB(Store):
    name = "InfluxDB 1.6"

    def __init__(self, folder, generator, anchor):
        super().__init__(folder, generator)
        self.program = program("influxd", anchor)
        self.again()

    def again(self):
        self.port, rpc = free_port(), free_port()
        config = os.path.join(self.folder, "influxdb.conf")
        with open(config, "w") as file:
            # What lies in the log is written to its final form soon, so that its size can be compared.
            file.write(f'reporting-disabled = true\nbind-address = "127.0.0.1:{rpc}"\n'
                       f'[meta]\ndir = "{self.data}/meta"\n'
                       f'[data]\ndir = "{self.data}/data"\nwal-dir = "{self.data}/wal"\nquery-log-enabled = false\n'
                       'cache-snapshot-write-cold-duration = "5s"\ncompact-full-write-cold-duration = "5s"\n'
                       f'[http]\nbind-address = "127.0.0.1:{self.port}"\nlog-enabled = false\n'
                       '[monitor]\nstore-enabled = false\n[subscriber]\nenabled = false\n')
        self.process = Process([self.program, "-config", config], os.path.join(self.folder, "log"),
                               lambda: self.call("GET", "/ping") is not None)

    def create(self, database):
        self.ask(database, f'CREATE DATABASE "{database}"', method="POST")

    def path(self, database):
        return f"/write?db={database}&precision=s"

    def ask(self, database, statement, method="GET"):
        query = urllib.parse.urlencode({"db": database, "q": statement, "epoch": "s"})
        answer = json.loads(self.call(method, "/query?" + query))
        return answer["results"][0].get("series", [])

    def mean(self, database, series, seconds, every):
        only = " AND channel =~ /^c00000000/ AND \"name\" = 'sensor0000'" if series == 1 else ""
        statement = (f"SELECT mean(value) FROM messages WHERE time >= {START}s AND time < {START + seconds}s{only} "
                     f"GROUP BY time({every}), *")
        return sum(len(one["values"]) for one in self.ask(database, statement))

    def last(self, database):
        return len(self.ask(database, "SELECT last(value) FROM messages GROUP BY *"))

    def count(self, database):
        found = self.ask(database, "SELECT count(value) FROM messages")
        return found[0]["values"][0][1] if found else 0

    def finish(self):
        # Longer than what the configuration above says.
        time.sleep(12)
        self.settle()

    def bytes_on_disk(self):
        # Blocks alone: the index of series is preallocated.
        return sum(os.stat(os.path.join(folder, name)).st_blocks * 512
                   for folder, _, names in os.walk(os.path.join(self.data, "data")) for name in names
                   if name.endswith(".tsm"))


class PostgreSQL(Store):
    """Rows by COPY in transactions of one batch. Refuses to run as root, so a program folder of its own is needed."""

    name = "PostgreSQL 15"
    children = True

    def __init__(self, folder, generator, anchor):
        super().__init__(folder, generator)
        self.user = None
        if os.geteuid() == 0:
            self.user = "nobody"
            shutil.copytree(os.path.join(anchor, "usr"), os.path.join(folder, "program", "usr"), symlinks=True)
            anchor = os.path.join(folder, "program")
            os.makedirs(self.data)
            shutil.chown(self.data, "nobody")
            shutil.chown(folder, "nobody")
        self.bin = os.path.join(anchor, "usr/lib/postgresql/15/bin")
        libraries = os.path.join(anchor, "usr/lib", os.uname().machine + "-linux-gnu")
        self.environment = {**os.environ, "LD_LIBRARY_PATH": libraries, "HOME": folder}
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "bench", "--no-sync")
        self.again()

    def run(self, name, *arguments, **more):
        done = subprocess.run([os.path.join(self.bin, name), *arguments], capture_output=True, text=True, timeout=1800,
                              env=self.environment, user=self.user, cwd=self.folder, **more)
        if done.returncode != 0:
            raise RuntimeError(f"{name}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def again(self):
        self.port = free_port()
        command = [os.path.join(self.bin, "postgres"), "-D", self.data, "-p", str(self.port), "-h", "127.0.0.1",
                   "-c", "unix_socket_directories=", "-c", "max_connections=100"]

        def answers():
            try:
                return self.sql("SELECT 1").strip() == "1"
            except RuntimeError:
                return False

        self.process = Process(command, os.path.join(self.folder, "log"), answers, self.user, self.environment)

    def psql(self):
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", "bench"]

    def sql(self, statement):
        return self.run("psql", *self.psql(), "-d", "postgres", "-Atqc", statement)

    def create(self, database):
        self.sql(f"CREATE TABLE {database} (series int, ts bigint, value float8, PRIMARY KEY (series, ts))")

    def send(self, database, batch=5000, connections=1, **load):
        if batch == 1:
            return self.send_one_by_one(database, connections, load["seconds"])
        command = [self.generator, "--csv", "true"]
        for name, value in {"start": START, **load}.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        before = self.cpu()
        making = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        taking = subprocess.Popen([os.path.join(self.bin, "psql"), *self.psql(), "-d", "postgres", "-q"], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=self.environment, user=self.user)
        points = 0
        rows = []

        def copy():
            taking.stdin.write(f"COPY {database} FROM STDIN WITH (FORMAT csv);\n" + "".join(rows) + "\\.\n")
            rows.clear()

        for row in making.stdout:
            rows.append(row)
            points += 1
            if len(rows) == batch:
                copy()
        if rows:
            copy()
        taking.stdin.close()
        if taking.wait() != 0 or making.wait() != 0:
            raise RuntimeError("COPY failed")
        # The process that served the connection is counted once it has ended.
        time.sleep(0.5)
        return {"points": points}, self.cpu() - before

    def send_one_by_one(self, database, connections, seconds):
        script = os.path.join(self.folder, "insert.sql")
        with open(script, "w") as file:
            file.write("\\set s random(0, 1000000000)\n\\set t random(0, 1000000000)\n"
                       f"INSERT INTO {database} VALUES (:s, :t, 220.12) ON CONFLICT DO NOTHING;\n")
        before = self.cpu()
        text = self.run("pgbench", *self.psql(), "-n", "-f", script, "-c", str(connections), "-T", str(seconds), "postgres")
        done = next(int(line.split(":")[1].split("/")[0]) for line in text.splitlines() if "actually processed" in line)
        return {"points": done, "requests": done, "requests_per_second": done / seconds}, self.cpu() - before

    def mean(self, database, series, seconds, every):
        width = {"1m": 60, "90s": 90, "1h": 3600}[every]
        only = "AND series = 0" if series == 1 else ""
        statement = (f"SELECT count(*) FROM (SELECT series, ts / {width}, avg(value) FROM {database} "
                     f"WHERE ts >= {START} AND ts < {START + seconds} {only} GROUP BY 1, 2) rows")
        return int(self.sql(statement))

    def last(self, database):
        statement = (f"SELECT count(*) FROM generate_series(0, 99) s, LATERAL (SELECT value FROM {database} "
                     "WHERE series = s ORDER BY ts DESC LIMIT 1) newest")
        return int(self.sql(statement))

    def count(self, database):
        return int(self.sql(f"SELECT count(*) FROM {database}"))

    def bytes_on_disk(self):
        return int(self.sql("SELECT pg_total_relation_size('" + self.measured + "')"))

    def stop(self):
        self.process.stop(signal.SIGINT)

    def kill(self):
        below = process.descendants(self.pid)
        self.process.kill()
        for child in below:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                pass


def iso(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
