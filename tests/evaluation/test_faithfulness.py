"""Content, style, edges and LPIPS: equal pictures, values by hand, and published weights."""

import hashlib

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage import data

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.evaluation.faithfulness import Perceptual, edge_map, edge_similarity, light_order
from brushflow.evaluation.lpips import PUBLISHED, Lpips
from brushflow.models import preprocess
from brushflow.models.loss_network import LossNetwork


@pytest.fixture(scope="module")
def photo():
    return np.ascontiguousarray(data.astronaut()[100:164, 120:200])


@pytest.fixture(scope="module")
def other():
    return np.ascontiguousarray(data.coffee()[100:164, 120:200])


def test_a_picture_has_its_own_content_and_style(photo, loss_weights):
    judge = Perceptual(loss_weights, photo)
    features = judge.features(photo)
    assert judge.content(features, features) == 0
    assert judge.style(features) == 0


def test_content_and_style_follow_their_formulas(photo, other, loss_weights):
    layers = ["relu1_2", "relu2_2"]
    judge = Perceptual(loss_weights, other, layers[1:], layers)
    features = judge.features(photo)
    network = LossNetwork(loss_weights, layers)
    a, b = (
        {k: v.double().numpy() for k, v in network(preprocess(p)).items()} for p in (photo, other)
    )
    content = np.square(a["relu2_2"] - b["relu2_2"]).mean()
    assert judge.content(features, judge.features(other)) == pytest.approx(content, rel=1e-4)

    def gram(x):
        flat = x[0].reshape(x.shape[1], -1)
        return flat @ flat.T / flat.size

    style = sum(np.square(gram(a[name]) - gram(b[name])).mean() for name in layers)
    assert judge.style(features) == pytest.approx(style, rel=1e-4)


def test_without_a_painting_there_is_no_style(photo, loss_weights):
    assert Perceptual(loss_weights).targets == {}


def test_edges_by_hand():
    step = np.zeros((9, 10, 3), np.uint8)
    step[:, 5:] = 255
    edges = edge_map(step)
    assert np.allclose(edges[:, 4:6], 1, atol=1e-5) and (edges[:, [0, 1, 2, 7, 8, 9]] == 0).all()
    assert edge_similarity(edges, edges) == pytest.approx(1)


def test_edges_forgive_colour_but_not_shape(photo, other):
    edges = edge_map(photo)
    assert edge_similarity(edge_map(255 - photo), edges) == pytest.approx(1, abs=1e-3)
    blurred = edge_similarity(edge_map(cv2.GaussianBlur(photo, (0, 0), 3)), edges)
    assert edge_similarity(edge_map(other), edges) < blurred < 0.8


@pytest.fixture(scope="module")
def published(data_folder):
    weights = data_folder / "weights"
    return (
        weights / "squeezenet1_1-imagenet-fp16.safetensors",
        weights / "lpips-v0.1-squeeze-linear.pth",
    )


