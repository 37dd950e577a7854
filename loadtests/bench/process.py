"""A server as a process of its own: what it costs, how it is killed."""

import os
import shutil
import signal
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _stat(pid):
    """Fields of /proc/PID/stat from the state on, or None once the process is gone."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None


def descendants(pid):
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(name)
            if fields:
                parents.setdefault(int(fields[1]), []).append(int(name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def cpu_seconds(pid, children=False):
    """User and system time of all threads; with `children` also of processes that it started."""
    fields = _stat(pid)
    if fields is None:
        return 0.0
    ticks = sum(int(field) for field in fields[11:15 if children else 13])
    if children:
        for child in descendants(pid):
            below = _stat(child)
            ticks += int(below[11]) + int(below[12]) if below else 0
    return ticks / TICKS


def rss_bytes(pid, children=False):
    total = 0
    for one in [pid] + (descendants(pid) if children else []):
        try:
            with open(f"/proc/{one}/status") as status:
                total += sum(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))
        except OSError:
            pass
    return total


def peak_rss_bytes(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")), 0)
    except OSError:
        return 0


def folder_bytes(path):
    """What the files take on the disk."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                pass
    return total


def settle(pid, children=False, limit=30):
    """Waits until the process is idle, so that work which it put off is counted too."""
    end = time.monotonic() + limit
    before = cpu_seconds(pid, children)
    while time.monotonic() < end:
        time.sleep(1.5)
        now = cpu_seconds(pid, children)
        if now - before < 0.03:
            return
        before = now


def program(name, *folders):
    """The program in one of the folders, else on the PATH."""
    for folder in folders:
        for below in ("usr/bin", "usr/sbin", "usr/lib/postgresql/15/bin"):
            path = os.path.join(folder, below, name)
            if os.access(path, os.X_OK):
                return path
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


class Process:
    """A started program. `answers()` is asked until it is true."""

    def __init__(self, command, log, answers, user=None, environment=None, patience=60):
        self.log = open(log, "ab")
        begin = time.monotonic()
        self.popen = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
                                      user=user, env={**os.environ, **(environment or {})})
        self.pid = self.popen.pid
        while True:
            try:
                if answers():
                    break
            except OSError:
                pass
            if self.popen.poll() is not None or time.monotonic() - begin > patience:
                self.kill()
                with open(log, errors="replace") as text:
                    raise RuntimeError(f"`{command[0]}` does not start: {text.read()[-500:]}")
            time.sleep(0.01)
        self.seconds_to_ready = time.monotonic() - begin

    def stop(self, how=signal.SIGTERM, patience=120):
        if self.popen.poll() is None:
            self.popen.send_signal(how)
            try:
                self.popen.wait(patience)
            except subprocess.TimeoutExpired:
                self.kill()
        self.log.close()

    def kill(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
