# Two commands on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test lint docs screenshots bench clean

demo: $(VENV)/base.stamp  ## a loop that goes all the way round on real data
	$(BIN)/everloop demo

# Each core has a process of its own, so one thread in each is enough. Four of them need 6 GB.
test: export OMP_NUM_THREADS = 1
test: export LOKY_MAX_CPU_COUNT = 1
test: $(VENV)/test.stamp  ## everything CI runs
	$(BIN)/python -m compileall -q src  # once, not in each of a thousand processes
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=worksteal

lint: $(VENV)/lint.stamp  ## style, types, the direction of imports, and names of tests
	@two=$$(find tests -name '*.py' ! -name conftest.py | sed 's|.*/||' | sort | uniq -d); \
	test -z "$$two" || { echo "tests: more than one file is called $$two; pytest takes one"; exit 1; }
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/base.stamp  ## rewrite the reference pages from the code
	$(BIN)/python docs/build.py

screenshots: $(VENV)/test.stamp  ## pictures of the console's pages, of what the demo left
	test -d everloop-demo || $(BIN)/everloop demo
	$(BIN)/python docs/screenshots.py everloop-demo

bench: $(VENV)/test.stamp  ## every figure this project claims
	$(PIP) install --quiet --constraint constraints.txt --editable . --group test --group bench
	for command in benchmarks/*.py; do $(BIN)/python $$command || exit 1; done

$(VENV)/base.stamp: pyproject.toml constraints.txt hatch_build.py frontend/package-lock.json
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade "pip>=25.1"
	$(PIP) install --quiet --constraint constraints.txt --editable .
	touch $@

# The browser of the console's tests is Debian's own.
$(VENV)/browser.stamp: $(VENV)/base.stamp
	command -v chromium >/dev/null || (apt-get update -qq && apt-get install -y -qq chromium >/dev/null)
	touch $@

# So is the Prometheus that reads what is exported for it.
$(VENV)/prometheus.stamp: $(VENV)/base.stamp
	command -v promtool >/dev/null || (apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends prometheus >/dev/null)
	touch $@

$(VENV)/test.stamp: $(VENV)/base.stamp $(VENV)/browser.stamp $(VENV)/prometheus.stamp
	$(PIP) install --quiet --constraint constraints.txt --editable . --group test
	touch $@

$(VENV)/lint.stamp: $(VENV)/test.stamp
	$(PIP) install --quiet --constraint constraints.txt --editable . --group test --group lint
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
