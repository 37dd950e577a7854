"""What every store is asked to do, and the rows that come of it."""

import os
import shutil
import time

from .process import peak_rss_bytes
from .stores import InfluxDB, PostgreSQL, Tellee, VictoriaMetrics

ANCHOR = VictoriaMetrics.name
WORK_BATCH = "line protocol, batch 5000: CPU per point"
WORK_ONE = "batch 1 over 64 connections: CPU per request"
SURVIVORS = 50_000


# CPU time is counted in ticks of 10 ms: below this many seconds of it, a figure is mostly rounding.
CPU_SECONDS = 0.6
MOST_REPEATS = 3_000


def query(store, table, work, unit, ask, rows, repeat, **bounds):
    """The CPU of one question, after one that warms up, and the median of its wall time. Asks at least `repeat` times,
    and goes on until enough CPU time was spent to be counted in ticks; for all stores alike."""
    found = ask()
    if found != rows:
        table.notes.append(f"{store.name} answers {found} rows instead of {rows} to: {work}")
    walls, before = [], store.cpu()
    while len(walls) < repeat or (len(walls) < MOST_REPEATS and store.cpu() - before < CPU_SECONDS):
        begin = time.perf_counter()
        ask()
        walls.append((time.perf_counter() - begin) * 1000)
    cpu = (store.cpu() - before) * 1000 / len(walls)
    table.put(f"{work}: CPU", unit, store.name, round(cpu, 2), **bounds)
    table.put(f"{work}: wall, median", "ms", store.name, round(sorted(walls)[len(walls) // 2], 2))


def measure(store, table, sizes):
    points, series = sizes["points"], 100
    store.seconds = points
    store.measured = "decimal"
    if store.name == PostgreSQL.name:
        points = max(points // 20, 1)
    store.create("decimal")
    idle = store.rss()
    load, cpu = store.send("decimal", batch=5000, series=series, points=points)
    at_once = cpu / load["points"] * 1e6
    before = store.cpu()
    store.settle()
    later = (store.cpu() - before) / load["points"] * 1e6
    table.put(WORK_BATCH, "µs", store.name, round(at_once + later, 3), anchor=ANCHOR, must=1.0, goal=0.5)
    table.put("… of it after the last answer (merging, sealing)", "µs", store.name, round(later, 3))
    table.put("line protocol, batch 5000, one connection: rate", "points/s", store.name, load.get("points_per_second"))
    table.put("resident memory at the start", "MB", store.name, round(idle / 1e6, 1))
    table.put("resident memory after batch 5000", "MB", store.name, round(store.rss() / 1e6, 1), anchor=ANCHOR,
              must="< 120", goal="< 80")

    store.show()
    minutes = -(-points // 60)
    repeat = sizes["repeat"]
    # Rollups of ours hold whole minutes and hours, so 90 s can come from the samples alone, and 1 m comes from rollups.
    query(store, table, f"mean per 90 s of {series} series × {sizes['span']} (from samples)", "ms",
          lambda: store.mean("decimal", series, points, "90s"), series * -(-points // 90), repeat, anchor=ANCHOR,
          must=1.0, goal=0.3)
    query(store, table, f"mean per 1 m of {series} series × {sizes['span']} (from rollups)", "ms",
          lambda: store.mean("decimal", series, points, "1m"), series * minutes, repeat, anchor=ANCHOR, must=0.15,
          goal=0.05)
    query(store, table, f"mean per 1 h of {series} series × {sizes['span']}", "ms",
          lambda: store.mean("decimal", series, points, "1h"), series * -(-points // 3600), repeat, anchor=ANCHOR,
          must=0.15, goal=0.05)
    query(store, table, f"mean per 1 m of one series × {sizes['span']}", "ms",
          lambda: store.mean("decimal", 1, points, "1m"), minutes, repeat * 5, anchor=ANCHOR, must=0.6, goal=0.15)
    query(store, table, "last value of 100 series", "ms", lambda: store.last("decimal"), series, repeat * 5,
          must="< 2", goal="< 0.5")

    if store.name != PostgreSQL.name:
        table.put("peak resident memory of all the above", "MB", store.name, round(peak_rss_bytes(store.pid) / 1e6, 1))
        store.finish()
        store.stop()
        table.put("bytes per point, two decimals, after an orderly stop", "B", store.name,
                  round(store.bytes_on_disk() / load["points"], 3), anchor=ANCHOR, must="< 0.8", goal="< 0.6")
        store.again()
    else:
        table.put("bytes per point, two decimals, after an orderly stop", "B", store.name,
                  round(store.bytes_on_disk() / load["points"], 3))

    store.create("single")
    load, cpu = store.send("single", batch=1, connections=64, series=6400, points=1_000_000, seconds=sizes["seconds"])
    table.put(WORK_ONE, "µs", store.name, round(cpu / load["requests"] * 1e6, 1), anchor=ANCHOR, must=0.4, goal=0.2)
    table.put("batch 1 over 64 connections: acknowledged", "requests/s", store.name, load["requests_per_second"],
              must="> 20000", goal="> 40000")
    table.put("resident memory after batch 1", "MB", store.name, round(store.rss() / 1e6, 1))

    store.create("killed")
    store.send("killed", batch=5000, series=series, points=SURVIVORS // series)
    store.kill()
    store.again()
    table.put("started again after kill -9", "s", store.name, round(store.seconds_to_ready(), 2))
    table.put(f"kept of {SURVIVORS:,} acknowledged, kill -9 at once", "points", store.name, store.count("killed"))


def entropy(store, table, sizes):
    """Doubles of which every bit is noise, into an empty store."""
    store.measured = "noise"
    store.create("noise")
    points = sizes["points"] // 10
    load, cpu = store.send("noise", batch=5000, series=100, points=points, values="full")
    store.settle()
    store.finish()
    store.stop()
    table.put("bytes per point, full-entropy doubles, after an orderly stop", "B", store.name,
              round(store.bytes_on_disk() / load["points"], 3), must="< 8.2")


def stores(arguments):
    yield Tellee, lambda folder: Tellee(folder, arguments.generator, arguments.server)
    for kind, package in ((VictoriaMetrics, "victoria-metrics"), (InfluxDB, "influxdb"), (PostgreSQL, "postgresql-15")):
        anchor = arguments.anchors.get(package)
        yield kind, (lambda folder, kind=kind, anchor=anchor: kind(folder, arguments.generator, anchor)) if anchor else None


def run(table, arguments, sizes, work):
    for kind, start in stores(arguments):
        if arguments.only and kind.name not in arguments.only:
            continue
        if start is None:
            table.absent(kind.name, "its Debian package cannot be had here")
            continue
        for number, measure_it in enumerate((measure, entropy)):
            if kind is PostgreSQL and measure_it is entropy:
                continue
            folder = os.path.join(work, f"{kind.__name__}-{number}")
            store = None
            try:
                store = start(folder)
                measure_it(store, table, sizes)
            except (RuntimeError, OSError, KeyError, ValueError) as problem:
                table.notes.append(f"{kind.name}: {measure_it.__name__} ended early: {problem}")
                print(f"  {kind.name}: {problem}", flush=True)
            finally:
                if store is not None:
                    store.kill()
                shutil.rmtree(folder, ignore_errors=True)
