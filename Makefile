# Needs Python 3.11 or newer and nothing else: .venv is made on first use and works with no network afterwards.
#
#   make run      start the lab in the browser
#   make serve    the same for others too: ADDRESS=0.0.0.0 shares it with the network (DEPLOYMENT.md)
#   make test     run the tests
#   make check    what must hold before a change goes in: lint, then test
#   make coverage  run the tests and show which lines of core/ none of them reaches
#   make lint     formatting, ruff's rules, types
#   make format   put the formatting right
#   make train RECIPE=noisy_digits/cl_mvc
#   make audit    look the pinned versions up in the lists of known weaknesses; needs the network
#   make lock     write the exact versions of everything to requirements.lock again

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check install
# uv installs in a third of pip's time. It reads none of pip's settings, so where they name another index pip has to do it.
# It compiles as pip does: else every process that may not keep what it compiled spends ten seconds on its imports.
install = $(PIP) --quiet uv -c requirements.lock && $(VENV)/bin/uv pip install --compile-bytecode --python $(VENV)/bin/python $(1) || $(PIP) $(1)
RECIPE ?=
ADDRESS ?= localhost
PORT ?= 8501
# One process more than there are cores, because tests of pages in a browser mostly wait.
TESTERS ?= $(shell $(PYTHON) -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))')
# Its processes keep what they compiled of the lab for each other, whatever else is set.
PYTEST = OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(VENV)/bin/python -m pytest --numprocesses=$(TESTERS) --dist=loadfile
TRAINING ?= off
THREADS = $(shell $(VENV)/bin/python -c "import os; print(max(1, (os.cpu_count() or 2) // 2))")

.DEFAULT_GOAL := help
.PHONY: help run serve audit train test coverage lint check lock format

help:
	@sed -n 's/^#   //p' Makefile

run: $(VENV)/app.stamp
	@$(VENV)/bin/python -m streamlit run app.py

# Visitors from the network call the machine by names that nobody here knows, so every name is let in for them.
serve: HOSTS = $(if $(filter localhost 127.0.0.1,$(ADDRESS)),,'--server.allowedHosts=*')

# Half of the cores compute attacks, the others draw pages; few memory arenas. Thirty sessions on two cores want that.
serve: $(VENV)/app.stamp
	@echo "The lab is at http://$(ADDRESS):$(PORT), trainings from the page: $(TRAINING)."
	@echo "To share it with everybody on this network: make serve ADDRESS=0.0.0.0."
	@echo "Trainings from the page: TRAINING=on, better with LAB_TRAINING_PASSWORD. DEPLOYMENT.md has the rest."
	@LAB_TRAINING=$(TRAINING) MALLOC_ARENA_MAX=2 OMP_WAIT_POLICY=PASSIVE OMP_NUM_THREADS=$(THREADS) \
		$(VENV)/bin/python -m streamlit run app.py --server.address=$(ADDRESS) --server.port=$(PORT) $(HOSTS)

audit: | $(VENV)/bin/python
	@test -x $(VENV)/audit/bin/pip-audit || { $(VENV)/bin/python -m venv $(VENV)/audit \
		&& $(VENV)/audit/bin/python -m pip --disable-pip-version-check install --quiet pip-audit; }
	@$(VENV)/audit/bin/pip-audit --requirement requirements.lock --no-deps --disable-pip

train: $(VENV)/app.stamp
	@$(VENV)/bin/python -m core train $(RECIPE)

test: $(VENV)/dev.stamp
	@$(PYTEST)

coverage: $(VENV)/dev.stamp
	@$(PYTEST) --cov --cov-report=term-missing:skip-covered

lint: $(VENV)/dev.stamp
	@$(VENV)/bin/python -m ruff format --check .
	@$(VENV)/bin/python -m ruff check .
	@$(VENV)/bin/python -m mypy

check: lint test

format: $(VENV)/dev.stamp
	@$(VENV)/bin/python -m ruff format .
	@$(VENV)/bin/python -m ruff check --fix .

lock: $(VENV)/dev.stamp
	@$(VENV)/bin/uv pip compile --quiet --custom-compile-command "make lock" --annotation-style=line \
		--output-file requirements.lock requirements-dev.txt

# A stamp holds the text of the requirements it stands for, so that a file that is newer but says the same
# (a checkout, a copy) installs nothing and needs no network.
$(VENV)/app.stamp: requirements.txt requirements.lock | $(VENV)/bin/python
	@cat $^ | cmp -s - $@ || { $(call install,-r requirements.txt -c requirements.lock); }
	@cat $^ > $@

$(VENV)/dev.stamp: requirements-dev.txt requirements.txt requirements.lock | $(VENV)/bin/python
	@cat $^ | cmp -s - $@ || { $(call install,-r requirements-dev.txt -c requirements.lock); }
	@cat $^ > $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "The lab needs Python 3.11 or newer, and '$(PYTHON)' is not. Try: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
		echo "Python could not make a virtual environment. On Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
