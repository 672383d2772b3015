# One command per verb. Every target sets up what it needs, once.
.DEFAULT_GOAL := help
SHELL := bash
.DELETE_ON_ERROR:
.PHONY: help setup run test test-slow lint lint-style lint-format lint-types lint-target format clean coverage-kernel fuzz-compiler fuzz-prover fuzz-kernel fuzz-stage fuzz-http fuzz-systems prove mutate bench lock qemu

BIN := .venv/bin
CORE := .venv/.core-installed
TEST := .venv/.test-installed
MODEL := .venv/.model-installed

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(CORE): pyproject.toml tools/requirements.txt tools/setup.sh
	@tools/setup.sh core
	@touch $@

$(MODEL): pyproject.toml tools/requirements-model.txt tools/setup.sh
	@tools/setup.sh model
	@touch $(CORE) $@

$(TEST): pyproject.toml tools/requirements.txt tools/requirements-test.txt tools/setup.sh
	@tools/setup.sh test
	@touch $(CORE) $(MODEL) $@

qemu:
	@command -v qemu-system-riscv64 >/dev/null || tools/setup.sh qemu

setup: $(CORE) qemu ## make .venv, install the pinned packages and QEMU

run: $(if $(SYSTEM),$(CORE),$(MODEL)) qemu ## show the inference gateway at work; or build and boot SYSTEM=examples/01_hello
	@$(BIN)/nk $(if $(SYSTEM),run $(SYSTEM),demo)

test: $(TEST) ## everything that CI runs: style, types, tests
	@$(MAKE) --no-print-directory qemu || echo "make test: without QEMU; the tests that boot a machine are skipped" >&2
	@tools/setup.sh gdb || echo "make test: without gdb; the tests of the debugger are skipped" >&2
	@tools/setup.sh browser || echo "make test: without a browser; the tests of the dashboard's page are skipped" >&2
	@# The tests run even when the style is wrong: one run says everything.
	@status=0; $(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync lint || status=1; $(BIN)/pytest -m "not slow" $(ARGS) && exit $$status

test-slow: $(TEST) qemu ## the tests that take minutes: planted mistakes, whole memory models
	$(BIN)/pytest -m slow --timeout=7200 $(ARGS)

lint: lint-style lint-format lint-types lint-target ## ruff, mypy, pyright

lint-style: $(TEST)
	$(BIN)/ruff check --quiet --output-format=concise .

lint-format: $(TEST)
	$(BIN)/ruff format --quiet --check .

lint-types: $(TEST)
	$(BIN)/mypy

lint-target: $(TEST) # what users write, and read in an editor, is clean there too
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(TEST) ## rewrite the sources in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

coverage-kernel: $(TEST) ## lines and branches of the kernel that its tests under CPython reach
	$(BIN)/coverage run --branch --source=neokernel/kernel -m pytest -q -n0 tests/sim tests/kernel \
	  --ignore=tests/kernel/test_machine.py
	$(BIN)/coverage report -m --omit='*/boot.py,*/devicetree.py,*/inventory.py'

fuzz-compiler: $(TEST) qemu ## COUNT=2000 generated programs from SEED=0 on, in all readings; STATE=file to go on later
	$(BIN)/python -m tests.fuzz --seed $(or $(SEED),0) --count $(or $(COUNT),2000) $(if $(STATE),--state $(STATE)) \
	  $(if $(SECONDS_LONG),--seconds $(SECONDS_LONG))

fuzz-prover: $(TEST) ## COUNT=2000 generated programs from SEED=0 on, through the prover; then as many with contracts
	$(BIN)/python -m tests.fuzz_prover --seed $(or $(SEED),0) --count $(or $(COUNT),2000) \
	  $(if $(SECONDS_LONG),--seconds $(SECONDS_LONG))
	$(BIN)/python -m tests.fuzz_prover --claims --seed $(or $(SEED),0) --count $(or $(COUNT),2000) \
	  $(if $(SECONDS_LONG),--seconds $(SECONDS_LONG))

fuzz-systems: $(TEST) ## COUNT=100000 changed system files, manifests and programs from SEED=1 on, through all checks
	$(BIN)/python -m tests.system.fuzz --seed $(or $(SEED),1) --count $(or $(COUNT),100000)

prove: $(CORE) ## prove the kernel, from cold
	@$(BIN)/nk prove --cold

fuzz-kernel: $(TEST) qemu ## CALLS=100000000 random system calls, from SEED=1 on (STATE=file to go on later); then ten million in QEMU
	$(BIN)/python -m tests.fuzz_kernel --seed $(or $(SEED),1) --calls $(or $(CALLS),100000000) $(if $(STATE),--state $(STATE))
	$(BIN)/nk run --timeout 3600 tests/fuzz_kernel/machine_attack

fuzz-stage: $(TEST) ## corrupt COUNT=100000 boot images, signatures and enrolment blobs, from SEED=0 on
	$(BIN)/python -m tests.fuzz_stage --seed $(or $(SEED),0) --count $(or $(COUNT),100000)

fuzz-http: $(TEST) ## damage COUNT=10000000 connections' bytes of HTTP, from SEED=1 on, and read them in pieces
	$(BIN)/python -m tests.fuzz_http --seed $(or $(SEED),1) --count $(or $(COUNT),10000000)

mutate: $(TEST) ## plant COUNT=500 mistakes in the kernel by SEED=1: who finds them? RECORD=1 writes the reference's page
	$(BIN)/python -m tests.mutate --count $(or $(COUNT),500) --seed $(or $(SEED),1) $(if $(FILES),--files $(FILES)) $(if $(PART),--part $(PART)) $(if $(QUICK),--quick) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SO_FAR),--so-far) $(if $(RECORD),--commit HEAD --record)

bench: $(CORE) qemu ## measure, in instructions
	@$(BIN)/nk bench

lock: ## pin all packages anew, with hashes (needs uv)
	@for extra in "" model test; do \
	  { case "$$extra" in \
	    "") echo "# What the toolchain is made of, each file by its hash. Written by \`make lock\`; don't edit." ;; \
	    model) echo "# The same, and what reads models. Written by \`make lock\`; don't edit." ;; \
	    *) echo "# The same, and what the tests need. Written by \`make lock\`; don't edit." ;; esac; \
	    sed -n 's/^requires = \["\(.*\)"\]/\1/p' pyproject.toml | \
	    uv pip compile $${extra:+--extra $$extra} --universal --python-version 3.11 --generate-hashes --quiet \
	      --no-header --no-annotate pyproject.toml -; \
	  } > tools/requirements$${extra:+-$$extra}.txt; done

clean: ## remove everything that was made
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
