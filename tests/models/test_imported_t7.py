"""Networks of the original programs give what their layers give."""

import numpy as np
import pytest
import torch

from brushflow.common.errors import BrushflowError
from brushflow.models import from_rgb, load, to_rgb

BLOCKS = "c9s1-4,d6,d8,R8,R8,"
VIDEO = BLOCKS + "U2,c3s1-6,U2,c9s1-3"  # as the models of fast-artistic-videos, but thin
IMAGE = BLOCKS + "u6,u4,c9s1-3"  # as those of fast-neural-style


@pytest.fixture
def imported(tmp_path, t7):
    """Load a network from a file that holds it as a checkpoint."""

    def call(network, options=None):
        path = tmp_path / "checkpoint.t7"
        entries = {"opt": options or {"arch": "?", "preprocessing": "vgg", "gpu": 0}}
        path.write_bytes(t7.encode({**entries, "iter": 60000, "model": network}))
        return load(path).network

    return call


def assert_same(network, original, t7, size=(60, 75)):
    x = 60 * torch.randn(2, network.in_channels, *size)
    with torch.no_grad():
        wanted = t7.render(original, x)[..., : size[0], : size[1]]
        found = network(x)
    assert wanted.std() > 1
    assert (found - wanted).abs().max() < 1e-3 * wanted.abs().max()


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize(("arch", "channels"), [(VIDEO, 7), (IMAGE, 3)])
def test_the_original_networks_are_recovered(imported, t7, arch, channels, norm):
    torch.manual_seed(0)
    original = t7.Maker(norm=norm).network(arch, channels, start=16)
    network = imported(original)
    assert (network.arch, network.in_channels, network.norm) == (arch, channels, norm)
    assert (network.padding_type, network.start_padding) == ("reflect-start", 16)
    assert network.tanh_constant == 150
    assert_same(network, original, t7)


@pytest.mark.parametrize("padding", ["zero", "reflect", "replicate", "reflect-start"])
@pytest.mark.parametrize(
    ("arch", "start"),
    [
        ("c9s1-4,d6,R6,C8,f5s2-4,c3s1-3", 8),
        ("c3s1-4,c5s2-6,C6,R6,U2,c3s1-3", 8),
        ("c5s1-4,c1s1-8,c5s1-3", 0),
        ("d4,c3s1-4,u4,c3s1-3", 0),
        ("C4,c3s1-4,R4,c3s1-3", 4),
    ],
)
def test_every_layer_under_every_padding(imported, t7, padding, arch, start):
    torch.manual_seed(0)
    start = start if padding == "reflect-start" else 0
    original = t7.Maker(padding, seed=1).network(arch, 3, constant=120.5, start=start)
    network = imported(original)
    assert network.start_padding == start
    assert network.tanh_constant == 120.5
    assert_same(network, original, t7)


def test_weights_laid_out_as_matrices(imported, t7):
    original = t7.Maker(matrices=True).network(VIDEO, 7, start=16)
    assert_same(imported(original), original, t7)


def test_weights_flattened_into_one_storage(imported, t7):
    original = t7.Maker().network(VIDEO, 7, start=16)
    modules, weights = [original], []
    while modules:
        module = modules.pop()
        modules += module.fields.get("modules", [])
        weights += [(module, n) for n in ("weight", "bias") if n in module.fields]
    flat = np.concatenate([module.fields[name].ravel() for module, name in weights])
    place = 0
    for module, name in weights:
        shape = module.fields[name].shape
        size = int(np.prod(shape))
        module.fields[name] = flat[place : place + size].reshape(shape)
        place += size
    assert_same(imported(original), original, t7)


def test_a_network_without_tanh_or_bias_and_another_eps_of_batch_norm(imported, t7):
    torch.manual_seed(0)
    original = t7.Maker("zero", "batch").network("c3s1-4,d4,U2,c3s1-3", 3)
    modules = original.fields["modules"]
    del modules[-3:]
    for module in modules:
        if module.kind == "SpatialBatchNormalization":
            module.fields["eps"] = 1e-3
    network = imported(original)
    assert network.tanh_constant == 0
    assert_same(network, original, t7)
    modules[-1].fields["bias"] = None
    without = imported(original)
    assert not without.layers[-1].bias.any()


def test_a_bare_network_without_a_checkpoint(tmp_path, t7):
    original = t7.Maker().network(IMAGE, 3, start=16)
    path = tmp_path / "bare.t7"
    path.write_bytes(t7.encode(original))
    assert_same(load(path).network, original, t7)


