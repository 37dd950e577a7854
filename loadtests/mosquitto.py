"""Debian's mosquitto as the anchor of the MQTT figures."""

import os
import shutil
import socket
import subprocess
import time

CHANNEL = "anchor"


def available():
    return bool(shutil.which("mosquitto_passwd") and program())


def program():
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class Mosquitto:
    """A broker with a password file and a rule per thing, without persistence."""

    def __init__(self, folder, things):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = free.getsockname()
        passwords, rules = os.path.join(folder, "passwd"), os.path.join(folder, "acl")
        with open(passwords, "w") as file:
            file.writelines(f"{thing}:{key}\n" for thing, key in things)
        subprocess.run(["mosquitto_passwd", "-U", passwords], check=True, capture_output=True)
        with open(rules, "w") as file:
            file.writelines(f"user {thing}\ntopic readwrite channels/{CHANNEL}/messages/#\n" for thing, _ in things)
        for path in (passwords, rules):
            os.chmod(path, 0o644)
        os.chmod(folder, 0o755)
        config = os.path.join(folder, "mosquitto.conf")
        with open(config, "w") as file:
            file.write(f"listener {self.address[1]} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
                       f"acl_file {rules}\nuser root\nmax_inflight_messages 0\nmax_queued_messages 0\nlog_type error\n")
        self.process = subprocess.Popen([program(), "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                socket.create_connection(self.address, 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("mosquitto does not start")

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.kill()
        self.process.wait()
