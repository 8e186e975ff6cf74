"""What a training run is asked for: checked before it begins, and kept in the model."""

import math
from dataclasses import replace

import numpy as np
import pytest

from brushflow.common.errors import UsageError
from brushflow.models import load
from brushflow.training import TrainOptions, loop, train
from brushflow.training.schedule import WARM_UP, Schedule, SizeSchedule, one_cycle


def test_the_model_holds_its_settings(finished):
    settings = load(finished.output).training
    assert settings["style"] == ["painting.png"]
    assert (settings["iterations"], settings["network"]) == (8, "video")


def test_finished_models_paint_a_margin(finished):
    assert load(finished.output).network.margin == 16


def test_sizes_are_sides_or_heights_and_widths():
    sizes = SizeSchedule.parse("128x192,600:192", "sizes", 16)
    assert (sizes(0), sizes(600), sizes.square) == ((128, 192), (192, 192), False)
    assert sizes.largest == (192, 192)
    assert SizeSchedule.parse("0:64,5:96", "sizes", 16)(5) == (96, 96)
    assert SizeSchedule.parse("256:384", "sizes", 16)(0) == (256, 384)  # as published
    for text in ("8x64", "64x8", "64x", "x64", "64x64x64", "5:64,6:96"):
        with pytest.raises(UsageError) as caught:
            SizeSchedule.parse(text, "sizes", 16)
        assert caught.value.about == "sizes"


@pytest.mark.parametrize(
    "change",
    [
        {"norm": "batch", "preprocessing": "resnet", "size_schedule": "32x48"},
        {"arch": "c3s1-8,c4s2-8,R8,f4s2-8,c3s1-3", "padding_type": "interpolate", "norm": "plain",
         "tanh_constant": 0.0},
    ],
)  # fmt: skip
def test_every_kind_of_network_learns_and_is_kept(options, change):
    path = train(replace(options, iterations=4, **change))
    network = load(path).network
    for name in ("norm", "preprocessing", "arch", "padding_type", "tanh_constant"):
        assert getattr(network, name) == getattr(replace(options, **change).resolved(), name)
    again = replace(options, init_from=path, arch=None, output=path.with_name("b.safetensors"))
    assert again.resolved().norm == network.norm
    assert load(train(replace(again, iterations=1))).network.norm == network.norm


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arch": "c3s1-8,x8,c3s1-3"}, r"x8"),
        ({"temporal_loss": "magic"}, "There is no 'magic'; choose one of"),
        ({"style_blend": (1.0, 2.0)}, "The blend of 1 painting needs a share"),
        ({"style_blend": (math.nan,)}, "needs a share"),
        ({"style_weights": (1.0, 2.0)}, "There are 2 weights for 3 layers"),
        ({"min_filter": 4}, "has an odd width, not 4"),
        ({"learning_rate": "fast"}, "'fast' is not of the form"),
        ({"size_schedule": "8"}, "'8': every value is a whole number from 16 up"),
        ({"accumulate": 3}, "cannot be shared evenly"),
        ({"data_mix": "video:1"}, "no videos are given"),
    ],
)
def test_wrong_options_are_named(options, change, message):
    with pytest.raises(UsageError, match=message):
        train(replace(options, **change))


def test_a_style_picture_must_be_large_enough(options, tmp_path):
    from skimage import io

    io.imsave(tmp_path / "small.png", np.zeros((40, 90, 3), np.uint8), check_contrast=False)
    with pytest.raises(UsageError, match="only 90×40"):
        train(replace(options, style=(tmp_path / "small.png",)))


def test_schedules_change_at_their_iterations():
    schedule = Schedule.parse("1,50:2,60:4", "steps")
    assert [schedule(i) for i in (0, 49, 50, 59, 60, 999)] == [1, 1, 2, 2, 4, 4]
    assert schedule.largest == 4
    assert Schedule.parse("0:1e-3", "x")(5) == 1e-3
    for text in ("", "5:1", "1,9:2,3:4", "a", "1,:", "-1", "nan"):
        with pytest.raises(UsageError) as caught:
            Schedule.parse(text, "sizes")
        assert caught.value.about == "sizes"


def test_one_cycle_rises_and_falls():
    shares = [one_cycle(i, 1000) for i in range(1000)]
    assert shares[0] < 0.05 and max(shares) == pytest.approx(1, abs=0.02) and shares[-1] < 0.03
    top = shares.index(max(shares))
    assert top < WARM_UP and shares[top:] == sorted(shares[top:], reverse=True)


def test_defaults_of_the_mix_use_what_is_there(options):
    assert "video" not in options.resolved().data_mix
    assert "video:3" in replace(options, videos=options.images).resolved().data_mix
    only = TrainOptions(options.style, options.output, videos=options.images)
    assert only.resolved().data_mix == "video:3"


def test_models_are_called_safetensors_before_anything_is_trained(options):
    with pytest.raises(UsageError, match=r"call the output mine\.safetensors instead of mine\.pth"):
        train(replace(options, output=options.output.with_name("mine.pth")))


def test_what_exists_is_not_replaced_by_a_model(options, monkeypatch):
    monkeypatch.setattr(loop, "Run", None)  # before anything is trained
    options.output.mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        train(options)
    options.output.rmdir()
    options.output.write_bytes(b"of months")
    folder = options.output.with_name("mine.safetensors.training")
    for _ in range(2):  # nor where a training has begun that has written none
        with pytest.raises(UsageError, match=r"mine\.safetensors exists already"):
            train(options)
        folder.mkdir(exist_ok=True)
    assert options.output.read_bytes() == b"of months" and not any(folder.iterdir())


def test_a_training_that_is_done_is_done_again_at_once(finished):
    before = finished.output.read_bytes()
    steps = []
    assert train(finished, steps.append) == finished.output
    assert not steps and finished.output.read_bytes() == before


def test_judging_by_what_is_not_taught_is_refused(options, photographs):
    options = replace(options, val_videos=photographs)
    with pytest.raises(UsageError, match="to judge what the videos for training teach"):
        train(options)
