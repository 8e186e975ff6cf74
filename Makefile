# make demo   a sample clip, painted: in demo/
# make test   style checks, types and all tests
# make types  types, for Linux, macOS and Windows
# make test-media  what is about videos once more, with the system's ffmpeg
# make bench  how fast it is on this machine: tables, and JSON in local/bench/
# make results  docs/results.md anew, in hours; BRUSHFLOW_DATA names a folder with clips/train,
#               clips/val, photos/train, styles (the paintings) and weights (raft-small.pth and
#               vgg19-caffe-conv1_1-conv3_4.safetensors, see docs/models.md)

# make gpu     parity, speed and training on a GPU, in under 28 minutes without a network; see
#               scripts/gpu.sh. make gpu-wheels, before, where there is a network
# make styles   the bundled styles anew, from nothing, in hours, with the same data, in local/styles

PYTHON ?= python3
# The two must be built for each other.
TORCH ?= torch==2.13.0
TORCHVISION ?= torchvision==0.28.0

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --no-compile $(TORCH) $(TORCHVISION)
# Python compiles what is used when it is used first, which is less than half of all that is there,
# and writes it down, also where a shell says that it should not.
export PYTHONDONTWRITEBYTECODE :=
# A file's tests share what was made for one of them. Files come in order of their names: the last
# are then of many short tests, so that no process waits long for the other.
SHARED := --dist loadfile --no-loadscope-reorder

.PHONY: demo test types test-media bench gpu gpu-wheels results styles

demo: .venv/installed
	$(BIN)/brushflow demo demo --restart

test: types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -q -n 2 $(SHARED)

# The checkout is the package, whatever its folder is called; mypy finds it under the right name here.
# Each platform has a cache of its own, as one platform's is of no use to another: 22 s of a
# processor the first time, 3 s when nothing has changed; all are checked at once.
types: .venv/installed-dev
	mkdir -p .venv/types
	ln -sfn ../.. .venv/types/brushflow
	printf '%s\n' linux darwin win32 | MYPYPATH=.venv/types xargs -P 3 -I PLATFORM \
	    $(BIN)/python -m mypy -p brushflow --platform PLATFORM --cache-dir .venv/mypy-PLATFORM

test-media: .venv/installed-dev
	BRUSHFLOW_FFMPEG=ffmpeg $(BIN)/python -m pytest -q -n 2 $(SHARED) -m media

bench: .venv/installed
	$(BIN)/python scripts/benchmarks/benchmark.py network --json local/bench/network-paper.json
	$(BIN)/python scripts/benchmarks/benchmark.py network --model starry-night --json local/bench/network-small.json
	$(BIN)/python scripts/benchmarks/benchmark.py profile --json local/bench/profile-paper.json
	$(BIN)/python scripts/benchmarks/benchmark.py profile --model starry-night --json local/bench/profile-small.json
	$(BIN)/python scripts/benchmarks/benchmark.py convolutions --threads 1 --json local/bench/convolutions.json
	$(BIN)/python scripts/benchmarks/benchmark.py pipeline --json local/bench/pipeline-small.json
	$(BIN)/python scripts/benchmarks/benchmark.py pipeline --style paper --frames 60 --json local/bench/pipeline-paper.json
	$(BIN)/python scripts/benchmarks/benchmark.py flow --flow-size 427 --json local/bench/flow.json
	$(BIN)/python scripts/benchmarks/benchmark.py scaling --json local/bench/scaling.json

# By the interpreter that has PyTorch for the GPU: it is not installed anew.
gpu:
	PYTHON=$(PYTHON) scripts/gpu.sh

gpu-wheels:
	$(PYTHON) -m pip download --no-deps --only-binary=:all: --dest local/gpu/wheels \
	    av opencv-contrib-python ffmpeg-python future imageio-ffmpeg scikit-image safetensors \
	    filelock platformdirs psutil click tqdm pytest iniconfig pluggy pygments lazy-loader imageio tifffile

# All three commands go on where they were interrupted.
VGG = $(BRUSHFLOW_DATA)/weights/vgg19-caffe-conv1_1-conv3_4.safetensors
RAFT = --flow raft-small --flow-weights $(BRUSHFLOW_DATA)/weights/raft-small.pth
results: .venv/installed
	$(BIN)/python scripts/lab/measure_models.py $(BRUSHFLOW_DATA) \
	    --loss-weights $(VGG) $(RAFT) --max-size 480 \
	    -o local/results/models.md --work local/results
	$(BIN)/python scripts/make_video_dataset.py $(BRUSHFLOW_DATA)/clips/train local/prepared \
	    --side 224 --per-video 10 --length 4 --gap 2 --val-percent 0
	$(BIN)/python scripts/lab/experiment.py fdb --style $(BRUSHFLOW_DATA)/styles/composition-vii.jpg \
	    --images $(BRUSHFLOW_DATA)/photos/train --videos local/prepared \
	    --clips $(BRUSHFLOW_DATA)/clips/val --loss-weights $(VGG) $(RAFT) -o local/fdb
	(cat local/results/models.md; echo; cat local/fdb/results.md) > docs/results.md

styles: .venv/installed
	$(BIN)/python scripts/lab/train_styles.py $(BRUSHFLOW_DATA) -o local/styles/models --work local/styles

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: setup.cfg | .venv/bin/python
	$(INSTALL) --editable .
	touch $@

# In one step, as pip looks at everything that is there once more in each.
.venv/installed-dev: setup.cfg | .venv/bin/python
	$(INSTALL) --editable '.[dev]'
	touch .venv/installed $@
