#!/usr/bin/env python3
"""Reads the history of a campaign and says whether the promises held: acknowledged ⊆ stored, nothing twice, nothing
that was never sent, everything sent before acknowledged. Exit status 1 if not.

  check_history.py LOG…      `-` reads stdin
"""

import json
import sys


def check(lines):
    """The figures of one history, and its violations as sentences."""
    sent, acknowledged, violations = set(), set(), []
    kills = stops = rounds = 0
    starts = []
    ended = False
    last = None
    for place, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError:
            violations.append(f"line {place} is no JSON")
            continue
        op = entry.get("op")
        if op == "send":
            sent.add(entry["n"])
        elif op == "ack":
            number = entry["n"]
            if number not in sent:
                violations.append(f"line {place}: {number} was acknowledged and never sent")
            acknowledged.add(number)
        elif op == "fault":
            kills += entry["kind"] == "kill"
            stops += entry["kind"] != "kill"
        elif op == "ready":
            starts.append(entry["seconds"])
        elif op == "stored":
            rounds += 1
            begin, end = entry["from"], entry["to"]
            counts = {int(number): count for number, count in entry["counts"].items()}
            lost = sorted(number for number in acknowledged if begin <= number < end and number not in counts)
            twice = sorted(number for number, count in counts.items() if count > 1)
            unknown = sorted(number for number in counts if number not in sent)
            for what, numbers in (("acknowledged and lost", lost), ("stored twice", twice), ("never sent", unknown)):
                if numbers:
                    violations.append(f"line {place}: {len(numbers)} {what}: {numbers[:10]}")
            last = (begin, end, len(counts))
        elif op == "end":
            ended = True
    if not ended:
        violations.append("the history has no end: the campaign did not finish")
    if last is None or last[0] != 0 or last[1] < (max(sent) + 1 if sent else 0):
        violations.append("the history does not end with a look at everything")
    figures = {
        "kills": kills, "other faults": stops, "sent": len(sent), "acknowledged": len(acknowledged),
        "stored": last[2] if last else 0, "looks": rounds,
        "slowest start": f"{max(starts):.2f} s" if starts else "none",
    }
    return figures, violations


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    wrong = False
    for path in sys.argv[1:]:
        lines = sys.stdin if path == "-" else open(path)
        figures, violations = check(lines)
        print(f"{path}: " + ", ".join(f"{value} {name}" if isinstance(value, int) else f"{name} {value}"
                                      for name, value in figures.items()))
        for violation in violations:
            print(f"  VIOLATION {violation}")
        print("  held" if not violations else f"  {len(violations)} violations")
        wrong |= bool(violations)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