def change(place, **fields):
    """Set fields of the layer at a place of the row."""

    def apply(t7, modules):
        modules[place].fields.update(fields)

    return apply


def put(place, kind, **fields):
    """Put a layer in between."""

    def apply(t7, modules):
        modules.insert(place, t7.Module(kind, fields))

    return apply


def drop(place):
    """Leave a layer out."""

    def apply(t7, modules):
        del modules[place]

    return apply


@pytest.mark.parametrize(
    ("edit", "part"),
    [
        (drop(0), "pads the picture by 0 pixels .* take 16 away"),
        (change(0, pad_l=3), "not the same on all sides"),
        (change(0, **{f"pad_{s}": 12 for s in "lrtb"}), "by 12 pixels .* take 16 away"),
        (change(1, padW=3, padH=3), r"layer 2 \(SpatialConvolution\) moves or crops"),
        (change(1, kW=7), "not the same in width and height"),
        (change(1, dW=1e300, dH=1e300), "dW 1e\\+300"),
        (change(1, weight=None), "no tensor 'weight'"),
        (change(1, weight=np.ones((4, 7), np.float32)), "weights of another size"),
        (
            change(1, weight=np.ones((4, 5, 9, 9), np.float32)),
            "takes 3, 6 or 7 channels, and not 5",
        ),
        (change(2, eps=0.1), r"layer 3 \(InstanceNormalization\) has the eps 0.1"),
        (change(2, bias=np.ones(9, np.float32)), "the shape \\(9,\\)"),
        (drop(2), "no normalization after it"),
        (drop(3), "where ReLU is expected"),
        (put(3, "Tanh"), "where ReLU is expected"),
        (put(4, "ShaveImage", size=2), r"layer 5 \(ShaveImage\) comes where"),
        (put(-1, "Tanh"), "where the end is expected"),
        (change(-2, constant_scalar=-1), "multiplies by -1"),
    ],
)
def test_a_layer_that_cannot_be_had_is_named(imported, t7, edit, part):
    original = t7.Maker().network(VIDEO, 7, start=16)
    edit(t7, original.fields["modules"])
    with pytest.raises(BrushflowError, match=f"checkpoint.t7 cannot be had here: .*{part}"):
        imported(original)


def test_blocks_must_fit(imported, t7):
    def block(network):
        return network.fields["modules"][10].fields["modules"][0]

    original = t7.Maker().network(VIDEO, 7, start=16)
    block(original).fields["modules"][1].fields["size"] = 3
    with pytest.raises(BrushflowError, match="different sizes"):
        imported(original)
    block(original).fields["modules"].append(t7.Module("Identity"))
    with pytest.raises(BrushflowError, match="3 branches instead of 2"):
        imported(original)
    mixed = t7.Maker("reflect").network(VIDEO, 7)
    plain = t7.Maker("zero", seed=1).network(VIDEO, 7)
    place = [module.kind for module in plain.fields["modules"]].index("Sequential")
    mixed.fields["modules"][place + 2] = plain.fields["modules"][place]
    with pytest.raises(BrushflowError, match="pads otherwise than the layers before it"):
        imported(mixed)


def test_other_preparation_of_pictures_is_taken_over(imported, t7):
    """The original's layers see and give RGB over a deviation; here it is network space."""
    original = t7.Maker().network("c3s1-4,d6,U2,c3s1-3", 3)
    network = imported(original, {"preprocessing": "resnet"})
    rgb = torch.rand(2, 3, 60, 76)
    mean, deviation = (
        torch.tensor(values).view(1, 3, 1, 1)
        for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    with torch.no_grad():
        wanted = t7.render(original, (rgb - mean) / deviation) * deviation + mean
        found = to_rgb(network(from_rgb(255 * rgb))) / 255
    assert wanted.std() > 0.1
    assert (found - wanted).abs().max() < 0.01
    with pytest.raises(BrushflowError, match="Unknown preprocessing 'caffe2'"):
        imported(original, {"preprocessing": "caffe2"})


def test_files_that_would_never_end_are_refused(imported, t7):
    loop = t7.Module("Sequential", {"modules": []})
    loop.fields["modules"] += [loop, loop]
    with pytest.raises(BrushflowError, match="more than 1000 layers"):
        imported(loop)
    with pytest.raises(BrushflowError, match="no entry 'model'"):
        imported({"not": "a network"})
    with pytest.raises(BrushflowError, match="do not make a stylization network"):
        imported(t7.Module("Sequential", {"modules": []}))
