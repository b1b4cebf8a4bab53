# The two commands of a newcomer: `make pilot` and `make test`. Everything that
# is missing is installed by `make setup`, which both call.

SHELL := /bin/bash
.DEFAULT_GOAL := help
export PATH := $(HOME)/.cargo/bin:$(PATH):/usr/sbin:/sbin

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
IRYONET := $(TARGET)/debug/iryonet
# Root is wanted for raising a region, not for building it.
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# REGION=file raises another region than pilot/region.toml.
REGION ?= pilot/region.toml
PILOT = $(AS_ROOT) $(IRYONET) pilot

.PHONY: help setup build ebpf pilot pilot-check pilot-down test bench lint

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: ## install what is missing (Debian packages, bpf-linker, cargo tools)
	@scripts/setup.sh all

build: ebpf ## build the eBPF programs and the binary
	@$(CARGO) build --locked -p iryonet-cli

ebpf:
	@$(CARGO) xtask ebpf

pilot: ## raise a whole region on this machine, prove it, leave it up
	@scripts/setup.sh pilot
	@$(MAKE) --no-print-directory build
	@$(PILOT) up --region $(REGION)
	@$(PILOT) check --region $(REGION)

pilot-check: ## prove the region that is up, with real clients
	@$(PILOT) check --region $(REGION)

pilot-down: ## take the region down, also after a crash
	@[ -x $(IRYONET) ] || $(MAKE) --no-print-directory build
	@$(PILOT) down --region $(REGION)

test: ## everything: formatting, lints, licences, tests (network tests as root)
	@scripts/setup.sh all
	@scripts/test.sh

lint: ebpf ## formatting, clippy, licences and bans
	@scripts/test.sh lint

bench: ## the figures, measured here (release build, as root)
	@scripts/setup.sh bench
	@$(MAKE) --no-print-directory ebpf
	@$(CARGO) build --locked --release -p iryonet-cli
	@# All of them, also after one whose promise was not kept; then say so.
	@failed=; for what in verdict revoke throughput authority registry; do \
		echo "iryonet bench $$what --json"; \
		$(AS_ROOT) $(TARGET)/release/iryonet bench $$what --json || failed="$$failed $$what"; \
	done; [ -z "$$failed" ] || { echo "not kept:$$failed"; exit 1; }
