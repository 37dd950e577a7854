# Tellee. `make run` sets up and starts the demo; `make test` sets up and runs everything that CI runs.
.DEFAULT_GOAL := help
.PHONY: help setup build web worker run test bench load campaign cluster-test screens fuzz

KILLS ?= 200

help:            ## what each target does
	@grep -hE '^[a-z-]+: .*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 16

setup:           ## fetch what building and the demo need, into the cache
	@scripts/setup.sh

build: setup     ## the release programs, with the dashboard inside
	@scripts/build.sh

run: setup       ## build, start the demo (simulated pump, edge, server), print its address
	@scripts/build.sh
	@scripts/demo.sh

test:            ## everything that CI runs
	@scripts/test.sh

bench:           ## side by side with the anchors
	@loadtests/bench.sh

load:            ## k6 scenarios against a server of its own
	@loadtests/load.sh

fuzz:            ## cargo-fuzz on all decoders and the MQTT server, 10 million executions each
	@scripts/fuzz.sh

campaign:        ## kill -9 under load with a history checker, KILLS=200
	@KILLS=$(KILLS) loadtests/campaign.sh

cluster-test:    ## three nodes on real Cassandra
	@echo "make cluster-test: this version runs on one node only; there is nothing to test yet" >&2; exit 2

screens:         ## a picture of each page, light and dark, into docs/screens/
	@scripts/screens.sh
