"""Which losses count when, and how much."""

from dataclasses import replace

import pytest
import torch

from brushflow.training.objective import Objective
from brushflow.training.unroll import Step


@pytest.fixture
def steps():
    torch.manual_seed(0)
    frame, before, output = (torch.randn(1, 3, 32, 32) * 40 for _ in range(3))
    known = torch.ones(1, 1, 32, 32)
    seen = torch.zeros(1, 7, 32, 32)
    return [
        Step(frame, seen, torch.zeros_like(frame), 0 * known, 0 * known, before),
        Step(frame, seen, before, known, known, output),
    ]


def losses(options, steps, iteration, **call):
    objective = Objective(options, torch.device("cpu"))
    found = objective(torch.nn.Identity(), steps, iteration, **call)
    return {name: value.item() for name, value in found.items()}


def test_the_identity_comes_first_and_style_comes_in_slowly(options, steps):
    options = replace(options, identity_iterations=10, style_ramp=100).resolved()
    assert set(losses(options, steps, 9)) == {"range", "identity"}
    start, middle, end = (losses(options, steps, i)["style"] for i in (10, 60, 110))
    assert start == pytest.approx(0.15 * end)
    assert middle == pytest.approx(0.575 * end)
    full = losses(options, steps, 0, full=True)
    assert full["style"] == pytest.approx(end) and "identity" not in full


def test_frames_with_a_prior_have_a_share_of_the_styles_weight(options, steps):
    options = replace(options, identity_iterations=0, style_ramp=0).resolved()
    whole = losses(replace(options, style_with_prior=1.0), steps, 0)
    half = losses(replace(options, style_with_prior=0.5), steps, 0)
    assert half["style"] == pytest.approx(0.5 * whole["style"])
    assert half["content"] == whole["content"]
    # The same picture painted without a prior has all of it.
    alone = losses(replace(options, style_with_prior=0.5), steps[1:], 0)
    assert alone["style"] == pytest.approx(whole["style"])
    # A network that sees the picture only never paints with a prior.
    image = losses(replace(options, style_with_prior=0.5, network="image"), steps, 0)
    assert image["style"] == pytest.approx(whole["style"])


def test_all_steps_are_judged_through_time_and_only_the_last_otherwise(options, steps):
    options = replace(options, identity_iterations=0, style_ramp=0, style_with_prior=1.0).resolved()
    first, last = (losses(options, [step], 0)["content"] for step in steps)
    assert losses(options, steps, 0)["content"] == pytest.approx(last)
    through = losses(replace(options, through_time=True), steps, 0)["content"]
    assert through == pytest.approx((first + last) / 2)
