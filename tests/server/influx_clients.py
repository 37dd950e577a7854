"""Writes with InfluxDB's own clients: HOST PORT CHANNEL THING KEY. Fails if a client does, or takes no refusal."""

import sys

from influxdb import InfluxDBClient as ClientOfOne
from influxdb.exceptions import InfluxDBClientError
from influxdb_client import InfluxDBClient as ClientOfTwo
from influxdb_client import Point, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

host, port, channel, thing, key = sys.argv[1:]

one = ClientOfOne(host, int(port), thing, key, channel)
assert one.ping()
one.create_database(channel)
point = {"measurement": "one", "tags": {"site": "a.b"}, "fields": {"speed": 1.5}, "time": 1_600_000_000}
assert one.write_points([point], time_precision="s")
try:
    one.write(["one speed="], {"db": channel, "precision": "s"}, protocol="line")
    raise SystemExit("a bad line was taken")
except InfluxDBClientError as refused:
    assert refused.code == 400 and "unable to parse line 1" in refused.content, refused

for name, at, zipped in (("speed", 1_600_000_001, False), ("zipped", 1_600_000_002, True)):
    with ClientOfTwo(f"http://{host}:{port}", key, org="plant", enable_gzip=zipped) as two:
        assert two.ping()
        assert two.health().status == "pass"
        point = Point("two").tag("site", "a.b").field(name, 2).time(at, WritePrecision.S)
        writing = two.write_api(write_options=SYNCHRONOUS)
        writing.write(channel, record=point, write_precision=WritePrecision.S)
        try:
            writing.write(channel, record="two speed=")
            raise SystemExit("a bad line was taken")
        except ApiException as refused:
            assert refused.status == 400 and "unable to parse line 1" in refused.message, refused
