# `make demo` and `make test` are all that is needed; each makes the virtual environment when it is missing.
#   make demo    real sample videos to a training episode, in demo/
#   make test    the test suite             (make test PYTEST_ARGS="-k rig -x"; simulated people on Python 3.11 only)
#   make judges  open every export with the trainers' own readers, in an environment of their own (Python 3.11 or 3.12)
#   make lint    ruff and mypy
#   make clean   delete what the others made, except the environment; `make distclean` deletes that too
# Another Python: make demo PYTHON=python3.13

PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo
JUDGES ?= .judges
PYTEST_ARGS ?=

BIN := $(VENV)/bin
STAGES := capture calibration hand_pose retarget datasets
TYPECHECK := build/typecheck

.DEFAULT_GOAL := help
.PHONY: help demo test judges lint clean distclean prerequisites

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -7

demo: $(VENV)/installed
	$(BIN)/bodydouble assets fetch
	$(BIN)/bodydouble demo --out $(DEMO)

# Never `python -m pytest`: it would put this folder first on the path, where datasets/ shadows Hugging Face's library.
# worksteal keeps a module's tests together as far as it can, and unlike loadscope it survives a worker that crashes.
test: $(VENV)/installed-for-development $(VENV)/installed-for-simulation
	$(BIN)/pytest -n 2 --dist worksteal $(PYTEST_ARGS)

judges: $(VENV)/installed-for-development $(JUDGES)/installed
	$(BIN)/pytest -m judges $(PYTEST_ARGS)

# Unmodified releases; their own requirements would bring GPU builds and graphics, so what they import here is named one by one.
$(JUDGES)/installed: Makefile
	$(PYTHON) -m venv $(JUDGES)
	$(JUDGES)/bin/pip install --disable-pip-version-check --progress-bar off torch==2.13.0 torchvision==0.28.0 'datasets<5' 'pandas<3' 'av<16' \
	  'numpy<2.3' 'pillow<13' draccus safetensors einops gymnasium jsonlines h5py tqdm termcolor rerun-sdk==0.41.0
	$(JUDGES)/bin/pip install --disable-pip-version-check --progress-bar off --no-deps --ignore-requires-python lerobot==0.6.1 robomimic==0.3.0
	@touch $@

lint: $(VENV)/installed-for-development $(TYPECHECK)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd $(TYPECHECK) && $(abspath $(BIN))/mypy --config-file $(abspath pyproject.toml) --cache-dir $(abspath build/mypy_cache) -p bodydouble

# The stages are folders at the top on disk and packages below `bodydouble` once installed; mypy needs to see the latter.
$(TYPECHECK): FORCE
	@rm -rf $(TYPECHECK)
	@mkdir -p $(TYPECHECK)/bodydouble
	@for item in bodydouble/*; do [ "$$item" = bodydouble/__pycache__ ] || ln -s ../../../$$item $(TYPECHECK)/bodydouble/; done
	@for stage in $(STAGES); do ln -s ../../../$$stage $(TYPECHECK)/bodydouble/$$stage; done

# The stamps make a changed pyproject.toml install again, and an install that was stopped start over.
$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -e .
	@touch $@

$(VENV)/installed-for-development: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -e '.[test,dev,rerun]'
	@touch $@ $(VENV)/installed

# This torch has a build for processors on Python 3.11; another one brings gigabytes of GPU code. Elsewhere the tests of simulated people are skipped.
$(VENV)/installed-for-simulation: $(VENV)/installed-for-development
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then \
	  $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off torch==2.13.0 && \
	  $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -e '.[simulate]'; fi
	@touch $@

$(BIN)/python:
	@$(MAKE) --no-print-directory prerequisites
	$(PYTHON) -m venv $(VENV)

prerequisites:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found. Install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)," \
	  "or name another: make PYTHON=python3.13"; exit 1; }
	@$(PYTHON) bodydouble/prerequisites.py

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis $(DEMO)
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)

.PHONY: FORCE
FORCE:
