# Everything happens in .venv, which is made from the pinned and hashed requirements when they change.
# Another interpreter: make PYTHON=python3.13 test
PYTHON ?= python3
BIN := .venv/bin
DESCRIPTORS := gateway/contract/descriptors.binpb
PROTOS := $(shell find protos -name '*.proto')
SOURCES := gateway tests tools examples clients/conformance hatch_build.py
LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

.DEFAULT_GOAL := help
.PHONY: help run test test-fast test-python bench docs check check-english format generate checkgenerate lock clients \
    test-clients check-clients check-helm check-workflows image-test cluster test-cluster release-artifacts \
    test-reproducible release clean

# The clients, each in a folder of clients/ with a Makefile of its own: toolchain, tools, generate, build, test.
LANGUAGES := python go java typescript rust cpp

# Helm is built from its source, as pinned here; without a cluster it takes charts to be for this version of Kubernetes.
HELM := build/tools/bin/helm
HELM_VERSION := 3.22.0
HELM_FLAGS := -s -w -X helm.sh/helm/v3/internal/version.version=v$(HELM_VERSION) \
    -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=37
# What tests and checks of the chart take is built where its toolchain is there; the continuous integration has it all.
define build_tools
@if command -v go >/dev/null || [ -n "$$CI" ]; then $(MAKE) --silent --no-print-directory $(HELM) $(CRDS) $(VCSIM) $(GOVC) $(ACTIONLINT) $(SYFT); fi
@if command -v apt-get >/dev/null || [ -n "$$CI" ]; then $(MAKE) --silent --no-print-directory $(PROMTOOL); fi
endef
# Prometheus itself judges the queries of alerts and dashboard; Debian's package is unpacked, not installed.
PROMTOOL := build/tools/bin/promtool
# govmomi's simulator of vCenter, which the tests of the VIM API call, and its command line, which calls the embedded one.
VCSIM := build/tools/bin/vcsim
GOVC := build/tools/bin/govc
# Checks the workflows of the hosted continuous integration.
ACTIONLINT := build/tools/bin/actionlint
ACTIONLINT_VERSION := 1.7.12
# Finds what artifacts are made of, for their bills of materials.
SYFT := build/tools/bin/syft
SYFT_VERSION := 1.57.1
# What cert-manager and the Prometheus operator say that their objects look like.
CRDS := build/tools/crds

help: ## Shows this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-20s %s\n", $$1, $$2}'

run: $(DESCRIPTORS) ## Starts the gateway on 127.0.0.1:50051 with the embedded vCenter
	@$(BIN)/vcenter-gateway serve --simulator $(ARGS)

test: $(DESCRIPTORS) ## Runs the whole test suite (ARGS="-k cdrom" for a part)
	@if [ -n "$$CI" ]; then tools/install_debian.sh chromium nginx zsh fish dbus-daemon gnome-keyring && \
	    $(MAKE) --no-print-directory build/docs-venv/ready; fi
	$(build_tools)
	$(BIN)/pytest $(ARGS)

test-fast: $(DESCRIPTORS) ## Runs the unit and contract tests, in about a minute: for the everyday loop
	$(BIN)/pytest -q tests/unit tests/contract $(ARGS)

test-python: ## Runs the tests that take Python alone with another one (VERSION=3.13), by default the newest
	@tools/python_test.sh $(VERSION)

bench: $(DESCRIPTORS) build/bench-venv/ready $(GOVC) ## Measures the gateway beside others, into docs/benchmarks (ARGS="--quick" for a trial)
	@tests/bench/packages.sh
	@$(BIN)/python -m tests.bench $(ARGS)

docs: $(DESCRIPTORS) build/docs-venv/ready ## Builds the documentation site into build/docs/site; a dead link fails it
	@$(BIN)/python tools/build_docs.py $(ARGS)

check: $(DESCRIPTORS) checkgenerate check-helm check-workflows check-english docs ## Checks types, style, protos, chart, documents and what is generated
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/buf lint $(DESCRIPTORS) --config buf.yaml
	$(BIN)/buf breaking $(DESCRIPTORS) --against protos/released.binpb --config buf.yaml

check-english: .venv/ready build/docs-venv/ready ## Checks the spelling and the words of what users read
	@$(BIN)/python tools/check_english.py
	@git ls-files '*.md' protos gateway/'*.py' helm/vcenter-gateway tools examples clients/'*.py' | \
	    xargs build/docs-venv/bin/codespell --ignore-words-list befores,checkin

