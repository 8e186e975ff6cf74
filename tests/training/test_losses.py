"""Losses have the values that their formulas give by hand."""

import pytest
import torch
import torch.nn.functional as F

from brushflow.common.errors import UsageError
from brushflow.models import from_rgb
from brushflow.models.loss_network import LossNetwork, gram_matrix, spatial_mean
from brushflow.training.losses import (
    PerceptualLoss,
    grid,
    layer_weights,
    luminance_order,
    places_of,
    range_penalty,
    structure,
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
    style = style or {"relu1_2": 1.0, "relu3_1": 1.0, "relu3_1/2": 1.0}
    places = {place: w for layer, w in style.items() for place in places_of(layer, 1)}
    shares = blend or [1.0] * len(paintings)
    return PerceptualLoss(network, {("relu3_1", 1): 1.0}, places, paintings, shares, **options)


@pytest.mark.parametrize("statistic", ["gram", "mean", "moments"])
def test_the_painting_itself_has_no_style_loss(loss_weights, statistic):
    painting = torch.randn(1, 3, 64, 64) * 50
    loss = perceptual(loss_weights, [painting], statistic=statistic)
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
    (target,) = mixed.targets["relu1_2", 1]
    grams = [gram_matrix(mixed.network(picture)["relu1_2"]) for picture in (a, b)]
    assert torch.allclose(target, 0.75 * grams[0] + 0.25 * grams[1], rtol=1e-4)


def seen_as_it_is(picture, layers):
    """In place of a VGG: its only layer is the picture itself."""
    return dict.fromkeys(layers, picture)


def together(painting, share):
    judged = {("relu1_2", 1): 1.0}
    return PerceptualLoss(seen_as_it_is, judged, judged, [painting], [1], "mean", together=share)


def test_pictures_may_have_the_palette_of_a_painting_together():
    dark, light = torch.full((1, 3, 4, 4), -80.0), torch.full((1, 3, 4, 4), 60.0)
    loss = together(torch.full((1, 3, 4, 4), -10.0), 0.5)
    assert float(loss(dark, dark)[1]) == 70**2  # nothing is known of others
    loss.remember()
    assert float(loss(light, light)[1]) == 0  # half of it and half of the dark one
    assert float(loss(light, light, alone=True)[1]) == 70**2
    loss.remember()
    # The memory is a running mean over 20 pictures: −80 and one twentieth of what is light.
    assert float(loss(light, light)[1]) == pytest.approx((60 / 2 - (80 - 140 / 20) / 2 + 10) ** 2)


def test_what_is_judged_together_is_learned_from_each_picture_as_much_as_alone():
    other = torch.randn(1, 3, 4, 4) * 50
    gradients = []
    for share in (0.0, 0.5):
        loss = together(torch.zeros(1, 3, 4, 4), share)
        loss(other, other)
        loss.remember()
        output = other.clone().requires_grad_()
        loss(output, other)[1].backward()
        gradients.append(output.grad)
    assert torch.allclose(*gradients)  # another picture just like it changes nothing


def test_a_layer_may_look_at_a_smaller_picture(loss_weights):
    painting, picture = torch.randn(2, 1, 3, 64, 64) * 50
    shrunk = perceptual(loss_weights, [painting], style={"relu1_2/4": 1.0})(picture, painting)[1]
    by_hand = perceptual(loss_weights, [F.avg_pool2d(painting, 4)], style={"relu1_2": 1.0})
    small = F.avg_pool2d(picture, 4)
    assert float(shrunk) == pytest.approx(float(by_hand(small, small)[1]), rel=1e-5)
    assert places_of("relu3_3", 3) == [("relu3_3", 1), ("relu3_3", 2), ("relu3_3", 4)]
    assert places_of("relu3_3/4", 3) == [("relu3_3", 4)]
    for wrong in ("relu3_3/3", "relu3_3/", "relu3_3/x"):
        with pytest.raises(UsageError, match="relu3_3/4"):
            places_of(wrong, 1)


def test_relative_losses_know_no_unit(loss_weights):
    """Features and paintings of any size cost the same, and so do weights of any sum."""
    painting, picture, frame = torch.randn(3, 1, 3, 64, 64) * 50
    loss = perceptual(loss_weights, [painting], relative=True)
    content, style = loss(picture, frame)
    doubled = perceptual(
        loss_weights, [painting], style={"relu1_2": 2.0, "relu3_1": 2.0, "relu3_1/2": 2.0},
        relative=True,
    )  # fmt: skip
    last = [m for m in doubled.network.layers if hasattr(m, "bias")][-1]
    last.weight.mul_(10), last.bias.mul_(10)  # the judge's last layer, ten times as large
    doubled.targets = perceptual(loss_weights, [painting], relative=True).targets
    for place in doubled.targets:
        if place[0] == "relu3_1":
            doubled.targets[place] = [100 * target for target in doubled.targets[place]]
    assert [float(x) for x in doubled(picture, frame)] == pytest.approx(
        [float(content), float(style)], rel=1e-4
    )
    # Nothing at all is as far away as the thing itself is large.
    empty = loss._error(torch.zeros(1, 3, 3), torch.ones(1, 3, 3))
    assert float(empty) == 1


def test_light_that_stays_light_costs_nothing_whatever_the_palette():
    random = torch.Generator().manual_seed(0)
    rgb = F.interpolate(torch.rand(2, 3, 6, 6, generator=random) * 255, scale_factor=16)
    frame = from_rgb(rgb)
    assert float(luminance_order(frame, frame)) == pytest.approx(0, abs=1e-4)
    assert float(luminance_order(from_rgb(0.3 * rgb + 90), frame)) == pytest.approx(0, abs=1e-2)
    assert float(luminance_order(from_rgb(255 - rgb), frame)) == pytest.approx(2, abs=1e-2)
    # What is finer than 16 pixels is the strokes' business.
    hatch = 40 * (-1.0) ** torch.arange(96)
    assert float(luminance_order(from_rgb(rgb + hatch), frame)) == pytest.approx(0, abs=1e-3)
    plain = from_rgb(torch.full((1, 3, 96, 96), 128.0))
    assert torch.isfinite(luminance_order(plain, plain))


def test_structure_is_of_each_place():
    """In shade as in light, whatever the light and the contrast are; what is turned over is not."""
    random = torch.Generator().manual_seed(0)
    rgb = F.interpolate(torch.rand(1, 1, 24, 24, generator=random) * 120, scale_factor=4)
    rgb = rgb.repeat(1, 3, 1, 1)
    frame = from_rgb(rgb)
    assert float(structure(frame, frame)) == pytest.approx(0, abs=1e-4)
    gain = torch.linspace(0.5, 1.5, 96)
    assert float(structure(from_rgb(gain * rgb + 40), frame)) == pytest.approx(0, abs=0.05)
    assert float(structure(from_rgb(255 - rgb), frame)) == pytest.approx(2, abs=0.1)
    # Half of it lost, and a plain picture has nothing to lose.
    half = torch.where(torch.arange(96) < 48, rgb, rgb.mean())
    assert 0.4 < float(structure(from_rgb(half), frame)) < 0.6
    plain = from_rgb(torch.full((1, 3, 96, 96), 128.0)).requires_grad_()
    loss = structure(plain, from_rgb(torch.full((1, 3, 96, 96), 90.0)))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-3)
    assert plain.grad is not None
    assert bool(torch.isfinite(plain.grad).all())


