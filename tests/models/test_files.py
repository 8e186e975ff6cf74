"""Model files hold all that a network needs, and nothing else passes for one."""

import pickle

import pytest
import torch
from safetensors.torch import save_file

from brushflow.errors import BrushflowError, UsageError
from brushflow.models import StyleModel, available, build, load

SMALL = "c9s1-8,d12,d16,R16,R16,U2,c3s1-8,U2,c9s1-3"


def test_a_saved_model_comes_back_the_same(tmp_path):
    network = build(SMALL, 7, "replicate", 120.0, margin=4).eval()
    path = tmp_path / "mine.safetensors"
    StyleModel(network, "mine", {"iterations": 3}).save(path)
    back = load(path)
    x = torch.randn(1, 7, 50, 60)
    assert torch.equal(back.network(x), network(x))
    assert (back.style, back.training) == ("mine", {"iterations": 3})
    assert (back.network.padding_type, back.network.margin) == ("replicate", 4)
    assert len(back.digest) == 64


def test_half_precision_storage_is_half_the_size_and_close(tmp_path):
    model = StyleModel(build(SMALL).eval(), "mine")
    model.save(tmp_path / "full.safetensors")
    model.save(tmp_path / "half.safetensors", torch.float16)
    full, half = (tmp_path / f"{n}.safetensors" for n in ("full", "half"))
    assert half.stat().st_size < 0.6 * full.stat().st_size
    x = 50 * torch.randn(1, 7, 50, 60)
    difference = load(half).network(x) - load(full).network(x)
    assert difference.abs().mean() < 0.5


def test_bundled_models_load_and_are_small():
    assert available()
    for name in available():
        model = load(name)
        assert model.style == name
        assert model.network.in_channels == 7
        output = model.network(torch.zeros(1, 7, 64, 64))
        assert output.isfinite().all()


def test_an_unknown_style_suggests_the_nearest(tmp_path):
    with pytest.raises(UsageError, match="did you mean starry-night"):
        load("stary-nigt")
    with pytest.raises(UsageError, match="There is no model file"):
        load(tmp_path / "absent.safetensors")


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("code of the file was run",))


@pytest.mark.parametrize("name", ["x.safetensors", "x.pth"])
@pytest.mark.parametrize(
    "content",
    [b"", b"hello", pickle.dumps(Evil()), pickle.dumps({"a": 1}), b"\x80" * 100],
    ids=["empty", "text", "code", "dict", "garbage"],
)
def test_what_is_no_model_is_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BrushflowError, match="x\\."):
        load(path)


def test_other_safetensors_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"w": torch.zeros(3)}, path)
    with pytest.raises(BrushflowError, match="not a brushflow model"):
        load(path)
    save_file({"w": torch.zeros(3)}, path, {"format": "brushflow-1", "arch": "c3s1-3"})
    with pytest.raises(BrushflowError, match="not a usable brushflow model"):
        load(path)
