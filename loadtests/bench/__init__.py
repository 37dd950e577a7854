"""Tellee and what others run in its place, measured side by side. Started by loadtests/bench.sh."""
