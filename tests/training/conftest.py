"""A tiny training set-up made from scikit-image's pictures."""

import pytest
import torch
from skimage import data, io

from brushflow.models import load
from brushflow.training import TrainOptions
from brushflow.training.network import make_network


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in ("astronaut", "coffee", "chelsea"):
        io.imsave(folder / f"{name}.png", getattr(data, name)()[::2, ::2], check_contrast=False)
    return folder


@pytest.fixture(scope="session")
def videos(tmp_path_factory, make_clip, drifting):
    """Three clips of 12 frames, 96×64, that move; the second has a cut after its fifth frame."""
    folder = tmp_path_factory.mktemp("videos")
    make_clip(folder / "a.mp4", drifting(12))
    make_clip(folder / "b.mp4", drifting(5) + drifting(7, picture="coffee"))
    make_clip(folder / "c.mp4", drifting(12, picture="chelsea", speed=1))
    return folder


@pytest.fixture
def options(tmp_path, photographs, loss_weights):
    painting = tmp_path / "painting.png"
    io.imsave(painting, data.rocket(), check_contrast=False)
    return TrainOptions(
        style=(painting,),
        images=photographs,
        output=tmp_path / "mine.safetensors",
        loss_weights=str(loss_weights),
        arch="c3s1-8,d8,R8,U2,c3s1-3",
        iterations=8,
        size_schedule="32,6:48",
        batch_schedule="2",
        frame_steps_schedule="1,4:2",
        identity_iterations=2,
        style_ramp=2,
        style_size=72,
        val_batches=2,
        validate_every=4,
        device="cpu",
        threads=1,
        checkpoint_every=3,
        images_every=4,
    )


@pytest.fixture
def distance():
    """How far two models lie apart, in units of what the first was moved by training.

    Kernels count. The gradient of a bias before a norm is rounding alone, which Adam enlarges.
    """

    def far(*states):
        kernels = ([w.flatten() for w in state.values() if w.dim() > 1] for state in states)
        one, other = map(torch.cat, kernels)
        return float((one - other).norm())

    def measure(options, one, other):
        torch.manual_seed(options.seed)
        start = make_network(options.resolved()).state_dict()
        one, other = (load(path).network.state_dict() for path in (one, other))
        return far(one, other) / far(one, start)

    return measure
