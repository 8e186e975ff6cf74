"""Which losses count when, and how much."""

from dataclasses import asdict, fields, replace

import pytest
import torch

from brushflow.common.errors import UsageError
from brushflow.common.option_fields import option_of
from brushflow.training import temporal
from brushflow.training.losses import grid, structure
from brushflow.training.objective import Objective
from brushflow.training.recipes import RECIPES
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


def test_strokes_as_wide_again_are_those_of_a_painting_as_large_again(options, steps):
    wide = replace(options, style_size=36, stroke=2.0, style_scales=1)
    large = replace(options, style_size=72, stroke=1.0, style_scales=1)
    assert losses(wide.resolved(), steps, 8) == losses(large.resolved(), steps, 8)
    assert wide.settings() == large.settings()
    assert losses(replace(large, stroke=2.0).resolved(), steps, 8) != losses(
        large.resolved(), steps, 8
    )


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


def with_recipe(options, name, **changes):
    wanted = {k: RECIPES[name][k] for k in RECIPES[name] if k.startswith(("tv_", "batch_"))}
    changes = {"identity_iterations": 0, "style_ramp": 0, **wanted, **changes}
    return replace(options, **changes).resolved()


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_total_variation_of_the_papers_is_summed_over_the_batch(options, batch):
    torch.manual_seed(0)
    picture = torch.randn(batch, 3, 16, 16) * 40
    known, seen = torch.ones(batch, 1, 16, 16), torch.zeros(batch, 7, 16, 16)
    right = picture[..., :-1, 1:] - picture[..., :-1, :-1]
    below = picture[..., 1:, :-1] - picture[..., :-1, :-1]
    published = 1e-6 / 2 * float(right.square().sum() + below.square().sum())
    options = with_recipe(options, "mixed", batch_schedule=f"1,5:{batch}")
    objective = Objective(options, torch.device("cpu"))

    def smoothness(step):
        return objective(torch.nn.Identity(), [step], 5)["tv"].item()

    whole = Step(picture, seen, picture, known, known, picture)
    assert smoothness(whole) == pytest.approx(published)
    # The parts that a batch is computed in have the same mean as the whole.
    parts = [Step(*([t[i : i + 1] for t in asdict(whole).values()])) for i in range(batch)]
    assert sum(map(smoothness, parts)) / batch == pytest.approx(published)


def test_total_variation_of_quick_is_that_of_a_picture(options, steps):
    one = losses(with_recipe(options, "quick", batch_schedule="1"), steps, 0)["tv"]
    assert losses(with_recipe(options, "quick", batch_schedule="4"), steps, 0)["tv"] == one > 0


def test_content_has_a_strength_by_iteration(options, steps):
    options = with_recipe(options, "quick", content_strength_schedule="50,3:25,6:5")
    start, middle, end = (losses(options, steps, i) for i in (2, 3, 6))
    assert start["content"] == pytest.approx(2 * middle["content"])
    assert start["content"] == pytest.approx(10 * end["content"])
    assert start["style"] == end["style"]


def test_what_keeps_a_picture_readable_counts_by_its_weight(options, steps):
    plain = {"identity_iterations": 0, "luminance_weight": 0, "structure_weight": 0}
    options = replace(options, **plain, grid_weight=0.0)
    none = losses(replace(options, relative=True).resolved(), steps, 0)
    assert not {"luminance", "structure", "grid"} & set(none)
    some = {"luminance_weight": 0.5, "structure_weight": 0.5, "grid_weight": 0.5}
    half, whole = (
        losses(
            replace(options, relative=True, **{n: k * v for n, v in some.items()}).resolved(),
            steps, 0,
        )
        for k in (1, 2)
    )  # fmt: skip
    output, frame = steps[-1].output, steps[-1].frame
    for name, value in (("structure", structure(output, frame)), ("grid", grid(output) / 70**2)):
        assert whole[name] == pytest.approx(float(value), rel=1e-4)
        assert half[name] == pytest.approx(float(value) / 2, rel=1e-4)
    assert whole["luminance"] == pytest.approx(2 * half["luminance"])


def test_noise_lasts_as_long_as_it_is_asked_to(options, steps):
    def of_iterations(**changes):
        changes = {"temporal_loss": "noise", "temporal_weight_schedule": "7", **changes}
        objective = Objective(with_recipe(options, "quick", **changes), torch.device("cpu"))
        return [objective(lambda x: x[:, :3], steps, i)["temporal"].item() for i in range(4)]

    assert len(set(of_iterations())) == 4
    one, again, two, three = of_iterations(noise_every=2)
    assert one == again != two == three


def test_a_temporal_loss_is_a_class_and_a_row(options, steps, monkeypatch):
    """That is all: the registry decides which there are, what they weigh and what they look at."""
    seen = []

    class Brightness(temporal.TemporalLoss):
        weight = 3.0
        layers = ("relu1_1",)

        def compare(self, before, step, means):
            seen.append(means.features(step.output))
            return (step.output - before.output).mean().square()

    with pytest.raises(UsageError, match=r"choose one of .*c-fdb"):
        losses(replace(options, temporal_loss="brightness").resolved(), steps, 0, full=True)
    monkeypatch.setitem(temporal.TEMPORAL_LOSSES, "brightness", Brightness)
    options = replace(options, relative=False, temporal_loss="brightness").resolved()
    found = losses(options, steps, 0, full=True)["temporal"]
    assert found == pytest.approx(3 * float((steps[1].output - steps[0].output).mean() ** 2))
    assert [set(features) for features in seen] == [{"relu1_1"}]


def test_every_temporal_loss_can_be_chosen(options, steps):
    field = next(field for field in fields(options) if field.name == "temporal_loss")
    assert option_of(field).choices == tuple(temporal.TEMPORAL_LOSSES)
    for kind, loss in temporal.TEMPORAL_LOSSES.items():
        chosen = replace(options, temporal_loss=kind, temporal_weight_schedule="1").resolved()
        objective = Objective(chosen, torch.device("cpu"))
        found = objective(lambda x: x[:, :3], steps, 0, full=True)
        assert (found["temporal"].item() > 0) == (loss.weight > 0)


def test_noise_comes_beside_another_temporal_loss(options, steps):
    def painted(**changes):
        objective = Objective(with_recipe(options, "quick", **changes), torch.device("cpu"))
        found = objective(lambda x: x[:, :3], steps, 1)
        return {name: value.item() for name, value in found.items()}

    plain = painted(temporal_loss="p-fdb")
    both = painted(temporal_loss="p-fdb", noise_weight_schedule="0,1:7")
    alone = painted(temporal_loss="noise", temporal_weight_schedule="7")
    assert alone["temporal"] > 0
    assert both.pop("noise") == pytest.approx(alone["temporal"])
    assert both == plain
    other = painted(temporal_loss="noise", temporal_weight_schedule="7", noise_range=20.0)
    fewer = painted(temporal_loss="noise", temporal_weight_schedule="7", noise_per_img=1)
    assert other["temporal"] != alone["temporal"] != fewer["temporal"]
    with pytest.raises(UsageError, match="added to another temporal loss than noise"):
        painted(temporal_loss="noise", noise_weight_schedule="1")
