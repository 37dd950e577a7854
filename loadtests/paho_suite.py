#!/usr/bin/env python3
"""Runs the Eclipse paho interoperability suite (a checkout of eclipse/paho.mqtt.testing) against a server.

The suite knows neither keys nor channels: its clients are given the key of one thing, and its topics the prefix of one
channel. Nothing else of it is changed. Prints one line per test that fails, and the counts.
"""

import argparse
import importlib
import logging
import os
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server import Rest, Server  # noqa: E402

TOPICS = ("TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA")
WILD_TOPICS = ("TopicA/+", "+/C", "#", "/#", "/+", "+/+", "TopicA/#")


def adapt(suite, client, address, thing, key, prefix):
    """Points a module of the suite at the server."""
    thing = thing.encode() if "V311" in client.__module__ else thing
    connect = client.connect

    def with_key(self, *positional, **named):
        named.setdefault("username", thing)
        named.setdefault("password", key.encode())
        return connect(self, *positional, **named)

    def set_data():
        suite.host, suite.port = address
        suite.topics = [prefix + topic for topic in TOPICS]
        suite.wildtopics = [prefix + topic for topic in WILD_TOPICS]
        suite.nosubscribe_topics = ("test/nosubscribe",)

    client.connect = with_key
    subscribe = client.subscribe
    client.subscribe = lambda self, topics, options, **more: subscribe(
        self, [prefix + "#" if topic == "#" else topic for topic in topics], options, **more)
    suite.setData = set_data
    suite.topic_prefix = prefix
    set_data()


def run(name, make_client, server, rest, only):
    suite = importlib.import_module(name)
    channel = rest.channel(name)
    thing, key = rest.things([name])[0]
    rest.connect(channel, [thing])
    adapt(suite, make_client(), server.mqtt, thing, key, f"channels/{channel}/messages/")
    tests = unittest.defaultTestLoader.loadTestsFromModule(suite)
    chosen = unittest.TestSuite(test for group in tests for test in group if not only or only in test.id())
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=2).run(chosen)
    for test, trace in result.failures + result.errors:
        print(f"failed: {test.id()}: {trace.strip().splitlines()[-1]}")
    passed = result.testsRun - len(result.failures) - len(result.errors)
    print(f"{name}: {passed} of {result.testsRun}", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--server", required=True)
    arguments.add_argument("--suite", required=True, help="folder of the checkout")
    arguments.add_argument("--only", default="", help="part of a test's name")
    args = arguments.parse_args()
    sys.path.insert(0, os.path.join(args.suite, "interoperability"))
    logging.disable(logging.CRITICAL)
    folder = tempfile.mkdtemp(prefix="tellee-paho-")
    server = Server(args.server, os.path.join(folder, "data"), os.path.join(folder, "server.log"))
    try:
        rest = Rest(server)
        import mqtt.clients.V311 as v3
        import mqtt.clients.V5 as v5
        run("client_test", lambda: v3.Client, server, rest, args.only)
        run("client_test5", lambda: v5.Client, server, rest, args.only)
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