check-helm: .venv/ready ## Checks the Dockerfile and the Helm chart
	$(BIN)/hadolint Dockerfile
	$(build_tools)
	@if [ ! -x $(HELM) ]; then echo "helm/: skipped, building Helm takes Go"; fi
	@if [ -x $(HELM) ]; then for file in helm/vcenter-gateway/ci/*.yaml; do \
	    $(HELM) lint --strict --quiet helm/vcenter-gateway --values $$file || exit 1; done; fi

check-workflows: ## Checks the workflows in .github
	$(build_tools)
	@if [ -x $(ACTIONLINT) ]; then $(ACTIONLINT) -shellcheck= -pyflakes=; \
	    else echo ".github/: skipped, building actionlint takes Go"; fi

image-test: ## Builds the image and runs it, without Docker: needs Debian and root (ARCH=arm64: emulated)
	@tools/image_test.sh $(ARCH)

cluster: .venv/ready ## Starts a real Kubernetes control plane on this machine, until Ctrl-C; built once, which takes Go
	@$(BIN)/python -m tests.cluster $(ARGS)

test-cluster: $(DESCRIPTORS) ## Installs and upgrades the chart in a cluster (ARGS=--node: with pods, after image-test)
	$(build_tools)
	@$(BIN)/python -m tests.cluster test $(ARGS)

format: .venv/ready ## Formats the code
	$(BIN)/ruff check --fix-only --quiet $(SOURCES)
	$(BIN)/ruff format --quiet $(SOURCES)

generate: .venv/ready ## Compiles the protos, writes the generated parts of docs/ and clients/
	$(BIN)/python tools/compile_protos.py
	$(BIN)/python tools/generate_setting_flags.py
	$(BIN)/python tools/generate_docs.py
	$(BIN)/python tools/generate_service_config.py
	$(BIN)/python tools/generate_version.py
	$(BIN)/python tools/generate_chart.py
	$(BIN)/python tools/generate_vim_schema.py
	@$(call with_toolchain,go,$(MAKE) --no-print-directory -C clients/go tools generate)
	@$(call with_toolchain,rust,$(MAKE) --no-print-directory -C clients/rust tools generate)

checkgenerate: $(DESCRIPTORS) ## Fails when something generated is not up to date
	$(BIN)/python tools/generate_setting_flags.py --check
	$(BIN)/python tools/generate_docs.py --check
	$(BIN)/python tools/generate_service_config.py --check
	$(BIN)/python tools/generate_version.py --check
	$(BIN)/python tools/generate_chart.py --check
	$(BIN)/python tools/generate_vim_schema.py --check
	@$(call with_toolchain,go,$(MAKE) --no-print-directory -C clients/go tools checkgenerate)
	@$(call with_toolchain,rust,$(MAKE) --no-print-directory -C clients/rust tools checkgenerate)

clients: $(LANGUAGES:%=client-%) ## Builds the clients of all languages into dist/ (client-go for one)

test-clients: $(LANGUAGES:%=test-client-%) ## Tests the clients of all languages (test-client-go for one)

check-clients: $(LANGUAGES:%=check-client-%) ## Checks style, documentation and generated code of all clients

check-client-%: $(DESCRIPTORS)
	@$(call with_toolchain,$*,$(MAKE) --no-print-directory -C clients/$* tools check)

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
	build/lock/bin/uv pip compile $(LOCK) --output-file requirements/run.txt --extra otel pyproject.toml
	build/lock/bin/uv pip compile $(LOCK) --output-file requirements/dev.txt --extra otel --extra keyring --extra test --extra check pyproject.toml requirements/build.in
	build/lock/bin/uv pip compile $(LOCK) --constraint requirements/dev.txt --output-file requirements/build.txt requirements/build.in
	build/lock/bin/uv pip compile $(LOCK) --constraint requirements/dev.txt --output-file requirements/bench.txt requirements/bench.in
	build/lock/bin/uv pip compile $(LOCK) --output-file requirements/docs.txt requirements/docs.in
	rm -r build/lock

# What a release consists of: everything below dist/. The image for the other architecture takes qemu and some minutes.
OTHER_ARCH := $(if $(filter aarch64 arm64,$(shell uname -m)),amd64,arm64)
release-artifacts: $(DESCRIPTORS) $(HELM) $(SYFT) build/docs-venv/ready ## Makes all that a release has, into dist/ (PARTS="--part chart": some of it)
	@rm -rf dist && mkdir dist
ifeq ($(PARTS),)
	@$(MAKE) --no-print-directory clients $(LANGUAGES:%=materials-%)
	@$(MAKE) --no-print-directory image-test
	@$(MAKE) --no-print-directory image-test ARCH=$(OTHER_ARCH) || { test -z "$$CI" && echo "image: not for $(OTHER_ARCH)"; }
endif
	@$(BIN)/python tools/release_artifacts.py --tag "$(TAG)" $(PARTS)

materials-%: $(DESCRIPTORS)
	@$(call with_toolchain,$*,$(MAKE) --no-print-directory -C clients/$* materials)

test-reproducible: ## Makes a release twice, from two clones, and compares the bytes (PARTS="--part chart": some of it)
	@tools/reproducible_test.sh $(PARTS)

release: $(DESCRIPTORS) $(HELM) ## Turns the sources into those of version VERSION: make release VERSION=0.3.0
	$(BIN)/python tools/generate_version.py $(VERSION)
	$(BIN)/python tools/compile_protos.py --released
	$(BIN)/python tools/release_artifacts.py --dirty --no-bills --part chart --target build/released
	cp build/released/vcenter-gateway-[0-9]*.tgz helm/released/

clean: ## Removes everything that was built
	rm -rf .venv build dist $(DESCRIPTORS) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# pip can neither resolve nor build differently on another day: everything is pinned, hashed and installed before.
# What an interrupted setup has left is thrown away, since pip stumbles over its own half-installed packages.
.venv/ready: requirements/dev.txt pyproject.toml hatch_build.py
	@test -e $@ || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; try make PYTHON=python3.12 ...")'
	@echo "Setting up .venv; this takes about a minute the first time."
	@test -e $@ || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# What the gateway is compared with has an environment of its own: none of it is the product's.
build/bench-venv/ready: requirements/bench.txt
	@test -e $@ || $(PYTHON) -m venv --clear build/bench-venv
	@build/bench-venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@

# Neither is what builds the documentation.
build/docs-venv/ready: requirements/docs.txt
	@test -e $@ || $(PYTHON) -m venv --clear build/docs-venv
	@build/docs-venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.txt
	@touch $@

$(HELM): build/tools/helm-$(HELM_VERSION)

build/tools/helm-$(HELM_VERSION):
	@command -v go >/dev/null || { echo "Helm is built from its source: Go is missing"; exit 1; }
	@echo "Building Helm $(HELM_VERSION); this takes some minutes the first time."
	@GOBIN=$(CURDIR)/build/tools/bin GOFLAGS=-trimpath go install -ldflags "$(HELM_FLAGS)" helm.sh/helm/v3/cmd/helm@v$(HELM_VERSION)
	@rm -f build/tools/helm-* && touch $@

$(ACTIONLINT): build/tools/actionlint-$(ACTIONLINT_VERSION)

build/tools/actionlint-$(ACTIONLINT_VERSION):
	@command -v go >/dev/null || { echo "actionlint is built from its source: Go is missing"; exit 1; }
	@GOBIN=$(CURDIR)/build/tools/bin GOFLAGS=-trimpath go install github.com/rhysd/actionlint/cmd/actionlint@v$(ACTIONLINT_VERSION)
	@rm -f build/tools/actionlint-* && touch $@

$(SYFT): build/tools/syft-$(SYFT_VERSION)

build/tools/syft-$(SYFT_VERSION):
	@command -v go >/dev/null || { echo "syft is built from its source: Go is missing"; exit 1; }
	@echo "Building syft $(SYFT_VERSION); this takes some minutes the first time."
	@CGO_ENABLED=0 GOBIN=$(CURDIR)/build/tools/bin GOFLAGS=-trimpath go install github.com/anchore/syft/cmd/syft@v$(SYFT_VERSION)
	@rm -f build/tools/syft-* && touch $@

$(VCSIM) $(GOVC): build/tools/bin/%: tests/integration/%/go.mod tests/integration/%/go.sum tests/integration/%/main.go
	@command -v go >/dev/null || { echo "$* is built from its source: Go is missing"; exit 1; }
	@go build -C tests/integration/$* -buildvcs=false -trimpath -o $(CURDIR)/$@ . && touch $@

$(CRDS): tools/published_crds.py
	@command -v go >/dev/null || { echo "The definitions of custom resources come with Go modules: Go is missing"; exit 1; }
	@$(BIN)/python tools/published_crds.py && touch $@

$(PROMTOOL):
	@command -v apt-get >/dev/null || { echo "Prometheus is unpacked from Debian's package: apt-get is missing"; exit 1; }
	@rm -rf build/tools/prometheus && mkdir -p build/tools/bin build/tools/prometheus
	@cd build/tools/prometheus && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; } 2>apt.log \
	    || { cat apt.log; exit 1; }
	@cd build/tools/prometheus && dpkg-deb --extract prometheus_*.deb . && mv usr/bin/prometheus usr/bin/promtool ../bin/
	@rm -r build/tools/prometheus

$(DESCRIPTORS): .venv/ready tools/compile_protos.py $(PROTOS)
	@$(BIN)/python tools/compile_protos.py
