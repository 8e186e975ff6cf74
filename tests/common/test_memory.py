"""A container's limits count, not those of the machine; and a shortage is known by any words."""

import errno
import threading
from types import SimpleNamespace

import cv2
import numpy as np
import psutil
import pytest
import torch
from safetensors import SafetensorError

from brushflow.common import memory
from brushflow.common.errors import BrushflowError
from brushflow.pipeline.parallel import processes as workers


@pytest.fixture
def limits(tmp_path, monkeypatch):
    """Write files of a container, which are read in place of the real ones; 500 KiB are free."""
    of_machine = SimpleNamespace(available=500 << 10)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: of_machine)
    for module in (memory, workers):
        monkeypatch.setattr(module, "CGROUP", tmp_path)
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda process: range(8), raising=False)

    def write(**files):
        for name, text in files.items():
            (tmp_path / name.replace("_", ".")).write_text(text)

    return write


def test_memory_is_what_the_container_leaves(limits):
    assert memory.available_memory() == 500 << 10
    limits(memory_max="max\n", memory_current="1000\n")
    assert memory.available_memory() == 500 << 10
    limits(memory_max="9000\n", memory_stat="anon 500\ninactive_file 300\n")
    assert memory.available_memory() == 9000 - 1000 + 300
    limits(memory_current="20000\n")
    assert memory.available_memory() == 0


def test_cores_are_those_that_the_container_may_use(limits):
    assert workers.usable_cores() == 8
    limits(cpu_max="max 100000\n")
    assert workers.usable_cores() == 8
    limits(cpu_max="250000 100000\n")
    assert workers.usable_cores() == 2
    limits(cpu_max="50000 100000\n")
    assert workers.usable_cores() == 1


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: bytearray(1 << 62),
        lambda: np.empty(1 << 60, np.uint8),
        lambda: torch.empty(1 << 60, dtype=torch.uint8),
        lambda: torch.zeros(1 << 40).expand(1 << 20, -1).contiguous(),
    ],
    ids=["python", "numpy", "torch", "torch-copy"],
)
def test_a_real_shortage_is_recognised(allocate):
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        allocate()
    assert memory.out_of_memory(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("posix_memalign failed. The OS may be out of resources."),
        RuntimeError("can't start new thread"),
        threading.ThreadError("can't allocate lock"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        RuntimeError("std::bad_alloc"),
        RuntimeError("could not create a memory object"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("MPS backend out of memory"),
        cv2.error("(-4:Insufficient memory) Failed to allocate 99999999999 bytes"),
        SafetensorError("Cannot allocate memory (os error 12)"),
        OSError("The paging file is too small for this operation to complete"),
    ],
    ids=str,
)
def test_a_shortage_in_any_words_is_recognised(error):
    assert memory.out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes do not fit"),
        OSError(errno.ENOSPC, "No space left on device"),
        BrushflowError("There is not enough memory to paint frames of 9×9."),
        KeyboardInterrupt("out of memory"),
    ],
    ids=str,
)
def test_nothing_else_is_taken_for_one(error):
    assert not memory.out_of_memory(error)
