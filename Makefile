# Herdbook: build, run and check. Each lint that CI runs is a target here, under the same name.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

DASHBOARD := collector/dashboard
BROWSER := tests/browser
PAGE := $(DASHBOARD)/dist/index.html
PAGE_SOURCES := $(shell find $(DASHBOARD) \( -name node_modules -o -name dist \) -prune -o -type f -print)

TOOLS := target/tools
DENY_VERSION := 0.20.2

# Stories wait more than they work, so more of them run at once than there are processors.
export RUST_TEST_THREADS ?= 16

.PHONY: run
run: page ## build all, start a collector and this machine's agent, print the page's address
	cargo build --release --locked -p herdbook-collector -p herdbook-agent
	@packaging/run-local.sh target/release

# A development build has no link-time optimisation to wait for, shares its crates with the tests, and is
# quick enough for some hundred hosts.
.PHONY: demo
demo: page ## a simulated fleet on a page of its own, until Ctrl-C; DEMO="--hosts 300" and the like (--help tells all)
	cargo build --locked -p herdbook-collector -p herdbook-tests --bin herdbook-collector --bin herdbook-demo
	@target/debug/herdbook-demo $(DEMO)

.PHONY: build
build: page ## build the page and both programs in release mode
	cargo build --release --locked -p herdbook-collector -p herdbook-agent

.PHONY: page
page: $(PAGE) ## build the page that the collector embeds

$(PAGE): $(PAGE_SOURCES) $(DASHBOARD)/node_modules/.installed
	cd $(DASHBOARD) && npm run build
	touch $@

# No package runs a script of its own at installation; an unchanged lock is not installed again.
%/node_modules/.installed: %/package-lock.json
	cd $* && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

.PHONY: test
test: test-tools page $(BROWSER)/node_modules/.installed ## run every test
	cd $(DASHBOARD) && npm test
	# All targets at once: programs and tests then share one build.
	cargo build --workspace --all-targets --locked
	cargo test --workspace --locked -- --skip hostile_slowloris --skip hostile_agent
	# Thousands of sockets leave a small machine nothing for others.
	cargo test --workspace --locked --test e2e -- --test-threads=1 hostile_slowloris hostile_agent
	cd $(BROWSER) && npm test

.PHONY: test-tools
test-tools: ## install what the tests need and this machine lacks
	@tests/tools.sh

.PHONY: contracts
contracts: ## write docs/openapi.json and docs/schemas from the types
	HERDBOOK_WRITE_CONTRACTS=1 cargo test -q --locked -p herdbook-collector --lib the_committed_files_are_what_the_types_say

.PHONY: lint
lint: fmt clippy doc deny page-check shell sizes units ## every lint

.PHONY: fmt
fmt:
	cargo fmt --all -- --check

.PHONY: clippy
clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: doc
# Private items are documented too, so links to them lead somewhere.
doc:
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --workspace --no-deps --document-private-items --locked

# The advisory database lives on the internet: `make advisories` asks it.
.PHONY: deny
deny: $(TOOLS)/bin/cargo-deny ## licences, sources, banned and doubled crates
	$(TOOLS)/bin/cargo-deny --locked check bans licenses sources

.PHONY: advisories
advisories: $(TOOLS)/bin/cargo-deny ## known vulnerabilities of the crates in use
	$(TOOLS)/bin/cargo-deny --locked check advisories

$(TOOLS)/bin/cargo-deny:
	cargo install cargo-deny --locked --version $(DENY_VERSION) --root $(TOOLS)

.PHONY: page-check
page-check: $(DASHBOARD)/node_modules/.installed ## types and format of the page
	cd $(DASHBOARD) && npm run check && npm run format:check

.PHONY: shell sizes units
shell: ## scripts parse
	packaging/lint.sh shell
sizes: ## no file grows past 400 lines
	packaging/lint.sh sizes
units: ## systemd units are well-formed
	packaging/lint.sh units

.PHONY: bench
bench: ## measure the agent, the registry and the collector, beside their raw limits (about 9 min)
	cargo build --release --locked -p herdbook-collector -p herdbook-agent -p herdbook-tests --bins
	target/release/herdbook-bench

.PHONY: soak
soak: test-tools page $(BROWSER)/node_modules/.installed ## a fleet under load and faults, an agent under churn, the page at 10,000 hosts; HERDBOOK_SOAK_S seconds each, 600 by default
	cargo build --workspace --all-targets --release --locked
	cargo test --release --locked -p herdbook-tests --test e2e -- --ignored --nocapture soak
	node $(BROWSER)/many.mjs --hosts 10000 --seconds $${HERDBOOK_SOAK_S:-600} --check

.PHONY: fuzz
fuzz: page ## what strangers send, made up: each target for FUZZ_S seconds (60); tests/fuzz/run.sh --keep keeps what is new
	tests/fuzz/run.sh

.PHONY: clean
clean:
	cargo clean
	rm -rf $(DASHBOARD)/dist $(DASHBOARD)/node_modules $(BROWSER)/node_modules

.PHONY: help
help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