def test_a_grid_is_what_every_fourth_pixel_repeats():
    def lines(period: int, height: int = 96, width: int = 96) -> torch.Tensor:
        columns = torch.arange(width)
        return (10.0 * (columns % period == 1)).expand(1, 3, height, width)

    # The Laplacian of a line 10 high is 20 on it and -10 beside it: (400 + 100 + 100) / 4 is 150.
    assert float(grid(lines(4))) == pytest.approx(150, rel=0.02)
    assert float(grid(lines(4, 17, 30))) == pytest.approx(150, rel=0.1)
    # Strokes of another width are none, nor is noise, nor light that bends.
    assert float(grid(lines(5))) < 15
    noise = 10 * torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    assert float(grid(noise)) < 40  # of the 2000 that its Laplacian has
    bent = 10_000 * torch.cos(torch.pi * (torch.arange(96) + 0.5) / 96)
    assert float(grid(bent.expand(1, 3, 96, 96))) < 1  # of the 50 that its Laplacian has


def test_one_weight_counts_for_all_layers():
    assert layer_weights(["a", "b"], (2.0,), "x") == {"a": 2.0, "b": 2.0}
    assert layer_weights(["a", "b"], (1.0, 3.0), "x") == {"a": 1.0, "b": 3.0}
    with pytest.raises(UsageError, match="There are 3 weights for 2 layers") as caught:
        layer_weights(["a", "b"], (1.0, 2.0, 3.0), "x")
    assert caught.value.about == "x"
