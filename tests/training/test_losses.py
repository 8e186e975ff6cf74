"""Losses have the values that their formulas give by hand."""

import pytest
import torch

from brushflow.errors import BrushflowError, UsageError
from brushflow.models import from_rgb
from brushflow.models.loss_network import LossNetwork, gram_matrix
from brushflow.training.losses import (
    PerceptualLoss,
    range_penalty,
    temporal_loss,
    total_variation,
)


def test_gram_matrix_by_hand():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    expected = torch.tensor([[5.0, 11.0], [11.0, 25.0]]) / 4
    assert torch.allclose(gram_matrix(features), expected)


def test_total_variation_by_hand():
    picture = torch.tensor([[[[0.0, 1.0, 5.0], [2.0, 0.0, 0.0]]]])
    # Only pixels with a right and a lower neighbour count: (0,0) and (0,1).
    assert float(total_variation(picture)) == pytest.approx((1 + 4 + 16 + 1) / 2)


def test_temporal_loss_counts_certain_pixels_only():
    output, prior = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 4.0)
    certainty = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    assert float(temporal_loss(output, prior, certainty)) == pytest.approx(16 / 4)


def test_range_penalty_is_zero_inside_and_grows_outside():
    inside = from_rgb(torch.rand(1, 3, 4, 4) * 255)
    assert float(range_penalty(inside)) == pytest.approx(0, abs=1e-6)
    assert float(range_penalty(from_rgb(torch.full((1, 3, 4, 4), 265.0)))) == pytest.approx(100)
    assert float(range_penalty(from_rgb(torch.full((1, 3, 4, 4), -10.0)))) == pytest.approx(100)


def test_the_painting_itself_has_no_style_loss(loss_weights):
    painting = torch.randn(1, 3, 64, 64) * 50
    network = LossNetwork(loss_weights, ["relu1_2", "relu3_1"])
    loss = PerceptualLoss(network, "relu3_1", ["relu1_2", "relu3_1"], painting, scales=2)
    content, style = loss(painting, painting)
    assert float(content) == 0
    assert float(style) == pytest.approx(0, abs=1e-3)
    _, other = loss(torch.randn(1, 3, 64, 64) * 20, painting)
    assert float(other) > 1


def test_layers_are_named_as_in_the_papers(loss_weights):
    network = LossNetwork(loss_weights, ["relu1_2", "relu2_2", "relu3_3"])
    features = network(torch.randn(1, 3, 64, 64))
    shapes = {name: tuple(value.shape[1:]) for name, value in features.items()}
    assert shapes == {"relu1_2": (64, 64, 64), "relu2_2": (128, 32, 32), "relu3_3": (256, 16, 16)}
    assert all(value.min() >= 0 for value in features.values())


def test_missing_layers_and_other_files_are_named(loss_weights, tmp_path):
    with pytest.raises(UsageError, match="no layer 'relu4_1'; it has relu1_1"):
        LossNetwork(loss_weights, ["relu4_1"])
    with pytest.raises(BrushflowError, match="There is no file"):
        LossNetwork(tmp_path / "absent.pth", ["relu1_1"])
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(BrushflowError, match=r"text\.pth"):
        LossNetwork(tmp_path / "text.pth", ["relu1_1"])
