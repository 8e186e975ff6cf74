"""The node, loaded and called as ComfyUI does it: by its mappings, inputs and return types."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

import brushflow

FOLDER = Path(brushflow.__file__).parent / "integrations" / "comfyui"
TYPES = {"IMAGE": torch.Tensor, "FLOAT": float, "BOOLEAN": bool, "STRING": str}


@pytest.fixture
def call(monkeypatch):
    """Run the node with values for some of its inputs, the others at their defaults."""
    name = "custom_nodes.a-folder"
    spec = importlib.util.spec_from_file_location(name, FOLDER / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    assert module.NODE_CLASS_MAPPINGS.keys() == module.NODE_DISPLAY_NAME_MAPPINGS.keys()
    node = module.NODE_CLASS_MAPPINGS["BrushflowPaintFrames"]
    assert isinstance(node.CATEGORY, str)
    assert len(node.RETURN_TYPES) == len(node.RETURN_NAMES)

    def run(**given):
        kinds = node.INPUT_TYPES()
        assert given.keys() <= kinds["required"].keys() | kinds["optional"].keys()
        inputs = {}
        for key, (kind, *more) in kinds["required"].items():
            value = given[key] if key in given else more[0]["default"]
            if isinstance(kind, list):
                assert value in kind
            else:
                assert isinstance(value, TYPES[kind])
            inputs[key] = value
        with torch.inference_mode():
            returned = getattr(node(), node.FUNCTION)(**{**inputs, **given})
        return dict(zip(node.RETURN_NAMES, returned, strict=True))

    return run


@pytest.fixture
def images(drifting):
    return torch.stack([torch.from_numpy(frame) for frame in drifting(5)]).float() / 255


def test_a_video_in_two_parts_is_the_video_in_one(call, images, tiny_model_file):
    model = {"model_file": str(tiny_model_file)}
    whole = call(images=images, **model)["images"]
    assert whole.shape == images.shape
    assert whole.dtype == torch.float32
    assert 0 <= float(whole.min()) < float(whole.max()) <= 1
    first = call(images=images[:2], **model)
    rest = call(images=images[2:], state=first["state"], **model)
    assert torch.equal(torch.cat([first["images"], rest["images"]]), whole)
    alone = call(images=images[2:], **model)["images"]
    assert not torch.equal(alone, rest["images"])


def test_strength_and_size(call, images, tiny_model_file):
    model = {"model_file": str(tiny_model_file)}
    untouched = call(images=images, strength=0.0, **model)
    assert torch.equal(untouched["images"], images)
    assert untouched["state"] is None
    state = call(images=images[:1], **model)["state"]
    smaller = images[:1, :48]
    expected = call(images=smaller, **model)["images"]
    assert torch.equal(call(images=smaller, state=state, **model)["images"], expected)