def test_lpips_is_that_of_the_authors_package(published):
    lpips = Lpips(published)
    a = data.astronaut()[:160, 100:300]
    b = data.coffee()[:160, 100:300]
    darker = (a // 2 + 40).astype(np.uint8)
    # Computed with lpips 0.1.4 and the same weights.
    assert lpips(a, b) == pytest.approx(0.632133, abs=1e-5)
    assert lpips(a, darker) == pytest.approx(0.097603, abs=1e-5)
    assert lpips(a, a) == 0 and lpips(b, a) == pytest.approx(lpips(a, b))


@pytest.fixture
def alexnet(tmp_path):
    """Random weights of AlexNet and linear layers that all are 1."""
    torch.manual_seed(0)
    shapes = {
        0: (64, 3, 11),
        3: (192, 64, 5),
        6: (384, 192, 3),
        8: (256, 384, 3),
        10: (256, 256, 3),
    }
    state = {}
    for index, (out, into, side) in shapes.items():
        state[f"features.{index}.weight"] = torch.randn(out, into, side, side) * 0.05
        state[f"features.{index}.bias"] = torch.zeros(out)
    save_file(state, tmp_path / "alexnet.safetensors")
    lines = {
        f"lin{i}.model.1.weight": torch.ones(1, out, 1, 1)
        for i, (out, _, _) in enumerate(shapes.values())
    }
    torch.save(lines, tmp_path / "linear.pth")
    return tmp_path / "alexnet.safetensors", tmp_path / "linear.pth"


def test_lpips_of_unit_weights_is_a_distance_of_unit_vectors(alexnet, photo, other):
    lpips = Lpips(alexnet)
    assert lpips.name == "alexnet"
    # |a − b|² of unit vectors is 2 − 2 a·b.
    expected = sum(
        float((2 - 2 * (a * b).sum(1)).mean())
        for a, b in zip(lpips.features(photo), lpips.features(other), strict=True)
    )
    assert 0 < lpips(photo, other) == pytest.approx(expected, rel=1e-3)


def test_other_weights_are_refused(alexnet, loss_weights, photo, tmp_path):
    network, linear = alexnet
    with pytest.raises(BrushflowError, match="no weights for LPIPS"):
        Lpips((linear, linear))
    with pytest.raises(BrushflowError, match="do not hold"):
        Lpips((network, network))
    with pytest.raises(BrushflowError, match="There is no file"):
        Lpips((tmp_path / "absent.pth", linear))
    (tmp_path / "bad.pth").write_bytes(b"not weights")
    with pytest.raises(BrushflowError, match="is not a file"):
        Lpips((tmp_path / "bad.pth", linear))
    lines = torch.load(linear, weights_only=True)
    lines["lin1.model.1.weight"] = torch.ones(1, 128, 1, 1)
    torch.save(lines, linear)
    with pytest.raises(BrushflowError, match="another network"):
        Lpips((network, linear))


def test_named_weights_are_downloaded(alexnet, monkeypatch):
    asked = []

    def fetch(url, what, instead, name=None):
        asked.append((url.rsplit("/", 1)[1], name))
        return alexnet[name is not None]

    monkeypatch.setattr("brushflow.evaluation.lpips.download_file", fetch)
    assert Lpips("alex").name == "alexnet"
    assert asked == [
        ("alexnet-owt-7be5be79.pth", None),
        ("alex.pth", "lpips-v0.1-alex-df73285e.pth"),
    ]
    with pytest.raises(UsageError, match="there are squeeze, alex, vgg"):
        Lpips("resnet")


@pytest.mark.parametrize("name", ["squeeze", "alex", "vgg"])
def test_the_published_layers_have_the_digest_that_is_asked_for(name, data_folder):
    content = (data_folder / f"weights/lpips-v0.1-{name}-linear.pth").read_bytes()
    assert hashlib.sha256(content).hexdigest().startswith(PUBLISHED[name][1])


def test_lpips_needs_a_picture_of_some_size(alexnet, photo):
    with pytest.raises(UsageError, match="32 pixels"):
        Lpips(alexnet)(photo[:20], photo[:20])


def test_lights_order_knows_no_palette():
    frame = np.ascontiguousarray(data.astronaut()[:160, :240])
    assert light_order(frame, frame) == pytest.approx(1)
    other_palette = (np.sqrt(frame / 255.0) * (200, 120, 60)).astype(np.uint8)
    assert light_order(other_palette, frame) > 0.97
    assert light_order(255 - frame, frame) == pytest.approx(-1, abs=1e-3)
    noise = np.random.default_rng(0).integers(0, 256, frame.shape, np.uint8)
    assert abs(light_order(noise, frame)) < 0.3


def test_what_is_equally_light_has_no_order():
    frame = np.ascontiguousarray(data.astronaut()[:157, :231])  # no whole blocks of 16
    grey = np.full_like(frame, 77)
    assert light_order(grey, frame) == light_order(frame, grey) == light_order(grey, grey) == 0
    # A quarter of each of two steps, by hand: ranks 1.5, 1.5, 3.5, 3.5 and 2, 2, 2, 4.
    half, corner = np.zeros((2, 32, 32, 3), np.uint8)
    half[16:], corner[16:, 16:] = 200, 90
    assert light_order(corner, half) == pytest.approx(1 / np.sqrt(3))
