# Every target works as the first command on a bare machine and does not reinstall when called again.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo test dashboard test-hydra14 test-slurm test-gpu chaos soak slurm-up slurm-down lint format docs docs-serve \
	check-simulation bench bench-inference bench-data bench-overhead bench-scale bench-storage bench-study bench-simulate results curves repro repro-hpo repro-variability repro-qsvr repro-pruner repro-policies \
	repro-features repro-algorithms repro-scaling repro-curves repro-events repro-rasda repro-towers repro-models repro-physics clean
help:  ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 20

setup: $(STAMP)  ## virtual environment with the tested versions (constraints.txt)
$(STAMP): pyproject.toml constraints.txt .ci/make-venv
	@echo "Installing everything into $(VENV). This takes about five minutes; pip prints nothing meanwhile."
	.ci/make-venv $(PYTHON) $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[mlpf,simulation,jets,root,onnx,gravnet,wandb,mlflow,qsvr,qpu,gp,postgresql,grpc,redis,energy,dashboard,notebook,docs,dev]'
	@touch $@

lint: $(STAMP)  ## ruff, codespell, mypy, the floors (import-linter)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(STAMP)  ## rewrite the sources in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)  ## the documentation site, in site/ (open site/index.html; search: docs-serve)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

docs-serve: $(STAMP)  ## the site while you write, on http://localhost:8000
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve

demo: $(STAMP)  ## the main job on events it generates itself, in minutes (DEMO=short: a check)
	$(BIN)/python -m benchmarks.reproduce.demo short=$(if $(filter short,$(DEMO)),true,false)

test: $(STAMP)  ## all tests that need neither a GPU, SLURM nor an hour (ORDER=random: shuffled; JOBS=2)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(or $(JOBS),2) --dist worksteal -m "not gpu and not slurm" $(if $(filter random,$(ORDER)),-p randomly)

NEXT := .venv-hydra14
$(NEXT)/.installed: pyproject.toml constraints.txt .ci/make-venv .ci/hydra14.txt
	.ci/make-venv $(PYTHON) $(NEXT)
	$(NEXT)/bin/pip install -q -c <(grep -vE '^(hydra-core|omegaconf)==' constraints.txt) \
		-e . pytest pytest-timeout -r .ci/hydra14.txt
	@touch $@

dashboard: $(STAMP)  ## look at a study in a browser, nothing can be changed (STUDY=FOLDER PORT=8080)
	$(BIN)/python -m hpo.dashboard $(STUDY) port=$(or $(PORT),8080)

test-hydra14: $(NEXT)/.installed  ## hpo on the next Hydra, in an environment of its own
	OMP_NUM_THREADS=1 .ci/test-alone $(NEXT)/bin --confcutdir=tests/hpo \
		tests/hpo/{test_hydra_internals,launch/test_hydra_suite,sweep/test_sweep}.py \
		-k 'not (gaussian or Applications or storage or pruners or study_is_not)'

OTHER := .venv-$(notdir $(PYTHON))
$(OTHER)/.installed: pyproject.toml constraints.txt .ci/make-venv
	.ci/make-venv $(PYTHON) $(OTHER)
	$(OTHER)/bin/pip install -q -c constraints.txt -e '.[qsvr]' hypothesis pytest pytest-timeout
	@touch $@

test-python: $(OTHER)/.installed  ## hpo, qsvr and commons, without PyTorch, on another Python (PYTHON=python3.13)
	OMP_NUM_THREADS=1 .ci/test-alone $(OTHER)/bin tests/commons/test_{asha,config_files,locks,pools,processes}.py \
		tests/hpo/{test_settings,test_signals,search/test_space}.py \
		tests/qsvr/test_{estimator,pruners,saving}.py

.PHONY: test-python test-newest
test-newest:  ## the same on the newest Python, where this machine has it; a forge tests each
	@for python in python3.13 $(HOME)/.pyenv/versions/3.13.*/bin/python3.13; do \
		if $$python -c '' 2>/dev/null; then exec $(MAKE) test-python PYTHON=$$python; fi; \
	done; echo "no Python 3.13 here: not tested"

