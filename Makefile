# What one does with this repository. `make help` lists it.

PYTHON ?= python3
ROWS   ?= 10000
FORMAT ?= array
SEED   ?= 42

# Sets itself up on first use; everything it installs lies under .local/.
laptop := exec env PYTHONPATH=infra/local $(PYTHON) -m laptop
tools  := $(laptop) exec
# In the environment of the lint tools, whose pins differ from the stack's.
gates  := $(tools) env PYTHONPATH=infra:infra/local .local/lint/bin/python -m
# In that of the browser tests.
pages  := $(tools) env PYTHONPATH=infra:infra/local .local/pages/bin/python -m
# How a laptop compiles the functions; what lint has compiled, `make test` uses again.
profile = $(shell PYTHONPATH=infra/local $(PYTHON) -m laptop.build)
machine := $(if $(filter arm64 aarch64,$(shell uname -m)),arm64,x86_64)
export CUSTOMERS TRANSACTIONS CONTRACT OUT RUN KEY STACK ONLY PINNED STAGED TARGET SIZES FORMS TOOLS THREADS REPS LIMIT_GIB TIMEOUT SIZE_MIB LEGS

files   = $(if $(CUSTOMERS),--customers "$$CUSTOMERS") $(if $(TRANSACTIONS),--transactions "$$TRANSACTIONS") \
          $(if $(CONTRACT),--contract "$$CONTRACT") $(if $(OUT),--out "$$OUT")

.DEFAULT_GOAL := help
.PHONY: help setup run up start plan replay trace doctor down contract samples screenshots bench bench-fold bench-fetch lint advisories test test-faults locks clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install the pinned parts into the checkout; PINNED=1 also where the machine has its own
	@$(laptop) setup

run: ## One run from files to warehouse. CUSTOMERS=file TRANSACTIONS=file [CONTRACT=file] [OUT=dir]
	@$(laptop) run $(files)

up: ## Start the same stack in the background, to look around in
	@$(laptop) up

start: ## One more run, on the stack that is up. The same CUSTOMERS, TRANSACTIONS, CONTRACT and OUT
	@$(laptop) start $(files)

plan: ## What such a run would do to the table; it is rolled back
	@$(laptop) start --plan $(files)

replay: ## Take a run's quarantined records up again, on the stack that is up. RUN=run_id [CONTRACT=file]
	@$(laptop) start --replay "$$RUN" $(files)

trace: ## From a row of the table back to its bytes in the raw object. KEY=transaction_id [STACK=name of one in AWS]
	@$(laptop) trace $(if $(STACK),--stack "$$STACK") -- "$$KEY"

doctor: ## Preflight: what a first run would trip over, line by line. [STACK=name of one in AWS]
	@$(laptop) doctor $(if $(STACK),--stack "$$STACK")

down: ## Stop it
	@$(laptop) down

contract: ## Check the contract, and show what it makes of which field. [CONTRACT=file]
	@cargo run -q --locked -p pipeline --example contract -- "$${CONTRACT:-contract.odcs.yaml}"

samples: ## Make dirty sample data. ROWS=1000000 FORMAT=array|ndjson SEED=42 OUT=dir
	@$(PYTHON) samples/generate.py --rows $(ROWS) --format $(FORMAT) --seed $(SEED) --out "$${OUT:-.local/samples-$(ROWS)}"

screenshots: setup ## Take the pictures of reports in docs/report/ anew
	@$(pages) browser shots

bench: ## The same job by this engine, DuckDB, Polars and pandas. SIZES="1000000" FORMS=ndjson TOOLS="crosstally duckdb" THREADS="1 2" REPS=3
	@exec env PYTHONPATH=infra/local:infra/bench $(PYTHON) -m bench

bench-fold: setup ## The load's transaction in PostgreSQL, beside a bare DELETE and INSERT. STAGED=1000000 TARGET=10000000 REPS=3
	@$(tools) env PYTHONPATH=infra/local:infra/bench python -m fold

bench-fetch: setup ## The copy from Azure to S3 beside rclone's, with the binaries of `sam build`. SIZE_MIB=1024 REPS=3 LEGS="emulated static scan"
	@$(tools) env PYTHONPATH=infra/local:infra/bench python -m fetch

lint: setup ## rustfmt, clippy, ruff, sam validate, sam build, and the gates of infra/gates: templates, policies, state machine, crates, Python
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@$(tools) ruff check infra samples
	@$(tools) ruff format --check infra samples
	@$(tools) sam validate --lint --region us-east-1
	@$(gates) gates
	@# Not in sam's own folder: what `sam deploy` would take from there is for another processor.
	@$(tools) env $(profile) sam build --config-env local --parameter-overrides Architecture=$(machine) --build-dir .local/lint-build

advisories: setup ## Known vulnerabilities of the crates, by deny.toml. The database is fetched from GitHub, so lint does without
	@$(tools) cargo-deny --locked check advisories

test: setup ## Every test: Rust, samples, the Glue script on Spark, the state machine, pages in a browser, and the whole stack end to end
	cargo test --workspace --locked
	@$(tools) pytest -q samples/tests infra/tests infra/glue/tests infra/bench/tests
	@$(gates) pytest -q infra/gates/tests
	@# The pages of sample reports in a browser; those of real runs are looked at by the tests of the whole stack.
	@$(pages) pytest -q --timeout 300 infra/browser/tests
	@# By themselves: their JVM is another than the Spark of the Glue script's tests, and one process has one of them.
	@$(tools) pytest -q infra/local/faults/tests
	@# A cold `sam build`, in a fixture, takes as long as the machine needs; each test has its limit.
	@# Two files at a time, each with a stack of its own, since a run waits much.
	@$(tools) pytest -q -n 2 --dist loadfile --timeout 600 -o timeout_func_only=true infra/local/tests

test-faults: setup ## Break the load at every point there is, and show that no row is lost, duplicated or altered. ONLY="words of a scenario"
	@$(tools) python -m faults $(if $(ONLY),"$$ONLY")

locks: ## After raising a pin in a requirements*.txt: write the locks with the hashes of all files anew
	@exec env PYTHONPATH=infra/local $(PYTHON) -m laptop.setup.locks

clean: ## Remove what was built and installed here, after stopping what `up` started
	@if [ -e .local/up.json ]; then $(laptop) down; fi
	rm -rf .local .aws-sam target
