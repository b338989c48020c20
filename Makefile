# Every target sets up the machine first: the set-up is repeated only when its inputs change.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format bench bench-networks bench-quality bench-finetuning bench-losses bench-window docs screenshots

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: ## create .venv and install everything, with the libraries that Qt needs
	@$(PYTHON) tools/setup.py --window required

demo: ## fuse a simulated organoid stack into demo-output, and show it where there is a screen
	@$(PYTHON) tools/setup.py --window optional
	@$(BIN)/swinfusion demo -o demo-output

test: setup ## run every check and test
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(ARGS)

lint: setup ## ruff, mypy and the import contracts: what `make test` checks too
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## rewrite the code as ruff formats it
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: bench-quality ## measure quality, then speed and memory
	@$(BIN)/python -m benchmarks.speed

bench-quality: setup ## measure quality and write its page and figure
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.quality --sheets docs/images/sheets
	@$(BIN)/python -m benchmarks.report

bench-finetuning: setup ## fine-tune on own and on simulated stacks, 10 CPU-minutes each
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.finetuning

bench-losses: setup ## train small networks with every recipe of losses and compare them
	@$(BIN)/python -m benchmarks.losses

bench-window: setup ## measure how the window turns while it fuses and while it trains
	@$(BIN)/python -m benchmarks.window

bench-networks: setup ## compare networks, mergers and mixers after MINUTES CPU-minutes of training each
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.networks --minutes $(or $(MINUTES),2) \
		--page docs/explanation/networks-compared.md

docs: setup ## build the pages into site
	@$(BIN)/python tools/fault_table.py --write
	@$(BIN)/python tools/reference_pages.py --write
	@$(BIN)/mkdocs build --strict

screenshots: setup ## draw the pictures of README and docs again
	@$(BIN)/python tools/screenshot_dock.py
	@$(BIN)/python tools/screenshot_train_dock.py
	@$(BIN)/python tools/draw_pictures.py
	@$(BIN)/python tools/draw_simulator.py
