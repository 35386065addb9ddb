# make demo     the whole story on sample data (ARGS=--once ends it after the report)
# make test     every check and every test (ARGS=... goes to pytest); needs no root and changes nothing outside .venv
# make bench    the figures beside those of others (ARGS=--short: does it run; ARGS="signed paced": those rows)
# make docs-shots  docs/pictures/ anew (needs Chromium; FONTS=folder, see docs/pictures.py)
# make setup    only the environment; make clean takes it away
#
# Needs Python 3.11 or newer; another one: make demo PY=python3.12. Uses uv where it is found, else venv and pip.

PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
PINS := pyproject.toml constraints.txt

# The environment is always named outright, so that neither an activated one nor a setting of pip leads astray.
ifdef UV
MAKE_VENV := $(UV) venv -q --no-python-downloads --python $(PY) $(VENV)
INSTALL := $(UV) pip install -q --python $(BIN)/python -c constraints.txt
else
MAKE_VENV := $(PY) -m venv $(VENV)
INSTALL := PIP_USER=0 $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt
endif

.PHONY: setup setup-dev demo test bench docs-shots clean
.DELETE_ON_ERROR:

setup: $(VENV)/.installed
setup-dev: $(VENV)/.installed-dev

$(BIN)/python:
	@command -v $(PY) >/dev/null || { echo 'There is no $(PY) here. biweekly needs Python 3.11 or newer; try: make PY=python3.12' >&2; exit 1; }
	@$(PY) -c 'import sys; v = sys.version_info; sys.exit("biweekly needs Python 3.11 or newer; found %d.%d. Try: make PY=python3.12" % v[:2] if v < (3, 11) else 0)'
	@echo "Making $(VENV) with $(if $(UV),uv,venv and pip)"
	@$(MAKE_VENV) || { echo 'No environment could be made. On Debian and Ubuntu: apt install python3-venv' >&2; rm -rf $(VENV); exit 1; }

$(VENV)/.installed: $(PINS) | $(BIN)/python
	@echo "Installing biweekly"
	@$(INSTALL) -e .
	@touch $@

# The development tools are listed once, in pyproject.toml; older pips cannot read groups, so they get a list.
$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing the development tools"
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"], sep="\n")' > $(VENV)/dev.txt
	@$(INSTALL) -r $(VENV)/dev.txt
	@touch $@

demo: setup
	@$(BIN)/biweekly demo $(ARGS)

test: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q -n logical $(ARGS)

bench: setup-dev
	@$(BIN)/python -m benchmarks.bench $(ARGS)

docs-shots: setup-dev
	@$(BIN)/python docs/pictures.py $(FONTS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
