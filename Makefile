# Shortcuts for people; .ci/run is what decides.
VENV := .venv-test
BIN := $(VENV)/bin

.PHONY: test lint format docs screenshots venv

test: venv
	$(BIN)/pytest -n 2 --dist loadfile

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: venv
	$(BIN)/python docs/make_cli.py

screenshots: venv
	$(BIN)/python docs/make_screenshots.py

venv: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	python3 -m venv $(VENV)
	$(BIN)/pip install -e ".[dev]"
	touch $@
