# Everything goes through .venv, which `tools/setup.py` makes on first use and whenever the pins change.
# A Python of 3.11 or newer is looked for; PYTHON=/path/to/python names one.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; exit; }; done; \
	command -v python3 || command -v python || echo missing)
VENV_PYTHON = .venv/bin/python

# One thread in each small matrix product: a second gains nothing, and beside another busy process it makes them a
# hundred times slower (the threads spin while they wait for each other). The trainer would give each thread members of
# its own, but tests run beside each other.
export OMP_NUM_THREADS ?= 1

# Two targets at once would set up the same .venv twice.
.NOTPARALLEL:
.PHONY: help book test lab notebooks experiments bench lint colab retarget clean setup-book setup-test find-python

help:
	@echo "make book                     build the book into _build/html (no torch, nothing is executed)"
	@echo "make test                     run every test, the notebooks' stored outputs included"
	@echo "make lab                      open the notebooks in JupyterLab"
	@echo "make notebooks [NB=01_...]    execute all notebooks (or those named) again and store their outputs"
	@echo "make lint                     check style, format and types"
	@echo "make bench                    run the benchmarks"
	@echo "make experiments [X=rates]    run all experiments of minutes (or those named) again and store their tables"
	@echo "make colab                    rehearse Colab: its versions, an empty folder, every notebook"
	@echo "make retarget URL=https://github.com/OWNER/REPOSITORY"
	@echo "                              write the address of your copy into the book"
	@echo "make clean                    remove what was built (.venv stays)"

find-python:
	@command -v "$(PYTHON)" >/dev/null || { echo "setup: Python 3.11 or newer is needed and none was found: \
	install it, or name it with make PYTHON=/path/to/python" >&2; exit 1; }

setup-book: find-python
	@"$(PYTHON)" tools/setup.py book

setup-test: find-python
	@"$(PYTHON)" tools/setup.py test

book: setup-book
	@$(VENV_PYTHON) tools/build.py

# The site's tests look at the built pages, so the book is built first. One worker on each processor; beyond eight, the
# longest notebook is what one waits for. Options that come later win: ARGS="-n 0" runs everything in one process.
test: setup-test
	@$(VENV_PYTHON) tools/build.py
	$(VENV_PYTHON) -m pytest --nbval -n logical --maxprocesses 8 $(ARGS)

lab: setup-test
	$(VENV_PYTHON) -m jupyter lab book $(ARGS)

notebooks: setup-test
	@$(VENV_PYTHON) tools/notebooks.py $(NB)

lint: setup-test
	$(VENV_PYTHON) -m ruff check
	$(VENV_PYTHON) -m ruff format --check
	$(VENV_PYTHON) -m mypy

bench: setup-test
	@set -e; for f in benchmarks/*.py; do echo "$$f"; $(VENV_PYTHON) "$$f"; done

experiments: setup-test
	@set -e; for x in $(or $(X),$(filter-out common,$(basename $(notdir $(wildcard experiments/*.py))))); do \
		$(VENV_PYTHON) experiments/$$x.py $(ARGS); done

colab: setup-test
	@$(VENV_PYTHON) tools/colab.py $(NB)

# The address comes through the environment, so that the shell reads nothing into it.
retarget: find-python
	@"$(PYTHON)" tools/retarget.py "$$URL"

clean:
	rm -rf _build .cache .pytest_cache .mypy_cache .ruff_cache
