# `make help` lists the targets. Each one sets up what it needs first; when nothing is missing that takes no time.
SHELL := /bin/bash
PY := .venv/bin/python
export CI ?=

.DEFAULT_GOAL := help
.PHONY: help setup build test test-node demo bench bench-peers reference tidy fmt lint asan tsan torture wheel prebuild clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 14

setup: ## install what is missing: Debian packages, .venv, node_modules
	@tools/setup.sh

build: setup ## build the core, the Python module, the Node addon and the TypeScript layer, usable in the tree
	@tools/build.sh

test: setup ## run everything that must pass: build, tidy, lint, all tests, short sanitizer and torture runs
	@tools/test.sh

test-node: build ## the Node tests, under the Node that NODE names (default: that of PATH)
	@NODE="$(NODE)" tools/node_tests.sh

demo: build ## the demo: FastAPI and Express on one file, with a worker killed on the way (KEEP=1 leaves the servers up)
	@KEEP="$(KEEP)" $(PY) examples/demo/run.py

bench: build ## benchmark this engine alone, the core first; writes build/bench.json
	@cmake --build --preset release --target millrace_core_bench
	@build/release/tests/bench/millrace_core_bench
	@.venv/bin/millrace bench --out build/bench.json

bench-peers: build ## benchmark the peers beside this engine and print the ratios; writes build/bench-peers.json
	@$(PY) tests/bench/peers/run.py --out build/bench-peers.json

reference: build ## write the reference of both APIs, from docstrings and TSDoc, into build/reference
	@$(PY) tools/reference.py

tidy: setup ## check the rules of the house: layering, sizes, SQL contracts, lock files
	@$(PY) tools/tidy.py

fmt: setup ## format C++, Python and TypeScript in place
	@tools/lint.sh --fix

lint: setup ## ruff, mypy --strict, eslint, prettier, clang-format; changes nothing
	@tools/lint.sh

asan: setup ## core tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/core_tests.sh asan

tsan: setup ## core tests under ThreadSanitizer
	@tools/core_tests.sh tsan

torture: build ## the long form of the proofs: kills, power cuts, failing I/O
	@MILLRACE_TORTURE=1 tools/torture.sh

wheel: setup ## build the Python source distribution and the wheel into dist/
	@tools/wheel.sh

prebuild: build ## pack the npm package with the addon built for this platform into dist/
	@tools/prebuild.sh

clean: ## remove everything that was built
	rm -rf build dist node/dist node/native node/prebuilds python/millrace/_core.*.so
