# make demo   a sample clip, painted: in demo/
# make test   style checks and all tests
# make bench  how fast it is on this machine: tables, and JSON in local/bench/

PYTHON ?= python3
# Installed before everything else, as the two must be built for each other.
TORCH ?= torch==2.13.0
TORCHVISION ?= torchvision==0.28.0

BIN := .venv/bin

.PHONY: demo test bench

demo: .venv/installed
	mkdir -p demo
	$(BIN)/python scripts/make_demo_clip.py demo/clip.mp4
	$(BIN)/python stylize_video.py demo/clip.mp4 -o demo/painted.mp4 --restart
	$(BIN)/python stylize_video.py demo/clip.mp4 -o demo/side-by-side.mp4 --compare --restart
	$(BIN)/python stylize_video.py demo/clip.mp4 -o demo/contact-sheet.png --preview 6 --restart
	@echo "Look at demo/painted.mp4, demo/side-by-side.mp4 and demo/contact-sheet.png."

test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -q

bench: .venv/installed
	$(BIN)/python scripts/benchmark.py network --json local/bench/network-paper.json
	$(BIN)/python scripts/benchmark.py network --model starry-night --json local/bench/network-small.json

.venv/installed: setup.cfg
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet $(TORCHVISION)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
