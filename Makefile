# Builds, runs and tests relais, also on a bare Debian 12 that has nothing but the Rust toolchain.
# Every target installs what it needs and is missing; there is no other set-up step. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build run test faults faults-proof s3-tests check check-long bench fmt clean build-packages test-packages bench-packages clients

export PATH := $(PATH):$(HOME)/.cargo/bin
# whisper.cpp: the bindings that its crate ships (generating them needs libclang), and no instructions that only this machine has.
export WHISPER_DONT_GENERATE_BINDINGS := 1
export GGML_NATIVE := OFF

# s3s asks for rustc 1.96 and builds with 1.95 when told to.
RUSTC_MINOR := $(shell rustc --version 2>/dev/null | cut -d. -f2)
CARGO_FLAGS := $(shell [ "$(or $(RUSTC_MINOR),0)" -ge 96 ] || echo --ignore-rust-version)

BUILD_PACKAGES := build-essential ca-certificates cmake pkg-config
TEST_PACKAGES := postgresql python3-venv rclone redis-server
BENCH_PACKAGES := nginx-light postgresql redis-server
VENV := .venv
JAVASCRIPT := tests/clients/javascript
S3S_E2E_VERSION := 0.17.0
S3S_E2E := target/tools/s3s-e2e-$(S3S_E2E_VERSION)
CARGO_FUZZ_VERSION := 0.13.2
CARGO_FUZZ := target/tools/cargo-fuzz-$(CARGO_FUZZ_VERSION)
FUZZ_SECONDS := 60
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_targets/%.rs,%,$(wildcard tests/fuzz/fuzz_targets/*.rs))
# An input that takes longer, in seconds, is a failure: everything that is fuzzed reads a few KiB and waits for nothing.
FUZZ_INPUT_SECONDS_MAX := 10
SUITE_VENV := .venv-s3-tests
# Runs in which everything breaks: how many, of how many operations each, and how many at once.
FAULTS_SEEDS := 200
FAULTS_OPERATIONS := 200
FAULTS_WORKERS := 4
WITHOUT_INTENTS := target/relais-without-intents
FAULTS := cd tests && $(abspath $(VENV))/bin/python -m faults --operations $(FAULTS_OPERATIONS) --workers $(FAULTS_WORKERS)

# Installs those of the named Debian packages that are missing. Servers are used as programs: nothing depends on Debian's services.
define install
missing=$$(for package in $(1); do \
    dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q ' installed$$' || echo $$package; \
done); \
if [ -n "$$missing" ]; then \
    as_root=$$([ "$$(id -u)" -eq 0 ] || echo sudo); \
    echo "installing $$(echo $$missing)"; \
    $$as_root apt-get update -q && \
    $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; \
fi
endef

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 12

build: build-packages ## build target/release/relais
	cargo build --release --package relais --locked $(CARGO_FLAGS)

run: export RELAIS_TRANSCRIPTION__MODEL ?= tests/fixtures/ggml-digits.bin.gz
run: build ## build and run everything in one process; data goes to ./data
	@echo "transcribing with $$RELAIS_TRANSCRIPTION__MODEL (the model of the tests knows spoken digits in English and French only;"
	@echo "for real speech: relais model fetch NAME, then set RELAIS_TRANSCRIPTION__MODEL)"
	@exec target/release/relais serve

# Building all targets first makes the binary and the tests share one compilation.
test: build-packages test-packages clients ## unit tests, then the real binary against real clients and servers
	cargo build --workspace --all-targets --locked $(CARGO_FLAGS)
	$(VENV)/bin/python tests/tools/with_postgres.py cargo test --workspace --no-fail-fast --locked $(CARGO_FLAGS)
	$(VENV)/bin/pytest tests

# FAULTS_FLAGS: --seed N, --first N, --modes LIST, --objects N: tests/faults/README.md says what is done.
faults: build test-packages $(VENV)/installed $(WITHOUT_INTENTS) ## random operations while everything breaks; writes docs/faults.md
	cargo build --workspace --all-targets --locked $(CARGO_FLAGS)
	$(FAULTS) --seeds $(FAULTS_SEEDS) --proof $(abspath $(WITHOUT_INTENTS)) --outage $(abspath target/release/relais) --write $(FAULTS_FLAGS)

faults-proof: test-packages $(VENV)/installed $(WITHOUT_INTENTS) ## the same with a relais that has no intents: it must be found out
	cargo build --workspace --all-targets --locked $(CARGO_FLAGS)
	$(FAULTS) --seeds 0 --proof $(abspath $(WITHOUT_INTENTS)) $(FAULTS_FLAGS)

# Built beside what is meant, from the same dependencies, and kept under another name. Always asked for: cargo knows what has changed.
.PHONY: $(WITHOUT_INTENTS)
$(WITHOUT_INTENTS): build-packages
	cargo build --workspace --all-targets --features relais/without-intents --locked $(CARGO_FLAGS)
	cp target/debug/relais $@

# SUITE: the path of a checkout. S3_TESTS_FLAGS: --store folder, --bare, --write, -k EXPR, --jobs N.
s3-tests: build-packages $(VENV)/installed ## the conformance suite ceph/s3-tests (SUITE=path) through relais
	@[ -f "$(SUITE)/requirements.txt" ] || { echo "usage: make s3-tests SUITE=path (a checkout of ceph/s3-tests)"; exit 2; }
	python3 -m venv $(SUITE_VENV)
	$(SUITE_VENV)/bin/pip install --quiet --requirement "$(SUITE)/requirements.txt" --requirement tests/s3_tests/requirements.txt
	cargo build --workspace --all-targets --locked $(CARGO_FLAGS)
	$(VENV)/bin/python tests/s3_tests/run.py --suite "$(SUITE)" $(S3_TESTS_FLAGS)

check: build-packages ## formatting, lints, documentation, unit tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked $(CARGO_FLAGS) -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked $(CARGO_FLAGS)
	cargo test --workspace --lib --bins --locked $(CARGO_FLAGS)

# FUZZ_SECONDS: for how long each, FUZZ_TARGETS: which. What they find is kept in target/fuzz; a crash ends with its input's path.
check-long: build-packages $(CARGO_FUZZ) ## fuzz everything that reads what nobody vouches for, a minute each
	@for target in $(FUZZ_TARGETS); do \
	    echo "fuzzing $$target for $(FUZZ_SECONDS) s"; \
	    mkdir -p target/fuzz/corpus/$$target target/fuzz/crashes/$$target; \
	    dictionary=$$(ls tests/fuzz/$$target.dict 2>/dev/null || true); \
	    CARGO=$$(command -v cargo) PATH="$(abspath tests/fuzz/bin):$$PATH" \
	        target/tools/bin/cargo-fuzz fuzz run --dev --sanitizer none --fuzz-dir tests/fuzz --target-dir target/fuzz $$target \
	        target/fuzz/corpus/$$target tests/fuzz/corpus/$$target -- \
	        -max_total_time=$(FUZZ_SECONDS) -timeout=$(FUZZ_INPUT_SECONDS_MAX) -print_final_stats=1 \
	        -artifact_prefix=$(CURDIR)/target/fuzz/crashes/$$target/ $${dictionary:+-dict=$$dictionary}; \
	done

# Both packages in each build, so that all share their dependencies; the relais that keeps no journal is what its cost is
# measured against. BENCH_FLAGS: --quick, --only PART, or --write FILE for the tables.
bench: build-packages bench-packages ## speed as ratios against nginx, a plain s3s-aws proxy, and what relais promises
	cargo build --release --locked $(CARGO_FLAGS) --package relais --package relais-benches --features relais/without-journal
	cp target/release/relais target/release/relais-without-journal
	cargo build --release --locked $(CARGO_FLAGS) --package relais --package relais-benches
	target/release/relais-benches $(BENCH_FLAGS)

fmt: ## format the Rust sources
	cargo fmt --all

clean: ## remove what was built; ./data stays
	cargo clean
	rm -rf $(VENV) $(SUITE_VENV) $(JAVASCRIPT)/node_modules

build-packages:
	@$(call install,$(BUILD_PACKAGES))

test-packages:
	@$(call install,$(TEST_PACKAGES))

bench-packages:
	@$(call install,$(BENCH_PACKAGES))

$(VENV)/installed: tests/requirements.txt | test-packages
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --requirement tests/requirements.txt
	touch $@

# The S3 clients that no Debian package has, or has too old: those of Python and node itself are in the virtual environment.
clients: $(VENV)/installed $(JAVASCRIPT)/node_modules/.package-lock.json $(S3S_E2E)

$(JAVASCRIPT)/node_modules/.package-lock.json: $(JAVASCRIPT)/package-lock.json | $(VENV)/installed
	cd $(JAVASCRIPT) && PATH="$(abspath $(VENV))/bin:$$PATH" npm ci --no-progress
	touch $@

$(CARGO_FUZZ): | build-packages
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --debug --locked $(CARGO_FLAGS) --root target/tools --target-dir target/tools/build cargo-fuzz@$(CARGO_FUZZ_VERSION)
	rm -rf target/tools/build
	touch $@

# A program of its own, with its own versions of what it uses: built once, in a few minutes.
$(S3S_E2E): | build-packages
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --debug --locked $(CARGO_FLAGS) --root target/tools --target-dir target/tools/build s3s-e2e@$(S3S_E2E_VERSION)
	rm -rf target/tools/build
	touch $@
