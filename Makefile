# make          says what each target does
# make test     is all a newcomer needs: Python 3.11 or later, Go and make fetch and build the rest

PYTHON ?= python3
ARGS ?=
JOBS ?= 2
MINUTES ?= 10
BIN := .venv/bin
CONTROL_PLANE := etcd etcdutl kube-apiserver kubectl kube-controller-manager kube-scheduler
READY := .venv/ready
BASE_IMAGE ?=
TAG ?= localhost/computegate:dev

.PHONY: help setup test lint lock crds released workloads chart-docs profiles registration bypass scenarios demo demo-cluster model zoo worlds bench bench-demand bench-decide bench-pod bench-admission bench-scale bench-gate bench-sweep soak chaos quota-check screening-check record-check corpus image image-check cluster-test foreign-test clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(READY) ## make .venv from requirements/dev.lock

$(READY): requirements/dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; this is " + sys.version.split()[0] + ". Say: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

test: setup ## run all tests, file by file in JOBS processes with real control planes, built first; ARGS="-k name" goes to pytest
	tools/build $(CONTROL_PLANE) helm promtool prometheus kwok crds.yaml kueue.yaml
	$(BIN)/pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup ## check style, types, the import direction and the dependencies
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

lock: setup ## pin the dependencies anew; ARGS=--upgrade moves to newer ones
	tools/lock $(ARGS)

crds: setup ## write the chart's CustomResourceDefinitions from the models
	$(BIN)/python -m admission.api.crd charts/computegate/files/crds

released: setup ## when a version is released, note what its CRDs accept: later ones may only add to it
	$(BIN)/python -m tests.upgrade.shape

workloads: setup ## write the chart's rules of what makes pods from the table of kinds
	$(BIN)/python -m admission.demand.workloads.registration charts/computegate/files/workloads.yaml

chart-docs: setup ## write the reference of the chart's values, the alerts and the metrics into docs/
	$(BIN)/python -m tools.chart_docs

profiles: ## copy the built-in rules to where the chart installs them from
	cp admission/catalogue/profiles/*.yaml charts/computegate/files/profiles/

registration: setup ## write what the chart registers and guards from the tables of ways to a device
	$(BIN)/python -m admission.demand.registration charts/computegate/files/registration.yaml

bypass: setup ## write the matrix of docs/bypass.md from what a real cluster answers
	tools/build $(CONTROL_PLANE) helm
	BYPASS=write $(BIN)/pytest tests/e2e/test_bypass_matrix.py

scenarios: setup ## write the tables of docs/scenarios.md from what `computegate check` says
	SCENARIOS=write $(BIN)/pytest tests/test_scenarios.py

demo: setup ## show verdicts of a standalone server for the manifests in examples/
	$(BIN)/python -m examples.demo $(ARGS)

demo-cluster: setup ## show the same through kubectl on a real control plane
	tools/build $(CONTROL_PLANE) helm
	$(BIN)/python -m examples.demo --cluster $(ARGS)

model: setup ## check every interleaving of small models of the ledger's protocol; DEEP=1 takes larger ones
	$(BIN)/python -m tests.ledger.models $(if $(DEEP),--deep)

zoo: setup ## show that each seeded bug in the ledger is noticed, and by what
	$(BIN)/python -m tests.ledger.zoo

worlds: setup ## play simulated clusters in which everything goes wrong, and count what was checked; ARGS="--runs 20"
	$(BIN)/python -m tests.ledger.worlds $(ARGS)

bench: setup ## measure the server beside a minimal webhook in Go and one of controller-runtime
	$(BIN)/python -m bench.serve $(ARGS)

bench-demand: setup ## measure what finding a pod's demand costs beside decoding its review
	$(BIN)/python -m bench.demand $(ARGS)

bench-decide: setup ## measure one decision with 5,000 tenants and an ownership graph of 200 parties
	$(BIN)/python -m bench.decide $(ARGS)

bench-pod: setup ## measure what one accelerator pod costs the server in its process, in microseconds and in lines of Python run
	$(BIN)/python -m bench.pod $(ARGS)

bench-admission: setup ## measure creating pods through a real API server, with ours and with others in the way
	tools/build $(CONTROL_PLANE) helm
	$(BIN)/python -m bench.admission $(ARGS)

bench-scale: setup ## measure what many tenants and running pods cost: by request, in memory, until ready, in long steps
	tools/build etcd kube-apiserver kubectl helm
	$(BIN)/python -m bench.scale $(ARGS)

bench-gate: setup ## count the instructions of a review by valgrind; fail when they are more than the baseline allows
	$(BIN)/python -m bench.gate $(ARGS)

bench-sweep: setup ## measure judging 10,000 running pods of 500 tenants again, and how soon a revocation is seen
	tools/build etcd kube-apiserver kubectl helm
	$(BIN)/python -m bench.sweep $(ARGS)

soak: setup ## serve for MINUTES=30, and through restarts and rotations, and say what grew and what was lost
	tools/build etcd kube-apiserver kubectl kube-controller-manager helm
	$(BIN)/python -m bench.soak $(if $(filter command line environment,$(origin MINUTES)),--minutes $(MINUTES)) $(ARGS)

chaos: setup ## break a real cluster at a limit for MINUTES=10 and check every revision of etcd
	tools/build $(CONTROL_PLANE) helm
	$(BIN)/python -m tests.chaos.run --minutes $(MINUTES) $(ARGS)

quota-check: setup ## the same checker under three loads: ResourceQuota alone, then ours with 1 and 3 replicas
	tools/build $(CONTROL_PLANE) helm
	$(BIN)/python -m tests.chaos.quotas $(ARGS)

screening-check: setup ## measure how well names are found on a list; ARGS=--write puts the table into docs/screening.md
	$(BIN)/python -m tools.screening_check $(ARGS)

record-check: setup ## damage a record of 100,000 lines, and kill a server that records, and say what was missed or lost
	$(BIN)/python -m tests.record.damage $(ARGS)

corpus: setup ## score what is found in manifests whose demand is known; CORPUS=DIR holds them and INDEX.tsv
	$(BIN)/python tools/corpus.py $(CORPUS) $(ARGS)

image: setup ## build the image with docker, podman or buildah, and its SBOM, into dist/image; BASE_IMAGE=... for another base
	$(BIN)/python -m tools.image.build --tag "$(TAG)" --base "$(BASE_IMAGE)" $(ARGS)

image-check: ## build it twice from nothing and compare
	$(MAKE) image ARGS=--check

cluster-test: setup ## install the chart from the built image on a real node and break it there; as root, about 35 minutes
	$(BIN)/python -m tools.node.requirements
	tools/build $(CONTROL_PLANE) helm kubelet kube-proxy device-plugin pause prometheus certmanager crds.yaml
	$(BIN)/python -m tools.node.later dist/later/source
	base="$(or $(BASE_IMAGE),$$($(BIN)/python -m tools.node.images))" && \
	$(BIN)/python -m tools.image.build --base "$$base" && \
	$(BIN)/python -m tools.image.build --base "$$base" --source dist/later/source --output dist/later --tag localhost/computegate:later
	$(BIN)/python -m tools.node.enter $(BIN)/pytest tests/node $(ARGS)

foreign-test: setup ## the chart under Argo CD's engine, and from one source of certificates to another; builds both first
	tools/build $(CONTROL_PLANE) helm argocd certmanager crds.yaml
	$(BIN)/pytest tests/foreign $(ARGS)

clean: ## remove .venv and what tools left here; built binaries stay in ~/.cache/computegate
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache bench/out build dist *.egg-info
