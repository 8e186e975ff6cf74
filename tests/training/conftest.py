"""A tiny training set-up made from scikit-image's pictures."""

import shutil
from pathlib import Path

import pytest
import torch
from skimage import data, io

from brushflow.models import load
from brushflow.training import TrainOptions, train
from brushflow.training.network import make_network


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """The folder of photographs and the painting that tests get copies of."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "photographs").mkdir()
    for name in ("astronaut", "coffee", "chelsea"):
        path = folder / "photographs" / f"{name}.png"
        io.imsave(path, getattr(data, name)()[::2, ::2], check_contrast=False)
    io.imsave(folder / "painting.png", data.rocket(), check_contrast=False)
    return folder


@pytest.fixture
def photographs(pictures, tmp_path):
    return shutil.copytree(pictures / "photographs", tmp_path / "photographs")


@pytest.fixture(scope="session")
def videos(tmp_path_factory, make_clip, drifting):
    """Three clips of 12 frames, 96×64, that move; the second has a cut after its fifth frame."""
    folder = tmp_path_factory.mktemp("videos")
    make_clip(folder / "a.mp4", drifting(12))
    make_clip(folder / "b.mp4", drifting(5) + drifting(7, picture="coffee"))
    make_clip(folder / "c.mp4", drifting(12, picture="chelsea", speed=1))
    return folder


def options_in(folder, images, pictures, loss_weights):
    return TrainOptions(
        style=(Path(shutil.copy(pictures / "painting.png", folder)),),
        images=images,
        output=folder / "mine.safetensors",
        loss_weights=str(loss_weights),
        arch="c3s1-8,d8,R8,U2,c3s1-3",
        iterations=8,
        size_schedule="24,6:32",
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
def options(tmp_path, pictures, photographs, loss_weights):
    return options_in(tmp_path, photographs, pictures, loss_weights)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, pictures, loss_weights):
    """The options of a run that has ended, for tests that only look at it."""
    folder = tmp_path_factory.mktemp("finished")
    options = options_in(folder, pictures / "photographs", pictures, loss_weights)
    train(options)
    return options


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
