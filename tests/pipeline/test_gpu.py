"""What a CUDA device paints is what the CPU paints."""

import numpy as np
import pytest
import torch
from skimage import data

from brushflow.models import load
from brushflow.pipeline.stylizer import Stylizer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize(("precision", "least"), [("fp32", 55), ("fp16", 45)])
def test_a_video_is_the_same_as_on_the_cpu(precision, least):
    photo = data.astronaut()
    frames = [photo[2 * t : 2 * t + 240, 3 * t : 3 * t + 320].copy() for t in range(20)]
    model = load("starry-night")
    painted = [
        [each.output.cpu() for each in stylizer.stylize(frames)]
        for stylizer in (
            Stylizer(model),
            Stylizer(model, device="cuda", precision=precision),
        )
    ]
    for ours, theirs in zip(*painted, strict=True):
        error = float((ours - theirs).double().square().mean())
        assert 10 * np.log10(255**2 / error) > least