test-slurm: $(STAMP)  ## the tests on a SLURM cluster of four nodes that they start on this machine
	OMP_NUM_THREADS=1 $(BIN)/pytest -m slurm -rs $$(grep -rl --include='test_*.py' mark.slurm tests)

slurm-up: $(STAMP)  ## start a SLURM cluster on this machine, without root (NODES=4)
	$(BIN)/python -m testbed up nodes=$(or $(NODES),4)

slurm-down: $(STAMP)  ## cancel its jobs and stop it
	$(BIN)/python -m testbed down

test-gpu: $(STAMP)  ## bf16, compile, four trials on one GPU, time of a train step (needs CUDA)
	$(BIN)/pytest -m gpu -rs tests/gpu

check-simulation: $(STAMP)  ## our detector simulation against real Delphes events (DELPHES=DIR)
	$(BIN)/python -m benchmarks.reproduce.simulation $(if $(DELPHES),delphes=$(DELPHES))

chaos: $(STAMP)  ## sweeps under faults on a SLURM cluster of this machine (ONLY=NAME,...)
	$(BIN)/python -m benchmarks.chaos $(if $(ONLY),only=$(ONLY))

soak: $(STAMP)  ## 100 short sweeps under random faults, over six policies (ROUNDS=100 SEED=0)
	$(BIN)/python -m benchmarks.soak rounds=$(or $(ROUNDS),100) seed=$(or $(SEED),0)

bench: $(STAMP)  ## CPU time of a train step and of one event (docs/results/network.md)
	$(BIN)/python -m benchmarks.speed.train_step
	$(BIN)/python -m benchmarks.speed.inference

bench-overhead: $(STAMP)  ## what a trial costs: Optuna, hpo.optimize, a Hydra sweep (ROUNDS=3 SHORT=true)
	$(BIN)/python -m benchmarks.load.overhead rounds=$(or $(ROUNDS),3) short=$(or $(SHORT),false)

bench-inference: $(STAMP)  ## time of one event: PyTorch, ONNX, against its elements
	$(BIN)/python -m benchmarks.speed.inference

bench-data: $(STAMP)  ## start and memory of processes that share one copy of the events
	$(BIN)/python -m benchmarks.load.data

bench-scale: $(STAMP)  ## where the time of 96 to 512 workers goes, per kind of storage and latency
	rm -f benchmarks/results/scale.json # its rows are added one by one
	$(BIN)/python -m benchmarks.load.scale kinds=[journal,grpc,journal-postgresql]
	$(BIN)/python -m benchmarks.load.scale launcher=light workers=[256,512] epoch_s=20 window_s=40
	$(BIN)/python -m benchmarks.load.scale launcher=light workers=[8,96] delay_ms=[1,10,50] window_s=12
	$(BIN)/python -m benchmarks.load.latency window_s=3

bench-storage: $(STAMP)  ## latency, CPU time and lost reports of the storages, 8 to 256 workers
	$(BIN)/python -m benchmarks.load.storage

bench-study: $(STAMP)  ## CPU time of ask, claim, report and look in studies of up to 28,000 trials
	$(BIN)/python -m benchmarks.load.study

bench-simulate: $(STAMP)  ## CPU time of simulated sweeps, to 4,096 workers and 40,000 trials
	$(BIN)/python -m benchmarks.load.simulate

results: $(STAMP)  ## which committed figures are older than their code (RUN=NAME|stale: make them again)
	$(BIN)/python -m benchmarks.results $(if $(RUN),run=$(RUN))

# tiny: minutes, checks that everything runs; small: hours; full: prints the commands for a cluster.
REPRO := hpo variability algorithms scaling curves qsvr pruner events
repro: $(addprefix repro-,$(REPRO))  ## every result of the slides (SCALE=tiny|small|full)

