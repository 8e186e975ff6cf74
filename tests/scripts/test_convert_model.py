"""Model files of any kind become ours, or ONNX files that compute the same."""

import importlib.util
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from brushflow.models import PADDING_TYPES, StyleModel, build, load, onnx_file
from brushflow.scripts import convert_model

SMALL = "c9s1-4,d6,d8,R8,R8,U2,c3s1-6,U2,c9s1-3"


@pytest.fixture
def run(exit_code_of, monkeypatch, tmp_path):
    """Run the command in the folder of the files; returns its exit code."""
    monkeypatch.chdir(tmp_path)
    return partial(exit_code_of, convert_model)


@pytest.fixture
def t7_file(tmp_path):
    """A network of fast-artistic-videos in its own format."""
    place = Path(__file__).parents[1] / "models" / "t7_files.py"
    spec = importlib.util.spec_from_file_location("t7_files", place)
    t7 = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(t7)
    network = t7.Maker().network(SMALL, 7, start=16)
    (tmp_path / "candy.t7").write_bytes(t7.encode({"opt": {}, "model": network}))
    return "candy.t7"


def test_a_file_of_the_originals_becomes_ours(run, t7_file, capsys):
    assert run(t7_file, "candy.safetensors") == 0
    assert f"{SMALL}, 7 channels in, instance norm" in capsys.readouterr().out
    before, after = load(t7_file), load("candy.safetensors")
    x = 50 * torch.randn(1, 7, 50, 60)
    assert torch.equal(before.network(x), after.network(x))
    assert after.style == "candy"
    assert run(t7_file, "half.safetensors", "--half") == 0
    sizes = [Path(name).stat().st_size for name in ("half.safetensors", "candy.safetensors")]
    assert sizes[0] < 0.65 * sizes[1]


def test_onnx_files_compute_the_same_at_any_size(run, t7_file, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    assert run(t7_file, "candy.onnx") == 0
    assert "differs from PyTorch by" in capsys.readouterr().out
    session = onnxruntime.InferenceSession("candy.onnx")
    network = load(t7_file).network
    for shape in ((1, 7, 64, 64), (3, 7, 45, 101), (1, 7, 1, 1)):
        x = 50 * torch.randn(shape)
        (found,) = session.run(None, {"input": x.numpy()})
        with torch.no_grad():
            assert np.abs(found - network(x).numpy()).max() < onnx_file.TOLERANCE


@pytest.mark.parametrize("padding", PADDING_TYPES)
@pytest.mark.parametrize(
    ("arch", "more"),
    [
        (SMALL, {"margin": 5}),
        ("c5s1-4,c3s2-6,C6,f3s2-4,c3s1-3", {"norm": "batch"}),
        ("c3s1-4,d8,R8,N2,c3s1-4,c3s1-3", {"tanh_constant": 0}),
        ("d4,u4,c3s1-3", {"norm": "batch", "in_channels": 3}),
        ("c9s1-4,c4s2-6,R6,f4s2-4,c9s1-3", {"norm": "plain", "in_channels": 6, "margin": 3}),
        ("d4,U2,c3s1-3", {"preprocessing": "resnet", "tanh_constant": 2}),
    ],
)
def test_every_layer_has_a_counterpart_in_onnx(tmp_path, padding, arch, more):
    pytest.importorskip("onnx")
    torch.manual_seed(0)
    network = build(arch, padding_type=padding, **more).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.running_mean)
    assert onnx_file.save_onnx(network, tmp_path / "x.onnx") <= onnx_file.TOLERANCE
    assert (tmp_path / "x.onnx").exists()


def test_an_onnx_file_that_differs_is_not_written(run, t7_file, monkeypatch, capsys, tmp_path):
    pytest.importorskip("onnx")
    monkeypatch.setattr(onnx_file, "TOLERANCE", -1)
    assert run(t7_file, "candy.onnx") == 1
    assert "was not written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [t7_file]


def test_what_onnx_needs_is_said(run, t7_file, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert run(t7_file, "candy.onnx") == 2
    assert "pip install 'brushflow[onnx]'" in capsys.readouterr().err


def test_wrong_requests_are_refused(run, t7_file, capsys, tmp_path):
    assert run(t7_file, "candy.pth") == 2
    assert "must end in .safetensors or .onnx" in capsys.readouterr().err
    assert run(t7_file, "candy.onnx", "--half") == 2
    assert run("absent.t7", "x.safetensors") == 2
    (tmp_path / "broken.t7").write_bytes(b"no model")
    assert run("broken.t7", "x.safetensors") == 1
    assert "broken.t7 is not a usable Torch 7 file" in capsys.readouterr().err
    assert not (tmp_path / "x.safetensors").exists()


def test_a_file_of_ours_is_converted_too(run, tmp_path):
    StyleModel(build(SMALL).eval(), "mine", {"iterations": 7}).save(tmp_path / "mine.safetensors")
    assert run("mine.safetensors", "again.safetensors", "--half") == 0
    assert run("again.safetensors", "whole.safetensors") == 0
    before, after = load("again.safetensors"), load("whole.safetensors")
    x = 50 * torch.randn(1, 7, 44, 48)
    assert torch.equal(before.network(x), after.network(x))
    assert (after.style, after.training) == ("mine", {"iterations": 7})
