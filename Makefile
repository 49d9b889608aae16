# Each target sets up .venv from the lock file first, when that has changed.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test afternoon crash-test soak check format docs lock clean

demo: $(READY)
	@$(BIN)/aurora demo

test: $(READY)
	@$(BIN)/pytest -n 3 --dist loadscope --no-loadscope-reorder

crash-test: $(READY)
	@$(BIN)/python -m tests.crash

afternoon: $(READY)
	@$(BIN)/pytest -m afternoon tests/e2e/test_afternoon.py

soak: $(READY)
	@$(BIN)/python -m tests.soak

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/hadolint Dockerfile

format: $(READY)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(READY)
	@$(BIN)/python -m docs.generate

lock: $(READY)
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --upgrade --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

$(READY): requirements-dev.lock pyproject.toml
	@echo "Setting up .venv (once) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: set PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv .venv
	@grep -A 40 '^uv==' requirements-dev.lock | awk 'NR > 1 && /^[a-z]/ {exit} {print}' | grep -v '^ *#' > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	@$(BIN)/uv pip sync --quiet --require-hashes requirements-dev.lock
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

clean:
	rm -rf .venv .aurora
