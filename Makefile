# Everything a fresh machine needs comes from here; Python 3.11+ and make are all it must have.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
CHECKS := .venv/.checks
# Errors alone: what a machine's own settings make pip warn of concerns nobody here.
PIP_INSTALL := $(BIN)/pip install --quiet --quiet --disable-pip-version-check
# uv takes half of pip's time. It reads none of pip's settings, so that pip installs where these are
# how a machine comes by its packages.
UV_INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode

.PHONY: install peers demo test test-spark check image format docs synth lock clean release-fixture

# What all targets need; the demo and synthesis can do without the checks.
install: $(CHECKS)

$(INSTALLED): requirements.txt pyproject.toml package.json package-lock.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fraudloop needs Python 3.11 or later, got " + sys.version)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP_INSTALL) "$$(grep '^uv==' requirements.txt)"
	$(UV_INSTALL) --requirement requirements.txt 2>/dev/null || $(PIP_INSTALL) --requirement requirements.txt
	$(PIP_INSTALL) --no-deps --editable .
	PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --no-audit --no-fund
	@touch $@

$(CHECKS): $(INSTALLED) requirements-checks.txt
	$(UV_INSTALL) --requirement requirements-checks.txt 2>/dev/null || $(PIP_INSTALL) --requirement requirements-checks.txt
	@touch $@

# What the benchmarks compare with, and PySpark, which needs a Java runtime besides.
peers: install
	$(PIP_INSTALL) --requirement requirements-peers.txt

demo: $(INSTALLED)
	$(BIN)/fraudloop demo

# Most tests wait for something, so that two cores serve three processes.
test: install
	$(BIN)/python -m pytest --numprocesses 3 --dist loadscope --no-loadscope-reorder

# Those that `make test` skips where PySpark (`make peers`) or a Java runtime is missing.
test-spark: install
	$(BIN)/python -m pytest -m spark $$(grep -rl "mark\.spark" tests --include "*.py")

# What tells without running anything; says nothing where all is well.
check: install
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/hadolint pipeline_code/Dockerfile

# Keeps a commit as the release that tests upgrade from: `make release-fixture COMMIT=... VERSION=...`.
release-fixture: install
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tests/integration/releasing.py $(COMMIT) $(VERSION)

# The container image's targets, and what `pytest -m image` (as root) runs in it.
IMAGE_TARGETS ?= project spark cuda
export BASE_IMAGE IMAGE_OPTIONS IMAGE_STORE
image:
	tests/image/build.sh $(IMAGE_TARGETS)

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# One environment's CloudFormation into cdk.out: make synth ENVIRONMENT=prod
ENVIRONMENT ?= local
SYNTH := PATH="$(CURDIR)/$(BIN):$$PATH" npx cdk synth --quiet
synth: $(INSTALLED)
	$(SYNTH) --context environment=$(ENVIRONMENT)

# The parts of the documentation that follow from the code; the diagram is drawn from `prod`.
docs: install
	$(SYNTH) --context environment=prod --output build/prod
	$(BIN)/python -m operations.documentation build/prod
	$(BIN)/python -m pipeline_code.serve.openapi docs/serving-openapi.json
	$(BIN)/python -m local_aws.requests.supported_table local_aws/README.md

PIP_COMPILE := $(CURDIR)/$(BIN)/pip-compile --quiet --strip-extras --no-emit-index-url \
  --no-emit-find-links --no-emit-trusted-host --no-emit-options
BASE_IMAGE_TAG := $(shell sed -n 's/^ARG BASE_IMAGE=\([^@]*\).*/\1/p' pipeline_code/Dockerfile)
# The image's files follow the project's, with the hashes that its build demands; its base image gets
# its digest where the registry, and Docker's client, can be reached.
lock: install
	$(PIP_COMPILE) --output-file requirements.txt requirements.in
	$(PIP_COMPILE) --output-file requirements-checks.txt requirements-checks.in
	$(PIP_COMPILE) --output-file requirements-peers.txt requirements-peers.in
	cd pipeline_code && for file in requirements*.in; do \
	  $(PIP_COMPILE) --allow-unsafe --generate-hashes --constraint ../requirements.txt \
	    --constraint ../requirements-peers.txt $$file || exit; \
	done
	@digest=$$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' $(BASE_IMAGE_TAG)) \
	  && sed -i.old "s|^ARG BASE_IMAGE=.*|ARG BASE_IMAGE=$(BASE_IMAGE_TAG)@$$digest|" pipeline_code/Dockerfile \
	  && rm pipeline_code/Dockerfile.old \
	  || echo "the base image stays as it is: $(BASE_IMAGE_TAG) could not be looked up" >&2

clean:
	rm -rf .venv node_modules cdk.out build .fraudloop
