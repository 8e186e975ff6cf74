"""A tiny training set-up made from scikit-image's pictures."""

import pytest
import torch
from safetensors.torch import save_file
from skimage import data, io

from brushflow.training import TrainOptions


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
def loss_weights(tmp_path):
    """The first layers of a VGG with random weights, under torchvision's names."""
    torch.manual_seed(0)
    shapes = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128)}
    shapes |= {12: (256, 256), 14: (256, 256)}
    state = {}
    for index, (out, into) in shapes.items():
        state[f"features.{index}.weight"] = torch.randn(out, into, 3, 3) * (2 / (9 * into)) ** 0.5
        state[f"features.{index}.bias"] = torch.zeros(out)
    path = tmp_path / "vgg.safetensors"
    save_file(state, path)
    return path


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
