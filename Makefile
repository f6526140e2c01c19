# Two commands for a newcomer: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: demo test lint docs clean

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

clean:
	rm -rf .venv build site *.egg-info .mypy_cache .ruff_cache .import_linter_cache
