# The only page of commands.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help run test lint fix bench docs lock

BIN := .venv/bin
LANE ?= unit contracts house e2e
WORKERS ?= 2
EXAMPLE := examples/quickstart/modelwright.yaml
ADMIN_PORT ?= $(if $(filter 0,$(PORT)),0)

help: ## print this page
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' Makefile | awk -F'|' '{ printf "make %-6s %s\n", $$1, $$2 }'

run: ## start the quickstart: a model and an LLM behind one gateway (PORT=8000 ADMIN_PORT=8001; PORT=0 picks free ones)
	@sh requirements/install.sh run
	@exec $(BIN)/modelwright up -f $(EXAMPLE) $(if $(PORT),--port $(PORT)) $(if $(ADMIN_PORT),--admin-port $(ADMIN_PORT))

test: ## run the tests (LANE=unit, contracts, house or e2e; WORKERS=0 in one process; ARGS="-k name" for pytest)
	@sh requirements/install.sh dev
	@case " $(LANE) " in *" contracts "* | *" e2e "*) sh requirements/install-torch.sh;; esac
	@case " $(LANE) " in *" e2e "*) sh requirements/install-kserve.sh;; esac
	@case " $(LANE) " in *" e2e "*) sh requirements/install-actionlint.sh;; esac
	@case " $(LANE) " in *" e2e "*) sh requirements/install-pgvector.sh;; esac
	@sh tests/system-packages.sh curl groovy postgres redis-server haproxy nginx apache2 pebble nft prometheus prometheus-alertmanager
	@case " $(LANE) " in *" contracts "* | *" e2e"*) \
		sh tests/system-packages.sh --where-possible dockerd docker-compose docker-registry mmdebstrap sshd ip;; esac
	@case "$$(id -u) $(LANE) " in "0 "*" e2e "*) sh tests/making/docker_host/parts.sh >/dev/null 2>&1 & esac; \
	exec $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --max-worker-restart=0 --durations=10 $(addprefix tests/,$(LANE)) $(ARGS)

lint: ## check style, format, types, floors and dependencies
	@sh requirements/install.sh dev
	@$(BIN)/ruff check --quiet --output-format concise
	@$(BIN)/ruff format --check --quiet || { echo "Not formatted: see 'ruff format --check', mend by 'make fix'."; exit 1; }
	@$(BIN)/pyright
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/deptry src

fix: ## mend what ruff can mend, and format
	@sh requirements/install.sh dev
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format --quiet

bench: ## measure against baselines in the same run (WHAT=gateway, streams, limits, workers, overload, soak, kills, serving, serving_peers, …)
	@sh requirements/install.sh dev
	@sh tests/system-packages.sh nginx haproxy wrk curl redis-server
	@case " $(WHAT) " in *" deploy "*) sh tests/system-packages.sh --where-possible dockerd mmdebstrap;; esac
	@PYTHONPATH=. exec $(BIN)/python -m bench $(WHAT) $(ARGS)

docs: ## write docs/reference again from the code
	@sh requirements/install.sh dev
	@exec $(BIN)/python -m docs.generate

lock: ## resolve the dependencies of pyproject.toml into requirements/ (ARGS=--upgrade for newer ones)
	@sh requirements/install.sh dev
	@sh requirements/lock.sh $(ARGS)
