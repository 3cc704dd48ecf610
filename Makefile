# Everything happens in .venv, which is made from the pinned and hashed requirements when they change.
# Another interpreter: make PYTHON=python3.13 test
PYTHON ?= python3
BIN := .venv/bin
DESCRIPTORS := gateway/contract/descriptors.binpb
PROTOS := $(shell find protos -name '*.proto')
SOURCES := gateway tests tools clients/conformance hatch_build.py
LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

.DEFAULT_GOAL := help
.PHONY: help run test check format generate checkgenerate lock release clients test-clients clean

# The clients, each in a folder of clients/ with a Makefile of its own: toolchain, tools, generate, build, test.
LANGUAGES := python go java typescript rust cpp

help: ## Shows this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

run: $(DESCRIPTORS) ## Starts the gateway on 127.0.0.1:50051 with the embedded vCenter
	@$(BIN)/vcenter-gateway serve --simulator $(ARGS)

test: $(DESCRIPTORS) ## Runs the whole test suite (ARGS="-k cdrom" for a part)
	$(BIN)/pytest $(ARGS)

check: $(DESCRIPTORS) checkgenerate ## Checks types, style, protos and what is generated
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/buf lint $(DESCRIPTORS) --config buf.yaml
	$(BIN)/buf breaking $(DESCRIPTORS) --against protos/released.binpb --config buf.yaml

format: .venv/ready ## Formats the code
	$(BIN)/ruff check --fix-only --quiet $(SOURCES)
	$(BIN)/ruff format --quiet $(SOURCES)

generate: .venv/ready ## Compiles the protos, writes the generated parts of docs/ and clients/
	$(BIN)/python tools/compile_protos.py
	$(BIN)/python tools/generate_docs.py
	$(BIN)/python tools/generate_service_config.py
	@$(call with_toolchain,go,$(MAKE) --no-print-directory -C clients/go tools generate)

checkgenerate: $(DESCRIPTORS) ## Fails when something generated is not up to date
	$(BIN)/python tools/generate_docs.py --check
	$(BIN)/python tools/generate_service_config.py --check
	@$(call with_toolchain,go,$(MAKE) --no-print-directory -C clients/go tools checkgenerate)

clients: $(LANGUAGES:%=client-%) ## Builds the clients of all languages into dist/ (client-go for one)

test-clients: $(LANGUAGES:%=test-client-%) ## Tests the clients of all languages (test-client-go for one)

client-%: $(DESCRIPTORS)
	@$(call with_toolchain,$*,$(MAKE) --no-print-directory -C clients/$* tools build)

test-client-%: $(DESCRIPTORS)
	@$(call with_toolchain,$*,$(MAKE) --no-print-directory -C clients/$* tools test)

# A language without its toolchain is named and passed over on a developer's machine; the continuous integration fails.
with_toolchain = if $(MAKE) --no-print-directory -C clients/$(1) toolchain; then \
	start=$$(date +%s) && $(2) && echo "clients/$(1): done in $$(($$(date +%s) - start)) s"; \
	elif [ -n "$$CI" ]; then exit 1; else echo "clients/$(1): skipped"; fi

lock: ## Pins the requirements anew, to the newest versions that pyproject.toml allows
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet uv==0.13.9
	build/lock/bin/uv pip compile $(LOCK) --output-file requirements/run.txt pyproject.toml
	build/lock/bin/uv pip compile $(LOCK) --output-file requirements/dev.txt --extra test --extra check pyproject.toml requirements/build.in
	rm -r build/lock

release: $(DESCRIPTORS) ## Makes the current protos the ones that later changes must not break
	$(BIN)/python tools/compile_protos.py --released

clean: ## Removes everything that was built
	rm -rf .venv build dist $(DESCRIPTORS) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# pip can neither resolve nor build differently on another day: everything is pinned, hashed and installed before.
.venv/ready: requirements/dev.txt pyproject.toml hatch_build.py
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; try make PYTHON=python3.12 ...")'
	@echo "Setting up .venv; this takes about a minute the first time."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(DESCRIPTORS): .venv/ready tools/compile_protos.py $(PROTOS)
	@$(BIN)/python tools/compile_protos.py
