"""The one table: a row for each work, a column for each server, and the ratio of ours to its anchor."""

import datetime
import json
import os


class Table:
    def __init__(self):
        self.rows = []
        self.missing = []
        self.notes = []

    def put(self, work, unit, server, value, anchor=None, must=None, goal=None):
        """One cell. `anchor`, `must` and `goal` belong to the row; the first that says them counts."""
        row = next((row for row in self.rows if row["work"] == work), None)
        if row is None:
            row = {"work": work, "unit": unit, "anchor": anchor, "must": must, "goal": goal, "values": {}}
            self.rows.append(row)
        for name, said in (("anchor", anchor), ("must", must), ("goal", goal)):
            row[name] = row[name] if row[name] is not None else said
        row["values"][server] = value
        print(f"  {server:<16} {work:<58} {self.text(value):>12} {unit}", flush=True)

    def absent(self, server, reason):
        self.missing.append({"server": server, "reason": reason})
        print(f"  {server} is left out: {reason}", flush=True)

    @staticmethod
    def text(value):
        if value is None:
            return "–"
        if isinstance(value, str):
            return value
        magnitude = abs(value)
        if magnitude >= 1000:
            return f"{value:,.0f}"
        return f"{value:.0f}" if value == int(value) and magnitude >= 10 else f"{value:.3g}"

    @staticmethod
    def ratio(row):
        ours, theirs = row["values"].get("tellee"), row["values"].get(row["anchor"] or "")
        if isinstance(ours, (int, float)) and isinstance(theirs, (int, float)) and theirs > 0:
            return ours / theirs
        return None

    @staticmethod
    def limit(row, ratio, bound):
        """`met` or `missed`; a bound is a number for ratios, `< n` or `> n` for values of ours."""
        if bound is None:
            return ""
        ours = row["values"].get("tellee")
        if isinstance(bound, str):
            relation, number = bound.split()
            if not isinstance(ours, (int, float)):
                return f"{bound}"
            met = ours <= float(number) if relation == "<" else ours >= float(number)
            return f"{'≤' if relation == '<' else '≥'} {number} {'met' if met else 'missed'}"
        if ratio is None:
            return f"≤ {bound} ×"
        return f"≤ {bound} × {'met' if ratio <= bound else 'missed'}"

    def markdown(self, machine):
        servers = []
        for row in self.rows:
            servers += [name for name in row["values"] if name not in servers]
        lines = ["# Side by side", "", machine, ""]
        lines += [f"- {note}" for note in self.notes]
        lines += [f"- {gone['server']} is left out: {gone['reason']}" for gone in self.missing]
        lines += ["", "| work | unit | " + " | ".join(servers) + " | ratio | must | goal |",
                  "|---|---|" + "---:|" * (len(servers) + 1) + "---|---|"]
        for row in self.rows:
            ratio = self.ratio(row)
            cells = [self.text(row["values"].get(name)) for name in servers]
            shown = f"{ratio:.2f} × {row['anchor']}" if ratio is not None else ""
            lines.append(f"| {row['work']} | {row['unit']} | " + " | ".join(cells)
                         + f" | {shown} | {self.limit(row, ratio, row['must'])} | {self.limit(row, ratio, row['goal'])} |")
        return "\n".join(lines) + "\n"

    def write(self, folder, machine, name):
        os.makedirs(folder, exist_ok=True)
        text = self.markdown(machine)
        with open(os.path.join(folder, name + ".md"), "w") as file:
            file.write(text)
        whole = {"machine": machine, "notes": self.notes, "missing": self.missing,
                 "rows": [{**row, "ratio": self.ratio(row)} for row in self.rows]}
        with open(os.path.join(folder, name + ".json"), "w") as file:
            json.dump(whole, file, indent=1, ensure_ascii=False)
            file.write("\n")
        print("\n" + text)


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), model)
    load = os.getloadavg()[0]
    return (f"{model}, {os.cpu_count()} cores, {os.uname().sysname} {os.uname().machine}, "
            f"{datetime.date.today().isoformat()}; load average at the start {load:.1f}")
