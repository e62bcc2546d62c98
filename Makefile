# The commands anyone types. `make demo` and `make test` work on a fresh Debian or Ubuntu with Rust and git.
.PHONY: help demo build test lint proof bench release clean

DATA ?= demo-data

help: ## Say what can be made
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Build and run the whole product with a simulated carrier; says what to open
	@command -v cc >/dev/null || { echo "A C compiler is needed for the embedded database: apt-get install build-essential" >&2; exit 1; }
	@echo "Building Loudhailer. The first time this takes a few minutes; after that, seconds."
	@cargo build --quiet --bin loudhailer
	@target/debug/loudhailer demo --data $(DATA)

build: ## Build the quick profile
	cargo build --bin loudhailer

test: ## Install what the tests need, start it, run every test
	@scripts/test

lint: ## Formatting, clippy, dependency rules
	@scripts/lint

proof: ## What takes longer: release limits, long kill campaigns, supply chain
	@scripts/proof

# Short measurements; a figure for a report wants a quiet machine and the defaults: BENCH_FLAGS= make bench
BENCH_FLAGS ?= --warm-up-time 0.5 --measurement-time 2 --sample-size 20
BENCHES = --bench codec --bench segment --bench seal --bench render --bench decide --bench intake

# Messages of each measurement through the doors; the figures of docs/performance.md want the defaults of `loudhailer bench`.
BENCH_MESSAGES ?= 60000

bench: ## Measure this machine and print the figures with what they stand on
	cargo bench -p smpp -p sms -p vault -p sandbox -p routing -p signals $(BENCHES) -- $(BENCH_FLAGS)
	cargo build --release --bin loudhailer
	target/release/loudhailer bench smpp --dir target --messages $(BENCH_MESSAGES)
	target/release/loudhailer bench smpp --dir target --messages $(BENCH_MESSAGES) --carrier-latency 20 --no-half
	target/release/loudhailer bench rest --dir target --messages $(BENCH_MESSAGES)
	target/release/loudhailer bench batch --dir target --messages $(BENCH_MESSAGES)
	target/release/loudhailer bench queued --dir target --messages $(BENCH_MESSAGES) --queued $(BENCH_MESSAGES)
	target/release/loudhailer bench idle --dir target --binds 1000
	target/release/loudhailer bench alert --dir target --messages $(BENCH_MESSAGES) --queued $(BENCH_MESSAGES) --pages 100

release: ## The one-file release binary
	cargo build --release --bin loudhailer
	@ls -l target/release/loudhailer

clean: ## Remove build results and the demo's data
	cargo clean
	rm -rf $(DATA) artefacts