repro-hpo: $(STAMP)  ## default hyperparameters against those of a search in two stages (SCALE=)
	$(BIN)/python -m benchmarks.reproduce.hpo scale=$(or $(SCALE),small)

repro-variability: $(STAMP)  ## loss curves of equal trainings before and after that search (SCALE=)
	$(BIN)/python -m benchmarks.reproduce.variability scale=$(or $(SCALE),small)

repro-towers: $(STAMP)  ## tower classification against rules and boosted trees (DELPHES=DIR)
	$(BIN)/python -m benchmarks.reproduce.towers $(if $(DELPHES),delphes=$(DELPHES))

repro-models: $(STAMP)  ## GNN-LSH, GravNet and transformer at equal CPU seconds
	$(BIN)/python -m benchmarks.reproduce.models

repro-physics: $(STAMP)  ## jets, missing energy and towers of trained networks beside the rules (DELPHES=DIR)
	$(BIN)/python -m benchmarks.reproduce.physics $(if $(DELPHES),delphes=$(DELPHES))

curves: data/curves/mlpf_delphes.csv  ## fetch the learning curves of 296 MLPF trainings into data/curves
data/curves/mlpf_delphes.csv: | $(STAMP)
	$(BIN)/python -m benchmarks.reproduce.curves

CURVES ?= $(or $(wildcard data/curves/mlpf_delphes.csv),$(wildcard ../shared/data/curves/mlpf_delphes.csv),\
	data/curves/mlpf_delphes.csv)
QPU ?= $(wildcard ../shared/data/qpu)
repro-qsvr: $(STAMP) $(CURVES)  ## the R2 table of SVR, Sim-QSVR and QSVR (SCALE= CURVES=FILE QPU=DIR)
	$(BIN)/python -m benchmarks.reproduce.qsvr scale=$(or $(SCALE),small) curves=$(CURVES) $(if $(QPU),qpu=$(QPU))

repro-pruner: $(STAMP) $(CURVES)  ## pruners on recorded learning curves, and live (SCALE= CURVES=FILE)
	$(BIN)/python -m benchmarks.reproduce.pruner scale=$(or $(SCALE),small) curves=$(CURVES)

TABLES ?= data/curves
WORKERS ?= [1,8]
repro-policies: $(STAMP)  ## search policies on tables of several kinds (SCALE=tiny|full TABLES=DIR WORKERS=[1,8])
	$(BIN)/python -m benchmarks.reproduce.policies scale=$(or $(SCALE),full) curves=$(TABLES) \
		"workers=$(WORKERS)"

repro-features: $(STAMP)  ## populations, growing trials, several objectives: live, minutes each
	$(BIN)/python -m benchmarks.reproduce.features

repro-rasda: $(STAMP)  ## promoted trials that grow, on 1,024 GPUs, in virtual time
	$(BIN)/python -m benchmarks.reproduce.rasda

repro-algorithms: $(STAMP)  ## searches side by side, live and on tables (SCALE=tiny|small|full)
	$(BIN)/python -m benchmarks.reproduce.algorithms scale=$(or $(SCALE),small)

repro-scaling: $(STAMP)  ## speed-up of a search over nodes, measured and simulated (SCALE=)
	$(BIN)/python -m benchmarks.reproduce.scaling scale=$(or $(SCALE),small)

repro-curves: $(STAMP)  ## 300 learning curves of our own, as CSV: two hours of two cores (SCALE=)
	$(BIN)/python -m benchmarks.reproduce.own_curves scale=$(or $(SCALE),small)

repro-events: $(STAMP)  ## events at pile-up 0, 20, 200 and QCD, against Delphes (SCALE= DELPHES=DIR)
	$(BIN)/python -m benchmarks.reproduce.events scale=$(or $(SCALE),small) $(if $(DELPHES),delphes=$(DELPHES))

clean:  ## remove the environment, caches and outputs (events in data/ are kept)
	rm -rf $(VENV) .venv-* .import_linter_cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist outputs
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
