# `make train` and `make test` start from a clean clone and need python3 (3.11 to 3.14), pip and
# make. The first one that runs makes a virtual environment in .venv; later ones use it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := checkpoints/normalize
INSTALL = $(PYTHON) -m pip --python $(BIN)/python install --quiet --progress-bar off \
	--disable-pip-version-check -c constraints.txt

.PHONY: help train test format clean
.DELETE_ON_ERROR:

help:
	@echo "make train   train on the embedded dataset, evaluate, translate three sentences"
	@echo "make test    everything that CI checks: ruff, mypy, pytest"
	@echo "make format  let ruff format the code"
	@echo "make clean   remove the virtual environment and the caches; runs are kept"

train: $(VENV)/installed
	@echo "== training on data/normalize, then scores on its test split; the run is $(RUN)"
	$(BIN)/seqgen train --output-dir $(RUN)
	@echo "== three sentences"
	$(BIN)/seqgen translate --model $(RUN) \
		'It cost $$3.50.' 'He was born on August 31, 1987.' 'The river is 2.5 km long.'

test: $(VENV)/installed-test
	@echo "== ruff: rules"
	$(BIN)/ruff check
	@echo "== ruff: format"
	$(BIN)/ruff format --check
	@echo "== mypy, strict, on seqgen/"
	$(BIN)/mypy
	@echo "== pytest"
	$(BIN)/python -m pytest -n 2 --dist loadfile -q

format: $(VENV)/installed-test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist

# The stamps say what is in the environment, so that a second call installs nothing.
$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "== installing seqgen and what it needs into $(VENV), some minutes the first time"
	$(INSTALL) --editable .
	@touch $@

$(VENV)/installed-test: pyproject.toml constraints.txt | $(BIN)/python
	@echo "== installing seqgen and what its tests need into $(VENV), some minutes the first time"
	$(INSTALL) --editable '.[test]'
	@touch $@ $(VENV)/installed

# pip installs from outside (--python), so that an environment without pip in it will do:
# some systems ship venv and pip but not ensurepip.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || \
		{ echo "seqgen needs Python 3.11 to 3.14; $(PYTHON) is" \
		"$$($(PYTHON) --version 2>&1). 'make PYTHON=python3.12 ...' would use another."; exit 1; }
	@$(PYTHON) -m pip --version > /dev/null 2>&1 || \
		{ echo "$(PYTHON) has no pip; install it with your system's packages" \
		"(Debian and Ubuntu: apt install python3-pip)."; exit 1; }
	@echo "== making a virtual environment with $$($(PYTHON) --version) in $(VENV)"
	@$(PYTHON) -m venv --without-pip $(VENV) || \
		{ echo "$(PYTHON) cannot make virtual environments; install its venv module" \
		"(Debian and Ubuntu: apt install python3-venv)."; exit 1; }
