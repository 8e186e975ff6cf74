"""Which device is chosen, by stand-ins for those that are not here."""

import logging

import pytest
import torch

from brushflow.common import torch_devices
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.torch_devices import (
    choose_device,
    choose_precision,
    device_memory,
    devices_here,
    release_device_memory,
    usable_device,
)


@pytest.fixture
def machine(monkeypatch):
    """Make a machine with so many GPUs of each kind, of which some lack what painting needs."""

    def make(cuda=0, xpu=0, mps=0, broken=()):
        for kind, count in (("cuda", cuda), ("xpu", xpu)):
            monkeypatch.setattr(getattr(torch, kind), "is_available", lambda n=count: n > 0)
            monkeypatch.setattr(getattr(torch, kind), "device_count", lambda n=count: n)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps > 0)

        def paint(device, precision):
            if device.type in broken:
                raise NotImplementedError("no kernel for grid_sampler_2d\nand much more")

        monkeypatch.setattr(torch_devices, "_try_painting", paint)
        torch_devices._problem.cache_clear()

    yield make
    torch_devices._problem.cache_clear()


@pytest.mark.parametrize(
    ("gpus", "chosen", "precision"),
    [
        ({}, "cpu", "fp32"),
        ({"mps": 1}, "mps", "fp32"),
        ({"xpu": 2}, "xpu", "fp16"),
        ({"cuda": 1, "xpu": 1}, "cuda", "fp16"),
    ],
)
def test_auto_takes_the_first_that_is_there(machine, gpus, chosen, precision):
    machine(**gpus)
    for device in (choose_device("auto"), usable_device("auto")):
        assert device == torch.device(chosen)
        assert choose_precision("auto", device) == precision
    assert devices_here()[0].type == chosen
    assert len(devices_here()) == sum(gpus.values()) + 1


def test_auto_passes_over_what_lacks_an_operation_and_says_so_once(machine, caplog):
    machine(cuda=1, xpu=1, broken=("cuda",))
    with caplog.at_level(logging.WARNING):
        assert usable_device("auto").type == "xpu"
        assert usable_device("auto").type == "xpu"
    assert len(caplog.messages) == 1
    assert "cuda does not paint in fp16 here: no kernel for grid_sampler_2d." in caplog.text
    machine(cuda=1, broken=("cuda",))
    assert usable_device("auto").type == "cpu"


def test_a_device_that_was_named_is_not_replaced(machine):
    machine(mps=1, broken=("mps",))
    with pytest.raises(BrushflowError, match="'mps' cannot be used: no kernel for grid_sampler"):
        usable_device("mps")
    machine(cuda=2)
    assert usable_device("cuda:1") == torch.device("cuda:1")
    for absent in ("cuda:2", "xpu", "mps", "rocm", "meta", "nonsense"):
        with pytest.raises(UsageError):
            choose_device(absent)


def test_rocm_is_what_pytorch_calls_cuda(machine, monkeypatch):
    machine(cuda=2)
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert choose_device("rocm:1") == torch.device("cuda:1")


def test_what_is_tried_works_here_in_every_precision_of_the_cpu():
    for precision in ("fp32", "bf16"):
        torch_devices._try_painting(torch.device("cpu"), precision)


def test_memory_is_asked_of_the_device_and_given_back(machine, monkeypatch):
    machine(xpu=1, mps=1)
    emptied = []
    for kind in ("cuda", "xpu", "mps"):
        monkeypatch.setattr(getattr(torch, kind), "empty_cache", lambda k=kind: emptied.append(k))
    release_device_memory()
    assert emptied == ["xpu", "mps"]
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 12)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 5)
    assert device_memory(torch.device("mps")) == (7, 12)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3, 8))
    assert device_memory(torch.device("cuda:0")) == (3, 8)
