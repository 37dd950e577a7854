#!/usr/bin/env python3
"""Reads the history of a campaign and says whether the promises held. Exit status 1 if not.

Of the store: acknowledged ⊆ stored, nothing twice, nothing that was never sent, nothing acknowledged before it was sent.
Of MQTT sessions: each is still there after a fault; a follower is given all that was acknowledged while it was
subscribed, at QoS 2 each once, and what one sender sent in the order of sending. Of retained messages: a new subscriber
is given, for each key, the last one that was acknowledged or one sent after it.

  check_history.py LOG…      `-` reads stdin
"""

import json
import sys


class History:
    """Takes the entries of one history in order. Violations are sentences."""

    def __init__(self):
        self.violations = []
        self.place = 0
        self.via, self.acknowledged = {}, set()
        self.kills = self.faults = self.looks = 0
        self.starts = []
        self.last = None
        self.ended = False
        self.watched = {}  # follower -> (qos, first number)
        self.got = {}  # follower -> {number: times}
        self.newest = {}  # (follower, sender) -> number
        self.resumed = self.given = self.once = 0
        self.keys = {}  # key -> [[number, acknowledged], …] in the order of sending

    def wrong(self, sentence):
        self.violations.append(f"line {self.place}: {sentence}")

    def some(self, what, numbers):
        if numbers:
            self.wrong(f"{len(numbers)} {what}: {sorted(numbers)[:10]}")

    def on_send(self, entry):
        self.via[entry["n"]] = entry["via"]

    def on_ack(self, entry):
        if entry["n"] not in self.via:
            self.wrong(f"{entry['n']} was acknowledged and never sent")
        self.acknowledged.add(entry["n"])

    def on_fault(self, entry):
        self.kills += entry["kind"] == "kill"
        self.faults += entry["kind"] != "kill"

    def on_ready(self, entry):
        self.starts.append(entry["seconds"])

    def on_stored(self, entry):
        self.looks += 1
        begin, end = entry["from"], entry["to"]
        counts = {int(number): count for number, count in entry["counts"].items()}
        self.some("acknowledged and lost",
                  [number for number in self.acknowledged if begin <= number < end and number not in counts])
        self.some("stored twice", [number for number, count in counts.items() if count > 1])
        self.some("stored and never sent", [number for number in counts if number not in self.via])
        self.last = (begin, end, len(counts))

    def on_session(self, entry):
        self.resumed += entry["present"]
        if entry["present"] != entry["wanted"]:
            self.wrong(f"the session of {entry['by']} is {'there' if entry['present'] else 'lost'}")

    def on_watch(self, entry):
        self.watched[entry["by"]] = (entry["qos"], entry["from"])
        self.got.setdefault(entry["by"], {})

    def on_got(self, entry):
        by, number = entry["by"], entry["n"]
        times = self.got.setdefault(by, {})
        times[number] = times.get(number, 0) + 1
        self.given += 1
        self.once += entry["qos"] == 2
        if number not in self.via:
            self.wrong(f"{by} was given {number}, which was never sent")
            return
        if times[number] > 1:
            if entry["qos"] == 2:
                self.wrong(f"{by} was given {number} again at QoS 2")
            return
        stream = (by, self.via[number])
        if number < self.newest.get(stream, -1):
            self.wrong(f"{by} was given {number} of {stream[1]} after {self.newest[stream]}")
        self.newest[stream] = max(number, self.newest.get(stream, -1))

    def on_drained(self, entry):
        by = entry["by"]
        if not entry["ok"]:
            self.wrong(f"{by} was not given the mark {entry['n']} in time")
            return
        first = self.watched[by][1]
        self.some(f"acknowledged and never given to {by}", [
            number for number in self.acknowledged
            if number >= first and number not in self.got[by]
            and (self.via[number].startswith("watched") or self.via[number] == "mark")])

    def on_retain(self, entry):
        self.keys.setdefault(str(entry["key"]), []).append([entry["n"], False])

    def on_retain_ack(self, entry):
        for sent in self.keys[str(entry["key"])]:
            if sent[0] == entry["n"]:
                sent[1] = True

    def on_kept(self, entry):
        for key, sent in self.keys.items():
            kept = entry["counts"].get(key)
            acknowledged = [place for place, (_, acked) in enumerate(sent) if acked]
            may_be = sent[acknowledged[-1]:] if acknowledged else [[-1, False]] + sent
            possible = {None if number < 0 else number for number, _ in may_be}
            if kept not in possible:
                self.wrong(f"key {key} keeps {kept}, and may keep {possible}")

    def on_end(self, _entry):
        self.ended = True

    def take(self, line):
        self.place += 1
        try:
            entry = json.loads(line)
        except ValueError:
            self.wrong("is no JSON")
            return
        handle = getattr(self, "on_" + entry.get("op", ""), None)
        if handle is not None:
            handle(entry)

    def finish(self):
        """The figures."""
        if not self.ended:
            self.violations.append("the history has no end: the campaign did not finish")
        wanted = max(self.via) + 1 if self.via else 0
        if self.last is None or self.last[0] != 0 or self.last[1] < wanted:
            self.violations.append("the history does not end with a look at everything")
        ways = {}
        for number in self.acknowledged:
            ways[self.via.get(number)] = ways.get(self.via.get(number), 0) + 1
        return {
            "kills": self.kills, "other faults": self.faults, "sent": len(self.via),
            "acknowledged": len(self.acknowledged), "stored": self.last[2] if self.last else 0, "looks": self.looks,
            "sessions resumed": self.resumed, "given to followers": self.given,
            "of them at QoS 2": self.once,
            "slowest start": f"{max(self.starts):.2f} s" if self.starts else "none",
            "acknowledged by way": " ".join(f"{way}:{count}" for way, count in sorted(ways.items(), key=str)),
        }


def check(lines):
    """The figures of one history, and its violations as sentences."""
    history = History()
    for line in lines:
        history.take(line)
    return history.finish(), history.violations


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    wrong = False
    for path in sys.argv[1:]:
        lines = sys.stdin if path == "-" else open(path)
        figures, violations = check(lines)
        print(f"{path}: " + ", ".join(f"{value} {name}" if isinstance(value, int) else f"{name} {value}"
                                      for name, value in figures.items()))
        for violation in violations[:50]:
            print(f"  VIOLATION {violation}")
        print("  held" if not violations else f"  {len(violations)} violations")
        wrong |= bool(violations)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
