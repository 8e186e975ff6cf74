"""Training that comes to nothing says so, before and after."""

from dataclasses import replace

import pytest
import torch
from skimage import data

from brushflow.common.errors import BrushflowError
from brushflow.models import available, build, load, preprocess
from brushflow.training import train
from brushflow.training.loop import Run
from brushflow.training.outcome import Likeness, foreseen, seen
from brushflow.training.unroll import Step


def likeness(*pairs):
    measured = Likeness()
    for frame, output in pairs:
        measured.add(Step(frame, frame, frame, frame[:, :1], frame[:, :1], output))
    return measured.value


@pytest.fixture
def frames():
    pictures = (data.astronaut(), data.chelsea(), data.coffee())
    return torch.cat([preprocess(picture[40:168, 100:228].copy()) for picture in pictures])


def test_likeness_is_what_light_shows_of_the_picture(frames):
    assert likeness((frames, frames)) == pytest.approx(1)
    assert likeness((frames, 0.3 * frames + 20)) == pytest.approx(0.3, abs=1e-4)
    assert likeness((frames, torch.full_like(frames, 7.0))) == pytest.approx(0, abs=1e-4)
    assert likeness((frames, -frames)) == pytest.approx(-1)
    texture = 60 * torch.tensor([1.0, -1.0]).repeat(64).expand_as(frames)  # of strokes alone
    assert likeness((frames, frames + texture)) == pytest.approx(1, abs=1e-3)
    assert likeness((frames, frames), (frames, 0 * frames)) == pytest.approx(0.5)
    assert likeness((0 * frames, frames)) == 1  # there was nothing to show


@torch.no_grad()
def test_bundled_styles_are_no_mush_and_untrained_networks_are(frames):
    seen_alone = torch.cat([frames, torch.zeros(len(frames), 4, 128, 128)], 1)
    for name in available():
        assert seen(likeness((frames, load(name).network(seen_alone)))) is None, name
    for seed in range(3):
        torch.manual_seed(seed)
        network = build("c5s2-32,d64,R64,R64,U2,c3s1-32,U2,c9s1-3", 7, "reflect").eval()
        assert "grey mush" in seen(likeness((frames, network(seen_alone))))


def test_ends_before_the_style_is_there_are_foreseen(options):
    def said(**changes):
        return foreseen(replace(options, **changes).resolved())

    phases = {"identity_iterations": None, "style_ramp": None}
    assert "the network only learns to show the picture" in said(iterations=100, **phases)
    assert "the network only learns" in said(iterations=150, **phases)
    assert "style will be weak" in said(iterations=151, **phases)
    assert "until iteration 450" in said(iterations=449, **phases)
    assert said(iterations=450, **phases) is None
    assert said(iterations=20, init_from="starry-night", arch=None, **phases) is None


def test_training_that_comes_to_nothing_says_so(options, caplog):
    short = replace(
        options, iterations=1, identity_iterations=4, checkpoint_every=0, size_schedule="32"
    )
    path = train(short)
    assert caplog.text.count("the network only learns to show the picture") == 1
    assert caplog.text.count("grey mush") == 1
    page = path.with_name(path.name + ".training") / "report.html"
    assert "grey mush" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("posix_memalign failed")])
@pytest.mark.parametrize("place", ["step", "batches"])
def test_too_little_memory_names_what_takes_less(options, monkeypatch, error, place):
    def starved(*arguments):
        raise error

    monkeypatch.setattr(Run, place, starved)
    with pytest.raises(BrushflowError, match="a batch in parts and smaller windows"):
        train(options)


def test_training_on_a_style_that_paints_says_nothing(options, caplog):
    train(
        replace(
            options,
            init_from="starry-night",
            arch=None,
            iterations=2,
            identity_iterations=None,
            style_ramp=None,
            size_schedule="64",
            learning_rate="1e-5",
        )
    )
    assert not caplog.text
