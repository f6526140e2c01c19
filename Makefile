# Two commands for a newcomer: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

# Environments of other versions than the pinned ones; name others with: make lowest LOWEST=/tmp/lowest
LOWEST ?= .venv-lowest
NEWEST ?= .venv-newest

.PHONY: demo test lint docs clean lowest newest campaign cluster

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "gradprobe needs Python 3.11 or later; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,test,docs]'
	touch $@

demo: .venv/.installed
	$(BIN)/gradprobe demo --out runs/demo

lint: .venv/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell -q 3 gradprobe tests docs examples benchmarks *.md

# The tests build the site too, and check it.
docs: .venv/.installed
	$(BIN)/mkdocs build --strict --quiet

test: lint
	$(BIN)/python -m pytest -q -n 2

# The suite with the lowest versions that pyproject.toml declares, and with the newest there are. torch is the
# pinned one. Neither is part of CI: an environment takes a few minutes and some 3 GB.
lowest: RESOLUTION = lowest-direct
lowest: OTHER = $(LOWEST)
# Old libraries beside new ones call what these deprecate; that is no fault of ours.
lowest: OTHER_WARNINGS = -W ignore::DeprecationWarning -W ignore::FutureWarning
newest: RESOLUTION = highest
newest: OTHER = $(NEWEST)
lowest newest:
	$(PYTHON) -m venv --clear $(OTHER)
	$(OTHER)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch uv
	grep '^torch==' constraints.txt > $(OTHER)/torch.txt
	$(OTHER)/bin/uv pip install --quiet --python $(OTHER)/bin/python --resolution $(RESOLUTION) \
		--constraint $(OTHER)/torch.txt -e '.[all,test,docs]'
	$(OTHER)/bin/uv pip freeze --quiet --python $(OTHER)/bin/python
	$(OTHER)/bin/python -m pytest -q -n 2 $(OTHER_WARNINGS)

# Attacks on every promise, for hours; a part of it with: make campaign SHARE=0.01
SHARE ?= 1
campaign: .venv/.installed
	$(BIN)/python -m benchmarks.campaign --share $(SHARE)

# Cells on a dask cluster of two processes, one of which is killed.
cluster: .venv/.installed
	GRADPROBE_CLUSTER=1 $(BIN)/python -m pytest -q tests/studies/test_dask.py

clean:
	rm -rf .venv $(LOWEST) $(NEWEST) build site *.egg-info .mypy_cache .ruff_cache .import_linter_cache
