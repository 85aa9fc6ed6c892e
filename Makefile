# Everything below needs only Python 3.11 or later with pip, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo test oracles fuzz kill nightly check bench format clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

# Stamps: what is installed, so that a second call installs nothing.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.package: pyproject.toml | $(BIN)/python
	@echo "Installing glassnet into $(VENV) ..."
	$(PIP) --editable .
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	@echo "Installing glassnet and what its tests need into $(VENV) ..."
	$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.package

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing glassnet and what its checks need into $(VENV) ..."
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.test $(VENV)/.package

# A command, shown as one would type it, then run in the demo's folder.
DEMO := build/demo
define run
	@echo; echo '$$ $(1)'; cd $(DEMO) && PATH="$(CURDIR)/$(BIN):$$PATH" && $(1)
endef

demo: $(VENV)/.package ## a real table becomes a network, a score and predictions
	@mkdir -p $(DEMO)
	$(call run,glassnet data breast-cancer -o tumours.csv)
	$(call run,head -n 456 tumours.csv > known.csv)
	$(call run,(head -n 1 tumours.csv; tail -n 114 tumours.csv) > new.csv)
	$(call run,glassnet fit known.csv --target target -o tumours.safetensors)
	$(call run,glassnet evaluate tumours.safetensors new.csv)
	$(call run,glassnet predict tumours.safetensors new.csv -o predictions.csv)
	$(call run,head -n 4 predictions.csv)
	@echo; echo "The files are in $(DEMO)."

# On all processors that this process may use. Of the ways in which the same bits are computed, some
# are drawn for each test; `make nightly` takes all of them.
PARALLEL := -n auto --dist worksteal
ALL_WAYS := GLASSNET_WAYS=all

test: $(VENV)/.test ## all tests
	$(BIN)/python -m pytest $(PARALLEL)

# An environment of its own with the wheel, as users get it. The label +cpu keeps PyTorch's gigabytes
# of CUDA away: a build for processors is taken, or none.
ORACLES := build/oracles
TORCH := torch==2.13.0$(if $(filter Linux,$(shell uname -s)),+cpu)
TORCH_INDEX := https://download.pytorch.org/whl/cpu
ORACLE_PIP := $(ORACLES)/bin/python -m pip install --quiet --disable-pip-version-check

$(ORACLES)/.package: pyproject.toml
	@echo "Installing PyTorch and what else the oracles need into $(ORACLES) ..."
	@$(PYTHON) -m venv $(ORACLES)
	@$(ORACLE_PIP) '.[test,oracles]'
	@if $(ORACLE_PIP) $(TORCH) 2>/dev/null || \
		$(ORACLE_PIP) --retries 1 --index-url $(TORCH_INDEX) $(TORCH) 2>/dev/null; then touch $@; else \
		echo "PyTorch for processors could not be installed: the comparisons with it are skipped"; fi

# What `make test` leaves out: comparisons with PyTorch, and other streams of random numbers.
WITH_TORCH := $(shell grep -l '^torch = ' tests/oracles/*.py)
WITH_STREAMS := tests/estimators/sklearn_suite/test_suite.py::test_with_other_random_numbers

oracles: $(ORACLES)/.package ## our numbers against PyTorch's, scikit-learn's tests on our classes; from the wheel
	@rm -rf build/dist
	$(ORACLES)/bin/python -m pip wheel --quiet --no-deps --wheel-dir build/dist .
	$(ORACLE_PIP) --no-deps --force-reinstall build/dist/*.whl
	@$(ORACLES)/bin/python -c 'import glassnet; assert "site-packages" in glassnet.__file__'
	GLASSNET_STREAMS=4 $(ORACLES)/bin/python -m pytest -n auto --dist loadfile -rs $(WITH_TORCH) $(WITH_STREAMS)

kill: $(VENV)/.test ## 200 times: kill a training run, resume it, compare every bit
	GLASSNET_KILLS=200 GLASSNET_FAULTS=1 $(BIN)/python -m pytest tests/record/test_kill.py tests/record/test_faults.py tests/cli/test_resume_fit.py

fuzz: $(VENV)/.test ## 10 000 random graphs and 9 000 more: special values, steps, zeros; 60 000 odd files; hours
	$(ALL_WAYS) GLASSNET_FUZZ=10000 $(BIN)/python -m pytest $(PARALLEL) tests/fuzz
	GLASSNET_FUZZ_FILES=20000 $(BIN)/python -m pytest $(PARALLEL) tests/security/test_fuzz_files.py

nightly: $(VENV)/.test ## all that takes hours: all ways, 24 streams, kills, fuzzing, all bits; see docs/nightly.md
	$(ALL_WAYS) $(BIN)/python -m pytest $(PARALLEL)
	GLASSNET_STREAMS=24 $(BIN)/python -m pytest $(PARALLEL) $(WITH_STREAMS)
	$(MAKE) kill
	$(MAKE) fuzz
	$(BIN)/python benchmarks/ulp.py --every 1

# What the page's JavaScript is checked with; tests of the page use axe where it is there.
NODE := build/node
NODE_BIN := $(NODE)/node_modules/.bin
JAVASCRIPT := typescript@5.9 eslint@9.39 axe-core@4.10

check: $(VENV)/.dev ## format, lint, types (of the page's JavaScript, too), import rules, budgets
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/python -m pytest tests/test_layers.py tests/test_budget.py tests/test_typings.py
	@if command -v npm >/dev/null; then npm install --silent --no-save --no-package-lock --prefix $(NODE) $(JAVASCRIPT) && \
		$(NODE_BIN)/tsc --project tsconfig.json && $(NODE_BIN)/eslint src/glassnet/page/web; \
	else echo "npm is not installed: the page's JavaScript is not checked"; fi

# Other libraries live apart, so that nothing here can come to depend on them.
PEERS := build/peers
$(PEERS)/.package: pyproject.toml
	@echo "Installing glassnet and what it is compared with into $(PEERS) ..."
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

bench: $(PEERS)/.package ## all benchmarks, beside other libraries; twenty minutes
	$(PEERS)/bin/python -m benchmarks

format: $(VENV)/.dev ## put the source in the shape that check wants
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what was built; the virtual environment too
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
