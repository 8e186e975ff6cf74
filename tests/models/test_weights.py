"""A description in a file is held against the weights before it gets memory."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.models import StyleModel, build, load
from brushflow.models.weights import network_with

SMALL = "c3s1-4,d4,R4,U2,c3s1-3"


@pytest.fixture
def reload(tmp_path):
    """Load a small model after its description or its tensors were changed."""
    path = tmp_path / "x.safetensors"

    def call(tensors=None, **changes):
        StyleModel(build(SMALL).eval(), "x").save(path)
        metadata = {"format": "brushflow-1", "arch": SMALL, "in_channels": "7", "norm": "instance"}
        metadata |= {"padding_type": "reflect-start", "tanh_constant": "150.0", **changes}
        save_file(load_file(path) | (tensors or {}), path, metadata)
        return load(path)

    return call


def test_what_is_left_as_it_was_loads(reload):
    assert reload().network.arch == SMALL
    assert reload(tanh_constant="0").network.tanh_constant == 0


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        # 150 layers of 1.2 gigabytes each
        ({"arch": "c9s1-4096," + "R4096," * 150 + "c9s1-3"}, "the tensor .* is unknown"),
        ({"arch": "c3s1-4,d4,R4,U2,c4095s1-3"}, "has the shape \\(3, 4, 3, 3\\) instead of"),
        ({"arch": "R7," * 1000 + "c3s1-3"}, "more than 200 layers"),
        ({"arch": "c3s1-4,d4,R4,U2,c3s1-x"}, "'c3s1-x' at character"),
        ({"in_channels": "1000000000000"}, "takes 3, 6 or 7 channels"),
        ({"in_channels": "many"}, "many"),
        ({"margin": "1000000000"}, "margin 1000000000 is not from 0"),
        ({"margin": "-3"}, "margin -3 is not from 0"),
        ({"tanh_constant": "nan"}, "tanh constant nan"),
        ({"tanh_constant": "1e999"}, "tanh constant inf"),
        ({"norm": "layer"}, "Unknown normalization"),
        ({"training": "[1]"}, "'training' is not a table"),
        ({"training": "[" * 10**5}, "not a usable brushflow model"),
        ({"training": json.dumps({"a": 1})[:-1]}, "not a usable brushflow model"),
    ],
)
def test_a_wrong_description_is_refused(reload, changes, part):
    with pytest.raises(BrushflowError, match=part):
        reload(**changes)


@pytest.mark.parametrize(
    ("tensors", "part"),
    [
        ({"more": torch.zeros(2)}, "'more' is unknown"),
        ({"layers.0.bias": torch.zeros(5)}, "'layers.0.bias' has the shape"),
        ({"layers.0.bias": torch.zeros(4, dtype=torch.int64)}, "holds no fractions"),
    ],
)
def test_other_weights_are_refused(reload, tensors, part):
    with pytest.raises(BrushflowError, match=part):
        reload(tensors)


def test_a_file_far_too_large_is_not_read(tmp_path):
    path = tmp_path / "x.t7"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(BrushflowError, match="far larger"):
        load(path)


def test_loading_imports_no_symbolic_mathematics():
    """Which took two seconds of every start."""
    code = (
        "import sys; from brushflow.models import load; load('starry-night'); "
        "print('sympy' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert printed.split() == [b"False"]


def test_a_network_has_weights_of_its_own():
    """Whoever changes one loaded model changes no other, nor needs its file."""
    one = torch.ones(4)
    weights = network_with(build(SMALL).state_dict() | {"layers.0.bias": one}, SMALL)
    with torch.no_grad():
        weights.get_parameter("layers.0.bias").zero_()
    assert torch.equal(one, torch.ones(4))


def test_a_network_without_tanh_has_no_bounds():
    linear, bounded = build(SMALL, tanh_constant=0), build(SMALL, tanh_constant=2)
    bounded.load_state_dict(linear.state_dict())
    x = torch.randn(1, 7, 48, 48)
    assert torch.allclose(2 * linear(x).tanh(), bounded(x))
    with pytest.raises(UsageError, match="not a number from 0 up"):
        build(SMALL, tanh_constant=-1)


def test_the_new_letter_enlarges_without_a_norm():
    network = build("c3s1-4,d4,N2,c3s1-3", 3, "reflect")
    kinds = [type(layer).__name__ for layer in network.layers]
    norm = ["InstanceNorm2d", "ReLU"]
    assert kinds == ["Conv2d", *norm, "Conv2d", *norm, "Upsample", "Conv2d"]
