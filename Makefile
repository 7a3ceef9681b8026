# What one does with this repository. `make help` lists it.

PYTHON ?= python3
ROWS   ?= 10000
FORMAT ?= array
SEED   ?= 42

# Sets itself up on first use; everything it installs lies under .local/. Without MAKEFLAGS: cargo would look for the job server of a make that runs suites
# side by side.
laptop := exec env -u MAKEFLAGS -u MFLAGS PYTHONPATH=infra/local $(PYTHON) -m laptop
tools  := $(laptop) exec
# In the environment of the lint tools, whose pins differ from the stack's.
gates  := $(tools) env PYTHONPATH=infra:infra/local .local/lint/bin/python -m
# In that of the browser tests.
pages  := $(tools) env PYTHONPATH=infra:infra/local .local/pages/bin/python -m
arm     := $(filter arm64 aarch64,$(shell uname -m))
as_run  := --release --locked
ifeq ($(shell uname -s),Linux)
# cargo as cargo-lambda calls it for a laptop, to the last flag: functions, tests and lints then compile each crate once between them.
as_run  += --config infra/local/cargo-laptop.toml --target $(if $(arm),aarch64,x86_64)-unknown-linux-gnu \
           --config 'build.rustflags=["-C","target-cpu=$(if $(arm),neoverse-n1,haswell)"]'
endif
export CUSTOMERS TRANSACTIONS CONTRACT OUT RUN KEY STACK ONLY PINNED STAGED TARGET SIZES FORMS TOOLS THREADS REPS LIMIT_GIB TIMEOUT SIZE_MIB LEGS

files   = $(if $(CUSTOMERS),--customers "$$CUSTOMERS") $(if $(TRANSACTIONS),--transactions "$$TRANSACTIONS") \
          $(if $(CONTRACT),--contract "$$CONTRACT") $(if $(OUT),--out "$$OUT")

# Of `make test`, side by side, no more at once than two processors carry; where make is new enough, each suite's output stays together. The longest first, but
# the Rust tests later: while cargo compiles them, no other cargo can look whether the functions are up to date, as test-stack does at its start.
suites := test-stack test-units test-glue test-rust test-gates test-pages

.DEFAULT_GOAL := help
.PHONY: help setup run up start plan replay trace doctor down contract samples screenshots bench bench-fold bench-fetch lint advisories test $(suites) test-faults locks clean

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
	@cargo run -q $(as_run) -p pipeline --example contract -- "$${CONTRACT:-contract.odcs.yaml}"

samples: ## Make dirty sample data. ROWS=1000000 FORMAT=array|ndjson SEED=42 OUT=dir
	@$(PYTHON) samples/generate.py --rows $(ROWS) --format $(FORMAT) --seed $(SEED) --out "$${OUT:-.local/samples-$(ROWS)}"

screenshots: setup ## Take the pictures of reports in docs/report/ anew
	@$(pages) browser shots

bench: ## The same job by this engine, DuckDB, Polars and pandas. SIZES="1000000" FORMS=ndjson TOOLS="crosstally duckdb" THREADS="1 2" REPS=3
	@exec env PYTHONPATH=infra/local:infra/bench $(PYTHON) -m bench

bench-fold: setup ## The load's transaction in PostgreSQL, beside a bare DELETE and INSERT. STAGED=1000000 TARGET=10000000 REPS=3
	@$(tools) env PYTHONPATH=infra/local:infra/bench python -m fold

bench-fetch: setup ## The copy from Azure to S3 beside rclone's, with the release profile. SIZE_MIB=1024 REPS=3 LEGS="emulated static scan"
	@$(tools) env PYTHONPATH=infra/local:infra/bench python -m fetch

lint: setup ## rustfmt, clippy, ruff, sam validate, and the gates of infra/gates: templates, policies, state machine, crates, Python
	cargo fmt --all --check
	cargo clippy --workspace --all-targets $(as_run) -- -D warnings
	@$(tools) ruff check infra samples
	@$(tools) ruff format --check infra samples
	@$(tools) sam validate --lint --region us-east-1
	@$(gates) gates

advisories: setup ## Known vulnerabilities of the crates, by deny.toml. The database is fetched from GitHub, so lint does without
	@$(tools) cargo-deny --locked check advisories

test: ## Every test, the suites below side by side
	@# Where nothing is built yet: beside the compiler, servers start too slowly for some tests.
	@$(laptop) setup --compile
	@$(MAKE) --no-print-directory --keep-going --jobs=3 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) $(suites)

test-rust: ## The functions and the engine. Behind the others in line for a processor, since compiling does not look at the clock and some tests do
	@exec env -u MAKEFLAGS -u MFLAGS nice cargo test --workspace $(as_run)

test-units: setup ## What needs no deployed stack: samples, state machine, promises, laptop, gateway, the rigs for faults and benchmarks
	@$(tools) pytest -q -n 2 --dist loadfile --timeout 300 samples/tests infra/tests infra/bench/tests infra/local/tests infra/local/faults/tests

test-glue: setup ## The Glue script on Spark
	@$(tools) pytest -q --timeout 300 infra/glue/tests

test-gates: setup ## The gates of make lint: each finds the mistake it is for
	@$(gates) pytest -q infra/gates/tests

test-pages: setup ## The pages of sample reports in a browser; those of real runs are looked at by test-stack
	@$(pages) pytest -q --timeout 300 infra/browser/tests

# A cold `sam build`, in a fixture, takes as long as the machine needs; each test has its limit.
test-stack: setup ## The whole stack end to end: two files at a time, each with a stack of its own, since a run waits much
	@$(tools) pytest -q -n 2 --dist loadfile --timeout 600 -o timeout_func_only=true infra/local/e2e

test-faults: setup ## Break the load at every point there is, and show that no row is lost, duplicated or altered. ONLY="words of a scenario"
	@$(tools) python -m faults $(if $(ONLY),"$$ONLY")

locks: ## After raising a pin in a requirements*.txt: write the locks with the hashes of all files anew
	@exec env PYTHONPATH=infra/local $(PYTHON) -m laptop.setup.locks

clean: ## Remove what was built and installed here, after stopping what `up` started
	@if [ -e .local/up.json ]; then $(laptop) down; fi
	rm -rf .local .aws-sam target
