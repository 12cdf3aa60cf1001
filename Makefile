# make run    the default study: data, models, finetuning, tables, figures, results/report.html
# make gemma  the study of Gemma 3 270M on Alpaca; DATA=folder takes its data files from there
# make seeds  how often the model organism inverts: ten base models per family (docs/organism.md)
# make ablation what makes it invert: one ingredient removed or varied at a time
# make plan   estimate the cost of a study before running it: make plan STUDY=config/paper.yaml
# make test   all tests
# make test-fast  the tests that run no workflow, without the slowest ones
# make test-faults a study killed at twenty random moments, on full disks, with damaged files, with a wrong clock
# make test-slurm  the workflow through a Slurm that is started for it (needs Debian's packages and root)
# make lint   everything that CI checks besides the tests
# make config regenerate the files that are generated from the models of the configuration and of the tables
# make errors regenerate docs/errors.md from the tests of bad input
# make compatibility  regenerate docs/compatibility.md: every architecture, tokenizer and chat template, measured
# make docs   build the documentation site in site/
# make screenshots the pictures of the README, from the results of `make run` (needs Chromium and Graphviz)
# make release-check what must hold before a release
# make lock   pin the requirements of pyproject.toml again
#
# Each target first creates the environment .venv if it is missing or requirements.lock has changed.
# PYTHON=/path/to/python3.12 selects its interpreter. The site has an environment of its own, .venv-docs.

PYTHON ?= python3
STUDY ?= config/config.yaml
BIN := .venv/bin

# Written last, so that an incomplete environment is never used; it records the lock and the folder
# that the environment was made for, because an environment cannot be moved.
STAMP := .venv/made-from
MADE_FROM = $(shell cksum < requirements.lock) $(CURDIR)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Every job is a separate Python process. Without cached byte code, which some containers disable, each one compiles
# torch again, which takes longer than most jobs.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run gemma seeds ablation plan test test-fast test-faults test-slurm lint config errors compatibility docs screenshots release-check lock env new-env

# A command that was killed leaves Snakemake's lock behind; it is removed only if no command runs in this folder.
UNLOCK = @$(BIN)/python workflow/main_process.py

run: env
	$(UNLOCK)
	$(BIN)/snakemake --profile profiles/local

gemma: env
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable '.[gemma]'
	$(UNLOCK)
	$(BIN)/snakemake --profile profiles/local --configfile config/gemma.yaml $(if $(DATA),--config mirror=$(DATA))

seeds ablation: env
	$(UNLOCK)
	$(BIN)/snakemake tables --profile profiles/local --configfile config/organism-$@.yaml
	$(BIN)/python benchmarks/organism/summary.py $@

plan: env
	@$(BIN)/python workflow/print_plan.py $(STUDY)

test: env
	$(BIN)/pytest -n 2 --dist loadfile

test-fast: env
	$(BIN)/pytest -n 2 --dist loadfile -m "not workflow and not slurm and not faults and not slow"

test-faults: env
	$(BIN)/pytest -n 2 -m faults tests/workflow/test_fault_injection.py

test-slurm: env
	@reason=$$($(BIN)/python tests/slurm/cluster.py) || { echo "test-slurm: not run: $$reason" >&2; exit 77; }
	$(BIN)/pytest -n 0 -m slurm tests/slurm

lint: env
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint

errors: env
	PYTHONPATH=workflow:tests:tests/series $(BIN)/python -m errors

compatibility: env
	PYTHONPATH=workflow:benchmarks OMP_NUM_THREADS=1 TORCHDYNAMO_DISABLE=1 $(BIN)/python -m compatibility

config: env
	$(BIN)/python -m inversion.cli config

# The mention of another site generator in every build is switched off.
docs: .venv-docs/made-from
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet
	@echo "open site/index.html"

screenshots: env
	$(BIN)/python docs/screenshots.py

release-check: lint docs config
	$(BIN)/python .ci/release_check.py

.venv-docs/made-from: envs/docs.lock
	rm -rf .venv-docs
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet -r envs/docs.lock
	cp envs/docs.lock $@

env:
	@test -x $(BIN)/python && test "$$(cat $(STAMP) 2>/dev/null)" = "$(MADE_FROM)" || $(MAKE) --no-print-directory new-env

# --no-compile: compiling modules that are never imported takes longer than the rest of the installation.
new-env:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or later is needed, and \`$(PYTHON)\` is $$($(PYTHON) --version 2>&1); name another: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: \`$(PYTHON)\` has no venv module; install it (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "making .venv from requirements.lock; the first time takes a few minutes"
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@echo "$(MADE_FROM)" > $(STAMP)

# On Python 3.11, the oldest that is supported. The library's dependencies are installed first: these pins also
# go into envs/inversion.yaml, so that a newer linter does not make Snakemake run finished jobs again.
PINS = .venv-lock/bin/pip freeze --all --exclude-editable --exclude pip | grep -vE '^(cuda|nvidia|triton)' | sed 's/+cpu$$//'
lock:
	$(PYTHON) -c 'import sys; assert sys.version_info[:2] == (3, 11), "the lock is made on Python 3.11"'
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --upgrade pip setuptools
	.venv-lock/bin/pip install --quiet --editable .
	sed '/^dependencies:/q' envs/inversion.yaml > .venv-lock/env
	{ echo "  - python=3.11"; echo "  - pip"; echo "  - pip:"; $(PINS) | sed 's/^/      - /'; } >> .venv-lock/env
	.venv-lock/bin/pip install --quiet --editable . --group dev
	.venv-lock/bin/pip check
	sed '/^[^#]/,$$d' requirements.lock > .venv-lock/lock
	$(PINS) >> .venv-lock/lock
	mv .venv-lock/env envs/inversion.yaml
	mv .venv-lock/lock requirements.lock
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --upgrade pip
	.venv-lock/bin/pip install --quiet --group docs
	sed '/^[^#]/,$$d' envs/docs.lock > .venv-lock/docs
	.venv-lock/bin/pip freeze >> .venv-lock/docs
	mv .venv-lock/docs envs/docs.lock
	rm -rf .venv-lock
