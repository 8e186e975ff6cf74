"""Temporal losses have the values that their formulas give by hand."""

import numpy as np
import pytest
import torch

from brushflow.models import deprocess, preprocess
from brushflow.training.temporal import (
    DIFFERENCE_LAYER,
    FEATURE_SHARE,
    TEMPORAL_LOSSES,
    Means,
    noise_loss,
)
from brushflow.training.unroll import Step


def step(frame, output, prior=0.0, certainty=1.0, reliable=1.0):
    """A step of 2×2 pixels whose pictures are of one value each."""
    picture = torch.zeros(1, 3, 2, 2)
    mask = torch.zeros(1, 1, 2, 2)
    return Step(
        picture + frame,
        torch.zeros(1, 7, 2, 2),
        picture + prior,
        mask + torch.as_tensor(certainty),
        mask + torch.as_tensor(reliable),
        picture + output,
    )


def means(criterion="l2"):
    return Means(criterion, lambda x: {DIFFERENCE_LAYER: 2 * x}, lambda step: torch.tensor(0.0))


def value(kind, steps, criterion="l2"):
    return float(TEMPORAL_LOSSES[kind]()(steps, means(criterion)))


HALF = torch.tensor([[1.0, 1.0], [0.0, 0.0]])


@pytest.mark.parametrize(("criterion", "expected"), [("l2", 16.0), ("l1", 4.0), ("smooth-l1", 3.5)])
def test_pixel_loss_is_a_mean_over_all_pixels_hidden_ones_counting_zero(criterion, expected):
    steps = [step(0, 0), step(0, 10, prior=6, certainty=HALF)]
    assert value("pixel", steps, criterion) == pytest.approx(expected / 2)


def test_optical_flow_loss_is_a_mean_over_reliable_pixels():
    steps = [step(0, 0), step(0, 10, prior=6, certainty=0.0, reliable=HALF)]
    assert value("ofb", steps) == pytest.approx(16)


def test_the_warped_painting_takes_no_gradient_from_the_optical_flow_loss():
    before, after = torch.nn.Parameter(torch.tensor(6.0)), torch.nn.Parameter(torch.tensor(10.0))
    ones = torch.ones(1, 3, 4, 4)
    here = Step(ones, ones, before * ones, ones[:, :1], ones[:, :1], after * ones)
    loss = TEMPORAL_LOSSES["ofb"]()([here, here], means())
    loss.backward()
    assert before.grad is None and float(after.grad) == pytest.approx(8)


def test_noise_stays_within_what_pixels_can_be():
    white = preprocess(np.full((16, 16, 3), 255, np.uint8))
    inputs = []
    painted = Step(white, white, white, white[:, :1], white[:, :1], white)
    noise_loss(lambda x: inputs.append(x) or x[:, :3], painted, [0, 0], None, 100.0)
    seen = deprocess(inputs[0][:, :3])
    assert (inputs[0][:, :3] <= white + 1e-4).all() and seen.min() < 200


def test_frame_differences():
    steps = [step(frame=1, output=20), step(frame=4, output=28)]
    # The output changed by 8, the input by 3.
    assert value("p-fdb", steps) == pytest.approx(25)
    assert value("c-fdb", steps) == pytest.approx(25 + FEATURE_SHARE * 10)


def test_a_change_that_the_input_makes_too_costs_nothing():
    steps = [step(frame=1, output=20), step(frame=4, output=23)]
    assert value("p-fdb", steps) == value("c-fdb", steps) == 0


def test_steps_are_averaged_and_one_picture_has_no_past():
    steps = [step(0, 0), step(0, 2, prior=0), step(0, 4, prior=0)]
    assert value("pixel", steps) == pytest.approx((4 + 16) / 2)
    for kind in TEMPORAL_LOSSES:
        assert value(kind, steps[:1]) == 0


def test_noise_loss_sees_other_noise_every_time_and_teaches_the_noisy_branch_only():
    frame = torch.zeros(1, 3, 32, 32)
    seen = torch.cat([frame, torch.ones(1, 4, 32, 32)], 1)
    gain = torch.nn.Parameter(torch.tensor(2.0))
    inputs = []

    def network(x):
        inputs.append(x)
        return gain * x[:, :3]

    painted = Step(frame, seen, frame, frame[:, :1], frame[:, :1], gain * frame + 1)
    losses = [noise_loss(network, painted, [0, i], None, 100.0) for i in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]
    noise = inputs[0][:, :3]
    assert losses[0].item() == pytest.approx(float((2 * noise - 1).square().mean()), rel=1e-4)
    assert torch.equal(inputs[0][:, 3:], seen[:, 3:])
    assert 0.2 < float((noise.abs().sum(1) > 0).float().mean()) < 0.4
    losses[0].backward()
    expected = float((2 * (2 * noise - 1) * noise).mean())
    assert float(gain.grad) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("picks", "reach"), [(200, 4.0), (20_000, 10.0), (60_000, 1.0)])
def test_noise_is_as_much_as_published(picks, reach):
    """Picks fall on pixels as balls into boxes, and every one adds an even share of ±reach."""
    gray = torch.zeros(2, 3, 128, 128)
    painted = Step(gray, torch.zeros(2, 7, 128, 128), gray, gray[:, :1], gray[:, :1], gray)
    inputs = []
    noise_loss(lambda x: inputs.append(x) or x[:, :3], painted, [0, 0], picks, reach)
    noise = inputs[0][:, :3]
    hit = (noise.abs().sum(1) > 0).float().mean(dim=(1, 2))
    expected = 1 - (1 - 1 / 128**2) ** picks
    assert hit.tolist() == pytest.approx([expected] * 2, rel=0.05)
    assert float(noise.square().mean()) == pytest.approx(picks / 128**2 * reach**2 / 3, rel=0.1)
    assert picks < 2000 or bool((noise.abs() > reach).any())  # some are picked twice
    assert abs(float(torch.corrcoef(noise.transpose(0, 1).flatten(1))[0, 1])) < 0.3
