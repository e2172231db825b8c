# Shopwindow's commands; `make` alone lists them.

# The queries are checked against .sqlx, so that no build needs a database.
export SQLX_OFFLINE := true
export PATH := $(CURDIR)/target/tools/bin:$(PATH):$(HOME)/.cargo/bin

BUNDLE := static/dist/charts.js
SQLX := target/tools/bin/cargo-sqlx
# Starts a Kafka and a PostgreSQL for one command. What the tests store is of no use afterwards.
SERVICES := target/debug/shopwindow services --dir .shopwindow/test
BENCH := .shopwindow/bench
VENV := target/bench-venv
PYTHON := $(VENV)/bin/python
MIGRATE := sqlx database reset -y --source migrations

.PHONY: help setup setup-tests setup-bench assets build demo test full bench psql picture fmt check lint fresh prepare schema
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

demo: build ## Kafka, PostgreSQL, the shop, the consumer and the charts page; Ctrl-C stops them
	@exec target/release/shopwindow demo $(ARGS)

build: setup assets ## target/release/shopwindow
	cargo build --release --locked

test: setup-tests assets ## every test that takes less than a minute
	npm test --silent
	cargo build --locked
	cargo test --workspace --locked --no-run
	$(SERVICES) -- cargo test --workspace --locked
	@rm -rf .shopwindow/test

full: setup-tests build $(VENV)/installed ## the proof with the file of full size, and every longer test
	@rm -rf .shopwindow/full
	@$(PYTHON) bench/full.py $(ARGS)
	@rm -rf .shopwindow/full .shopwindow/test

bench: setup-tests build $(VENV)/installed ## how fast it is, against baselines of the same run; ARGS=--smoke for a quick try
	@rm -rf $(BENCH)/kafka $(BENCH)/postgres $(BENCH)/logs
	@target/release/shopwindow services --dir $(BENCH) -- $(PYTHON) bench/bench.py $(ARGS)
	@rm -rf $(BENCH)/kafka $(BENCH)/postgres

psql: ## psql on the demo's database, with the queries of docs/sql.md listed
	@test -r .shopwindow/env || { echo "no demo is running here: start one with make demo" >&2; exit 1; }
	@. .shopwindow/env && PSQLRC=sql/psqlrc exec psql "$$DATABASE_URL"

picture: setup-tests assets ## docs/charts.png anew, as a browser shows the page
	cargo test --locked --package shopwindow --test it -- everyone_can_read
	cp .ci/artifacts/readme.png docs/charts.png

setup: ## installs what is missing to build and run, with apt where it may
	@./setup.sh

setup-tests:
	@./setup.sh tests

setup-bench:
	@./setup.sh bench

assets: $(BUNDLE)

$(BUNDLE): node_modules/.package-lock.json package.json $(wildcard static/charts/* static/charts/sections/*)
	npm run build --silent
	@touch $@

node_modules/.package-lock.json: package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

$(VENV)/installed: bench/requirements.txt | setup-bench
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --only-binary :all: --requirement $<
	@touch $@

fmt: ## formats the code
	cargo fmt --all

check: lint fresh ## format, lints, and whether .sqlx is fresh

lint: setup-tests assets
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

fresh: setup-tests assets $(SQLX)
	cargo build --locked
	$(SERVICES) -- sh -ec '$(MIGRATE); cargo sqlx prepare --workspace --check -- --all-targets'

prepare: setup-tests assets $(SQLX) ## writes .sqlx anew, after a query or a migration has changed
	@test -x target/debug/shopwindow || cargo build --locked
	$(SERVICES) -- sh -ec '$(MIGRATE); cargo sqlx prepare --workspace -- --all-targets'

# By way of another file: the published one is compiled in.
schema: ## writes the JSON Schema of the event anew, after a field has changed
	cargo run --quiet --locked --package events --example schema > target/event.json
	mv target/event.json events/schema/event.v1.json

$(SQLX):
	cargo install sqlx-cli --version 0.9.0 --locked --debug --no-default-features --features postgres --root target/tools
