"""Losses have the values that their formulas give by hand."""

import pytest
import torch

from brushflow.errors import UsageError
from brushflow.models import from_rgb
from brushflow.models.loss_network import LossNetwork, gram_matrix, spatial_mean
from brushflow.training.losses import (
    PerceptualLoss,
    layer_weights,
    range_penalty,
    total_variation,
)


def test_gram_matrix_by_hand():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    expected = torch.tensor([[5.0, 11.0], [11.0, 25.0]]) / 4
    assert torch.allclose(gram_matrix(features), expected)
    assert torch.equal(spatial_mean(features), torch.tensor([[1.5, 3.5]]))


def test_total_variation_by_hand():
    picture = torch.tensor([[[[0.0, 1.0, 5.0], [2.0, 0.0, 0.0]]]])
    # Only pixels with a right and a lower neighbour count: (0,0) and (0,1).
    assert float(total_variation(picture)) == pytest.approx((1 + 4 + 16 + 1) / 2)


def test_range_penalty_is_zero_inside_and_grows_outside():
    inside = from_rgb(torch.rand(1, 3, 4, 4) * 255)
    assert float(range_penalty(inside)) == pytest.approx(0, abs=1e-6)
    assert float(range_penalty(from_rgb(torch.full((1, 3, 4, 4), 265.0)))) == pytest.approx(100)
    assert float(range_penalty(from_rgb(torch.full((1, 3, 4, 4), -10.0)))) == pytest.approx(100)


LAYERS = ["relu1_2", "relu3_1"]


def perceptual(weights, paintings, blend=None, style=None, **options):
    network = LossNetwork(weights, LAYERS)
    style = style or {"relu1_2": 1.0, "relu3_1": 1.0}
    return PerceptualLoss(
        network, {"relu3_1": 1.0}, style, paintings, blend or [1.0] * len(paintings), **options
    )


@pytest.mark.parametrize("statistic", ["gram", "mean"])
def test_the_painting_itself_has_no_style_loss(loss_weights, statistic):
    painting = torch.randn(1, 3, 64, 64) * 50
    loss = perceptual(loss_weights, [painting], scales=2, statistic=statistic)
    content, style = loss(painting, painting)
    assert float(content) == 0
    assert float(style) == pytest.approx(0, abs=1e-3)
    _, other = loss(torch.randn(1, 3, 64, 64) * 20, painting)
    assert float(other) > 1


def test_weights_of_layers_multiply_their_terms(loss_weights):
    painting, picture = torch.randn(2, 1, 3, 64, 64) * 50
    one = perceptual(loss_weights, [painting], style={"relu1_2": 1.0})(picture, painting)[1]
    other = perceptual(loss_weights, [painting], style={"relu3_1": 1.0})(picture, painting)[1]
    both = perceptual(loss_weights, [painting], style={"relu1_2": 2.0, "relu3_1": 0.5})
    assert float(both(picture, painting)[1]) == pytest.approx(float(2 * one + 0.5 * other))


def test_several_paintings_are_blended_by_their_shares(loss_weights):
    a, b = torch.randn(2, 1, 3, 64, 64) * 50
    mixed = perceptual(loss_weights, [a, b], [3.0, 1.0])
    target = mixed.targets[0]["relu1_2"]
    grams = [gram_matrix(mixed.network(picture)["relu1_2"]) for picture in (a, b)]
    assert torch.allclose(target, 0.75 * grams[0] + 0.25 * grams[1], rtol=1e-4)


def test_one_weight_counts_for_all_layers():
    assert layer_weights(["a", "b"], (2.0,), "--x") == {"a": 2.0, "b": 2.0}
    assert layer_weights(["a", "b"], (1.0, 3.0), "--x") == {"a": 1.0, "b": 3.0}
    with pytest.raises(UsageError, match="--x has 3 values for 2 layers"):
        layer_weights(["a", "b"], (1.0, 2.0, 3.0), "--x")
