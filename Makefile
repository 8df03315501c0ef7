# Descent needs Python 3.11 or later, git and make. Everything is installed into .venv, Node included.
#
#   make run [HOST=0.0.0.0] [PORT=8080] [OPEN=0]    install, build the page, serve it, open the browser
#   make test                                       everything that is checked
#   make check                                      the part of it that takes some four minutes
#   make thorough                                   presets at their other seeds, every lab in the browser, every story
#
# Another Python: make run PYTHON=python3.12
# With Ray, whose tests are skipped else: make test EXTRAS=,ray

PYTHON ?= python3
OPEN ?= 1
EXTRAS ?=

# Some shells export a HOST of their own. Only one that is given to make counts, or DESCENT_HOST.
ifeq ($(origin HOST),environment)
HOST :=
endif

BIN := .venv/bin
PACKAGING := pyproject.toml constraints.txt hatch_build.py
PAGE := $(shell find frontend -mindepth 1 \( -name node_modules -o -name __pycache__ \) -prune -o -print)
WITH_CHROMIUM = chromium=$$($(BIN)/python tests/browser/chromium.py) && DESCENT_CHROMIUM="$$chromium"

# The first is for what is installed, the second for what builds it.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test check thorough coverage lint bench dev docs types pictures clean

run: .venv/installed
	@exec $(BIN)/descent serve $(if $(HOST),--host $(HOST)) $(if $(PORT),--port $(PORT)) \
		$(if $(filter-out 0,$(OPEN)),--open)

test: lint
	$(BIN)/python frontend/run.py test
	$(WITH_CHROMIUM) $(BIN)/pytest --numprocesses 2 --dist worksteal -m "not thorough"

# The quick part of it: no browser, no PostgreSQL, no whole experiment, no preset's promise.
check: lint
	$(BIN)/python frontend/run.py test
	$(BIN)/pytest --numprocesses 2 --dist worksteal -m "not (slow or contract or browser or thorough)" -k "not postgresql" \
		--ignore-glob="*_presets.py" --ignore-glob="*_callbacks.py"

# Before an experiment's lessons, panels or presets change, and before a release.
thorough: .venv/installed-dev
	$(WITH_CHROMIUM) $(BIN)/pytest --numprocesses 2 --dist worksteal -m thorough

# What the tests that need no browser run through, of server and page.
coverage: .venv/installed-dev
	$(BIN)/pytest --numprocesses 2 --dist worksteal -m "not (browser or thorough)" --cov --cov-report term:skip-covered
	$(BIN)/python frontend/run.py coverage

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python frontend/server_types.py --check
	$(BIN)/python frontend/run.py lint check

bench: .venv/installed-dev
	@$(WITH_CHROMIUM) sh -c 'for bench in bench/*.py; do echo "$$bench"; $(BIN)/python "$$bench" || exit 1; done'

# The page at the address that Vite prints; both it and the server follow the files.
dev: .venv/installed-dev
	@$(BIN)/uvicorn descent.web.app:create_app --factory --reload --reload-dir server --log-level warning \
		--no-proxy-headers --ws websockets-sansio --timeout-graceful-shutdown 1 & \
	trap "kill $$!" EXIT; $(BIN)/python frontend/run.py dev

# Write the generated parts of README.md and docs/.
docs: .venv/installed-dev
	$(BIN)/python docs/generate.py

# Write the types of what the server says, for the page.
types: .venv/installed-dev
	$(BIN)/python frontend/server_types.py

# Take the screenshot in README.md and the pictures and films on the gallery's cards anew.
pictures: .venv/installed-dev
	export DESCENT_UPDATE_PICTURES=1; $(WITH_CHROMIUM) $(BIN)/pytest tests/browser -k pictures

clean:
	rm -rf .venv dist server/descent/static frontend/node_modules
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Descent needs Python 3.11 or later, and '$(PYTHON)' is not. Try: make PYTHON=python3.12" >&2; \
		exit 1; }
	$(PYTHON) -m venv --clear .venv || { rm -rf .venv; \
		echo "Python's venv is missing. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

.venv/installed: .venv/created $(PACKAGING) $(PAGE)
	$(BIN)/python -m pip install --editable .
	@touch $@

.venv/installed-dev: .venv/created $(PACKAGING) $(PAGE)
	$(BIN)/python -m pip install --editable '.[dev$(EXTRAS)]'
	@touch $@ .venv/installed
