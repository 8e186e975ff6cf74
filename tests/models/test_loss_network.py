"""The VGG that judges: layers by name and number, and files of every layout."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.models import load
from brushflow.models.loss_network import LossNetwork

CHANNELS = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128), 12: (256, 256)}


def state():
    torch.manual_seed(0)
    weights = {}
    for index, (out, into) in CHANNELS.items():
        weights[f"features.{index}.weight"] = torch.randn(out, into, 3, 3) * 0.05
        weights[f"features.{index}.bias"] = torch.randn(out)
    return weights


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "vgg.safetensors"
    save_file(state(), path)
    return path


def test_layers_are_named_as_in_the_papers(weights):
    network = LossNetwork(weights, ["relu1_2", "relu2_2", "relu3_1"])
    features = network(torch.randn(1, 3, 64, 64))
    shapes = {name: tuple(value.shape[1:]) for name, value in features.items()}
    assert shapes == {"relu1_2": (64, 64, 64), "relu2_2": (128, 32, 32), "relu3_1": (256, 16, 16)}
    assert all(value.min() >= 0 for value in features.values())


def test_the_originals_numbers_name_the_same_layers(weights):
    assert LossNetwork(weights, ["4", "9"]).wanted == ["relu1_2", "relu2_2"]


def test_it_is_the_network_that_the_weights_belong_to(weights):
    """Against the same layers put together by hand, both poolings."""
    x = torch.randn(1, 3, 32, 32)
    for pooling, layer in (("max", nn.MaxPool2d(2)), ("average", nn.AvgPool2d(2))):
        plain = nn.Sequential(
            *(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1)),
            *(nn.ReLU(), layer, nn.Conv2d(64, 128, 3, padding=1), nn.ReLU()),
        )
        plain.load_state_dict(
            {k.removeprefix("features."): v for k, v in state().items() if k.split(".")[1] in "025"}
        )
        found = LossNetwork(weights, ["relu2_1"], pooling)(x)["relu2_1"]
        assert torch.allclose(found, plain(x), atol=1e-4)


def test_a_call_may_stop_at_the_layers_it_needs(weights):
    network = LossNetwork(weights, ["relu1_2", "relu3_1"])
    last = network.layers[-1]
    last.forward = None  # would fail if it ran
    assert list(network(torch.randn(1, 3, 16, 16), ["relu1_2"])) == ["relu1_2"]


@pytest.mark.parametrize(("rounds_up", "matrices"), [(True, False), (False, True)])
def test_the_originals_own_file_gives_the_same(weights, tmp_path, t7, rounds_up, matrices):
    """vgg16.t7: convolutions, ReLUs and pools in a row, with classifying layers behind them."""
    maker = t7.Maker(matrices=matrices)
    modules = []
    for index, (out, into) in CHANNELS.items():
        if index in (5, 10):
            size = dict.fromkeys(("kW", "kH", "dW", "dH"), 2) | {"padW": 0, "padH": 0}
            modules.append(t7.Module("SpatialMaxPooling", {**size, "ceil_mode": rounds_up}))
        convolution = maker.convolution(into, out, 3, 1, 1)
        weight = state()[f"features.{index}.weight"].numpy().copy()
        convolution.fields["weight"] = weight.reshape(out, -1).copy() if matrices else weight
        convolution.fields["bias"] = state()[f"features.{index}.bias"].numpy().copy()
        modules += [convolution, t7.Module("ReLU")]
    modules += [t7.Module("View", {"size": 4096}), t7.Module("Dropout", {"p": 0.5})]
    path = tmp_path / "vgg16.t7"
    path.write_bytes(t7.encode(t7.Module("Sequential", {"modules": modules})))
    layers = ["4", "9", "relu3_2"]
    network = LossNetwork(path, layers)
    assert network.wanted == ["relu1_2", "relu2_2", "relu3_2"]
    x = torch.randn(1, 3, 32, 48)
    wanted, found = LossNetwork(weights, layers)(x), network(x)
    assert all(torch.allclose(wanted[name], found[name], atol=1e-5) for name in wanted)
    # Odd sides are halved as the file says.
    assert network(torch.randn(1, 3, 33, 33))["relu2_2"].shape[-1] == (17 if rounds_up else 16)
    with pytest.raises(BrushflowError, match="it is a VGG, which judges pictures"):
        load(path)
    painter = tmp_path / "candy.t7"
    painter.write_bytes(t7.encode({"model": t7.Maker().network("c9s1-4,d6,U2,c9s1-3", 7)}))
    with pytest.raises(BrushflowError, match=r"candy\.t7 does not hold the weights of a VGG"):
        LossNetwork(painter, ["relu1_1"])


@pytest.mark.parametrize(
    ("name", "prepare"),
    [
        ("vgg16_features-amdegroot-88682ab5.pth", lambda rgb: rgb),
        (
            "vgg19-dcbb9e9d.pth",
            lambda rgb: rgb / 255 / torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1),
        ),
    ],
)
def test_published_weights_take_rgb(tmp_path, name, prepare):
    """Network space in, what the published network makes of its own input out."""
    torch.save(state(), tmp_path / name)
    convolution = nn.Conv2d(3, 64, 3, padding=1)
    convolution.weight.data, convolution.bias.data = (
        state()[f"features.0.{part}"] for part in ("weight", "bias")
    )
    centred_rgb = torch.randn(1, 3, 8, 8) * 50
    found = LossNetwork(tmp_path / name, ["conv1_1"])(centred_rgb.flip(1))["conv1_1"]
    assert torch.allclose(found, convolution(prepare(centred_rgb)), atol=1e-3)


def test_names_are_downloaded(monkeypatch, tmp_path):
    asked = []

    def fetch(url, what, instead):
        asked.append(url.rsplit("/", 1)[1])
        # As published, where classifying layers are no numbers.
        torch.save({**state(), "classifier.0.bias": torch.tensor([torch.nan])}, tmp_path / "a.pth")
        return tmp_path / "a.pth"

    monkeypatch.setattr("brushflow.models.loss_network.download_file", fetch)
    for name in ("vgg16", "vgg19"):
        LossNetwork(name, ["relu1_1"])
    assert asked == ["vgg16_features-amdegroot-88682ab5.pth", "vgg19-dcbb9e9d.pth"]
    assert all(torch.hub.HASH_REGEX.search(name) for name in asked)


def test_missing_layers_and_other_files_are_named(weights, tmp_path):
    for layer in ("relu4_1", "0", "99"):
        with pytest.raises(UsageError, match=f"no layer '{layer}'; it has relu1_1"):
            LossNetwork(weights, [layer])
    with pytest.raises(UsageError, match="no pooling 'median'"):
        LossNetwork(weights, ["relu1_1"], "median")
    with pytest.raises(BrushflowError, match="There is no file"):
        LossNetwork(tmp_path / "absent.pth", ["relu1_1"])
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(BrushflowError, match=r"text\.pth"):
        LossNetwork(tmp_path / "text.pth", ["relu1_1"])
