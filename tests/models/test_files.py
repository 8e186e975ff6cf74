"""Model files hold all that a network needs, and nothing else passes for one."""

import json
import pickle

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.models import StyleModel, available, build, load, read_model

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


def test_the_same_model_has_the_same_bytes_every_time(tmp_path):
    model = StyleModel(build(SMALL).eval(), "mine", {"iterations": 3, "seed": 0})
    path = tmp_path / "mine.safetensors"
    contents = set()
    for _ in range(12):  # the library's order is another one nearly every time
        model.save(path, torch.float16)
        contents.add(path.read_bytes())
    assert len(contents) == 1
    load(path).save(path, torch.float16)  # as conversion does
    assert path.read_bytes() in contents


def other_order(path, to):
    """The same file with the entries of its header turned round."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    entries = {name: dict(reversed(entry.items())) for name, entry in reversed(header.items())}
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    to.write_bytes(len(text).to_bytes(8, "little") + text + data[end:])
    assert to.read_bytes() != data


def test_an_identity_is_that_of_the_contents(tmp_path):
    network = build(SMALL).half().float().eval()
    model = StyleModel(network, "mine", {"iterations": 3})
    paths = {name: tmp_path / f"{name}.safetensors" for name in ("full", "half", "turned", "named")}
    model.save(paths["full"])
    model.save(paths["half"], torch.float16)
    other_order(paths["full"], paths["turned"])
    StyleModel(network, "another").save(paths["named"])
    assert {load(path).digest for path in paths.values()} == {model.digest}
    with safe_open(paths["turned"], "pt") as file:
        assert file.metadata()["style"] == "mine"

    margin = build(SMALL, margin=4).eval()
    margin.load_state_dict(network.state_dict())
    assert StyleModel(margin, "mine").digest != model.digest
    with torch.no_grad():
        next(network.parameters()).flatten()[0] += 1e-3
    assert StyleModel(network, "mine").digest != load(paths["full"]).digest


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


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value, dtype):
    network = build(SMALL).eval()
    with torch.no_grad():
        network.state_dict()["layers.0.bias"][1] = value
    StyleModel(network, "mine").save(tmp_path / "x.safetensors", dtype)
    with pytest.raises(BrushflowError, match=r"'layers\.0\.bias' holds values that are"):
        load(tmp_path / "x.safetensors")


@pytest.mark.parametrize("norm", [None, "instance", "batch"])
def test_a_file_tells_its_model_from_others_without_a_network(norm, tmp_path):
    path = "starry-night"
    if norm is not None:
        path = tmp_path / "half.safetensors"
        StyleModel(build(SMALL, norm=norm).eval(), "mine").save(path, torch.float16)
    file = read_model(path)
    model = file.model()
    assert (file.digest, file.in_channels) == (model.digest, model.network.in_channels)


def test_what_half_precision_cannot_hold_is_stored_in_full(tmp_path):
    network = build(SMALL).half().float().eval()
    with torch.no_grad():
        network.state_dict()["layers.0.bias"][1] = 1e6
    StyleModel(network, "mine").save(tmp_path / "x.safetensors", torch.float16)
    assert load(tmp_path / "x.safetensors").network.state_dict()["layers.0.bias"][1] == 1e6


def test_too_little_memory_is_not_taken_for_damage(tmp_path, monkeypatch, tiny_model_file):
    def hungry(*arguments, **named):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("brushflow.models.model_file.checked_weights", hungry)
    with pytest.raises(RuntimeError, match="allocate"):
        load(tiny_model_file)
