# The one front door. Every target does its own set-up, once: Debian packages (as root), then .venv from the lock.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test check lint format bench soak docs lock setup clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

demo: setup ## build a lab of three hosts, show every path with its round trip, take it down again (root)
	@.venv/bin/onehop lab demo

test: setup ## everything: the quick check, then tests with namespaces, packets and PostgreSQL (root)
	@scripts/test

check: setup ## the quick check: linters, types, layers, tests that are quick and need no root
	@scripts/check

lint: setup ## linters, types and layers only
	@scripts/check --no-tests

format: setup ## put the code into the form that `make lint` wants
	@.venv/bin/ruff check --quiet --fix-only src tests benchmarks scripts && .venv/bin/ruff format src tests benchmarks scripts

bench: setup ## measure against the floor, in one run; a table, and JSON in build/bench.json (root)
	@.venv/bin/python -m benchmarks

soak: setup ## random operations, faults and probes for MINUTES=10 in a lab, judged by the model; SEED= repeats (root)
	@.venv/bin/python -m tests.soak $(or $(MINUTES),10) $(SEED)

docs: setup ## write the derived pages, check every link
	@.venv/bin/python -m scripts.docs

lock: setup ## write requirements/*.txt anew from pyproject.toml
	@scripts/lock

setup: .stamps/system .stamps/venv ## Debian packages and .venv, only where something is missing

.stamps/system: packaging/apt.txt scripts/setup
	@scripts/setup
	@mkdir -p .stamps && touch $@

.stamps/venv: requirements/dev.txt pyproject.toml scripts/venv | .stamps/system
	@scripts/venv
	@mkdir -p .stamps && touch $@

clean: ## remove what the targets above made in this folder
	rm -rf .stamps .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
