"""Whatever happened to a file of weights, it is a sentence that tells."""

import io

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from brushflow.common.errors import BrushflowError
from brushflow.common.tensor_files import load_tensors, read_weights
from brushflow.evaluation.lpips import Lpips
from brushflow.flow.raft_weights import load_weights
from brushflow.models.loss_network import LossNetwork
from brushflow.training.checkpoint import NAME, read_checkpoint


def mutations(data, count, seed=0):
    """The bytes cut short, or with some of them changed."""
    random = np.random.default_rng(seed)
    for number in range(count):
        changed = bytearray(data)
        if number % 4 == 0:
            changed = changed[: random.integers(len(data))]
        for place in random.integers(0, len(changed), random.integers(1, 6)) if changed else ():
            changed[place] = random.integers(256)
        yield bytes(changed)


def saved(content, new_format):
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=new_format)
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("new_format", [True, False])
def test_damaged_files_are_told_from_others(new_format, tmp_path):
    data = saved({"weight": torch.arange(6.0), "settings": {"a": 1}}, new_format)
    assert torch.equal(load_tensors(io.BytesIO(data))["weight"], torch.arange(6.0))
    failed = told = 0
    path, folder = tmp_path / "weights.pth", tmp_path / "training"
    folder.mkdir()
    for changed in mutations(data, 300):
        path.write_bytes(changed)
        (folder / NAME).write_bytes(changed)
        # Each by itself: what PyTorch makes of some damage, as of the format's version, is chance.
        try:
            load_tensors(path)
        except ValueError:
            failed += 1
        try:
            read_checkpoint(folder, {"a": 1})
        except BrushflowError as error:
            damaged = "is damaged" in str(error)
            assert damaged or "was made with" in str(error)
            told += damaged
        with pytest.raises(BrushflowError, match=r"weights\.pth"):
            load_weights(nn.Linear(2, 2), "raft-small", path)
        with pytest.raises(BrushflowError, match=r"weights\.pth"):
            LossNetwork(path, ["relu1_2"])
    assert failed > 100 and told > 100


@pytest.mark.parametrize("content", [3, [1, 2], {"features.0.weight": 1}, {1: torch.ones(2)}])
def test_files_of_something_else_are_told(content, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    for load in (
        lambda: load_weights(nn.Linear(2, 2), "raft-small", path),
        lambda: LossNetwork(path, ["relu1_2"]),
        lambda: Lpips((path, path)),
    ):
        with pytest.raises(BrushflowError, match=r"weights\.pth"):
            load()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_told(value, tmp_path):
    path = tmp_path / "weights.pth"
    weight = torch.zeros(64, 3, 3, 3)
    weight[5, 0, 1, 1] = value
    vgg = {"features.0.weight": weight, "features.0.bias": torch.zeros(64)}
    linear = {"weight": torch.tensor([[1.0, value]]), "bias": torch.zeros(1)}
    for state, load in (
        (vgg, lambda: LossNetwork(path, ["relu1_1"])),
        (linear, lambda: load_weights(nn.Linear(2, 1), "raft-small", path)),
        (linear, lambda: read_weights(path, "weights")),
    ):
        torch.save(state, path)
        with pytest.raises(BrushflowError, match=r"weights\.pth.* no numbers"):
            load()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_only_what_is_wanted_of_weights_is_read_and_checked(suffix, tmp_path):
    path = tmp_path / f"weights{suffix}"
    state = {"features.0.bias": torch.ones(2), "classifier.0.bias": torch.tensor([torch.nan])}
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    assert read_weights(path, "weights", prefix="features.").keys() == {"features.0.bias"}
    with pytest.raises(BrushflowError, match=r"no numbers, in 'classifier\.0\.bias'") as error:
        read_weights(path, "weights", "loss_weights")
    assert error.value.about == "loss_weights"
    with pytest.raises(BrushflowError, match=r"no file .*absent\.pth with weights"):
        read_weights(tmp_path / "absent.pth", "weights")


def test_too_little_memory_is_not_taken_for_damage(tmp_path, monkeypatch):
    def hungry(*arguments, **named):
        raise MemoryError

    torch.save({}, tmp_path / "weights.pth")
    monkeypatch.setattr(torch, "load", hungry)
    with pytest.raises(MemoryError):
        load_tensors(tmp_path / "weights.pth")
