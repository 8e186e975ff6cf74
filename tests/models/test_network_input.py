"""What networks see is the same thing in painting and in training."""

import numpy as np
import pytest
import torch

from brushflow.models import StyleModel, preprocess, to_rgb
from brushflow.models.network_input import input_for, uniform_noise
from brushflow.occlusion.motion import Motion
from brushflow.pipeline.stylizer import Stylizer
from brushflow.tests.recording_network import RecordingNetwork
from brushflow.training.data.batches import Batch
from brushflow.training.unroll import Recurrence


class Recorder(RecordingNetwork):
    """Not what it was shown."""

    def answer(self, frame):
        return frame * 0.5 + 10


@pytest.mark.parametrize("channels", [3, 6, 7])
def test_training_shows_what_painting_shows(channels, drifting):
    """Of a moving picture of which one half is certain."""
    frames = drifting(3)
    height, width = frames[0].shape[:2]
    flow, certainty = np.zeros((height, width, 2), np.float32), np.ones((height, width), np.float32)
    flow[..., 0], certainty[:, : width // 2] = 2, 0

    painting, training = Recorder(channels), Recorder(channels)
    stylizer = Stylizer(
        StyleModel(painting, "recorder"), motion=lambda *_: Motion(flow, certainty), settle=0
    )
    list(stylizer.stylize(frames))
    batch = Batch(
        "shift",
        [preprocess(frame) for frame in frames],
        [torch.from_numpy(flow)[None]] * 2,
        [torch.from_numpy(certainty)[None, None]] * 2,
    )
    Recurrence()(training, batch, 0)
    assert len(painting.inputs) == len(training.inputs) == 3
    for seen, learned in zip(painting.inputs, training.inputs, strict=True):
        assert seen.shape == (1, channels, height, width)
        assert torch.allclose(seen, learned, atol=0.01)


def test_noise_is_uniform_over_all_of_the_range_and_only_where_nothing_is_certain():
    frame = torch.zeros(2, 3, 40, 60)
    noise = to_rgb(uniform_noise(frame, np.random.default_rng(3)))
    assert noise.min() >= 0 and noise.max() <= 255.01
    counts = torch.histc(noise, 8, 0, 255) / noise.numel()
    assert torch.allclose(counts, torch.full((8,), 1 / 8), atol=0.01)
    assert (noise - noise.round()).abs().max() > 0.4  # fractions, as published

    prior, certainty = torch.full_like(frame, 7), torch.zeros_like(frame[:, :1])
    certainty[..., 30:], certainty[..., 50:] = 0.5, 1
    seen = input_for(7, frame, prior, certainty, noise=np.random.default_rng(3))
    unknown = uniform_noise(frame, np.random.default_rng(3))
    assert torch.equal(seen[:, 3:6, :, :30], unknown[..., :30])
    assert torch.allclose(seen[:, 3:6, :, 30:50], (prior + unknown)[..., 30:50] / 2, atol=1e-3)
    assert torch.equal(seen[:, 3:6, :, 50:], prior[..., 50:])
    assert torch.equal(seen[:, 6:], certainty)
