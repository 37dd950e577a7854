"""python3 -m bench --server … : all rows in one run, into one table."""

import argparse
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bench import mqtt_rows, store_rows  # noqa: E402
from bench.table import Table, machine  # noqa: E402

QUICK = {"points": 8_640, "span": "2.4 hours", "seconds": 4, "repeat": 4, "messages": 400, "idle": 2_000, "deliver": 20}
WHOLE = {"points": 86_400, "span": "1 day", "seconds": 15, "repeat": 10, "messages": 2_000, "idle": 10_000, "deliver": 100}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--generator", required=True, help="program `line_load`")
    parser.add_argument("--mqtt-generator", required=True, help="program `mqtt_load`")
    parser.add_argument("--anchor", action="append", default=[], metavar="PACKAGE=FOLDER")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", help="this store alone; may be given several times")
    parser.add_argument("--part", choices=("stores", "mqtt"), help="this part alone")
    parser.add_argument("--results", required=True)
    arguments = parser.parse_args()
    arguments.anchors = dict(one.split("=", 1) for one in arguments.anchor)
    sizes = QUICK if arguments.quick else WHOLE
    table, here = Table(), machine()
    work = tempfile.mkdtemp(prefix="tellee-bench-")
    os.chmod(work, 0o755)
    try:
        if arguments.part != "mqtt":
            store_rows.run(table, arguments, sizes, work)
        if arguments.part != "stores":
            mqtt_rows.run(table, arguments, sizes, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    name = "side-by-side-quick" if arguments.quick else "side-by-side"
    table.write(arguments.results, here, name)


if __name__ == "__main__":
    main()
