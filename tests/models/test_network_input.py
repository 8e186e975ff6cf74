"""What networks see is the same thing in painting and in training."""

import numpy as np
import pytest
import torch

from brushflow.common.errors import UsageError
from brushflow.models import StyleModel, build, load, preprocess, to_rgb
from brushflow.models.network_input import filling, input_for, uniform_noise
from brushflow.occlusion.motion import Motion
from brushflow.pipeline.stylizer import Stylizer
from brushflow.tests.recording_network import RecordingNetwork
from brushflow.training.data.batches import Batch
from brushflow.training.unroll import Recurrence


class Recorder(RecordingNetwork):
    """Not what it was shown."""

    def answer(self, frame):
        return frame * 0.5 + 10


@pytest.mark.parametrize(
    ("channels", "fill"), [(3, "mean"), (6, "mean"), (7, "mean"), (7, "clouds")]
)
def test_training_shows_what_painting_shows(channels, fill, drifting):
    """Of a moving picture of which one half is certain."""
    frames = drifting(3)
    height, width = frames[0].shape[:2]
    flow, certainty = np.zeros((height, width, 2), np.float32), np.ones((height, width), np.float32)
    flow[..., 0], certainty[:, : width // 2] = 2, 0

    painting, training = Recorder(channels), Recorder(channels)
    painting.fill = fill
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
    Recurrence(fill=fill)(training, batch, 0)
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
    seen = input_for(7, frame, prior, certainty, fill=filling("noise", np.random.default_rng(3)))
    unknown = uniform_noise(frame, np.random.default_rng(3))
    assert torch.equal(seen[:, 3:6, :, :30], unknown[..., :30])
    assert torch.allclose(seen[:, 3:6, :, 30:50], (prior + unknown)[..., 30:50] / 2, atol=1e-3)
    assert torch.equal(seen[:, 3:6, :, 50:], prior[..., 50:])
    assert torch.equal(seen[:, 6:], certainty)


def clouds(frame, seed=0, drift=None):
    fill = filling("clouds", np.random.default_rng(seed))
    assert fill is not None
    return fill.give(frame, drift)


def test_clouds_have_as_much_of_every_size_of_strokes():
    whole = clouds(torch.zeros(1, 3, 512, 512))[0].numpy()
    assert abs(whole.mean()) < 0.1 and abs(whole.std() - 60) < 0.1
    energy = (np.abs(np.fft.fft2(whole)) ** 2).sum(0)
    across, down = np.fft.fftfreq(512), np.fft.fftfreq(512)[:, None]
    waves = 1 / np.maximum(np.hypot(across, down), 1e-9)
    octaves = [energy[(waves >= w) & (waves < 2 * w)].sum() for w in (2, 4, 8)]
    assert max(octaves) < 1.15 * min(octaves)
    assert energy[(waves >= 32) & (waves < 1e6)].sum() < 0.2 * min(octaves)


def test_clouds_are_endless():
    small, large = (clouds(torch.zeros(1, 3, side, 700)) for side in (40, 560))
    assert torch.equal(small, large[:, :, :40])
    assert torch.equal(large[:, :, :48], large[:, :, 512:])
    assert torch.equal(large[..., :188], large[..., 512:])
    assert not torch.equal(small, clouds(torch.zeros(1, 3, 40, 700), seed=1))


def test_clouds_lie_on_what_is_seen():
    """Also where its way is known on a grid of half the size, and for each picture by itself."""
    frame = torch.zeros(2, 3, 50, 70)
    still = clouds(frame)
    ways = torch.tensor([[0.0, 0.0], [2.5, -1.5]])[:, None, None].expand(2, 25, 35, 2)
    first, second = clouds(frame, drift=ways)
    assert torch.equal(first, still[0])
    assert torch.equal(second[:, 3:, :-5], still[1, :, :-3, 5:])


def test_clouds_are_never_stretched():
    """Each of their cells is a piece of them as they are, that of where its middle was."""
    frame = torch.zeros(1, 3, 64, 96)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    stretched = clouds(frame, drift=torch.stack([-0.5 * x, 0 * y], 2)[None])
    still = clouds(torch.zeros(1, 3, 64, 512))
    for left in range(0, 96, 16):
        came = left - (left + 8) // 2
        piece = still.roll(-came, 3)[..., :16]
        assert torch.equal(stretched[..., left : left + 16], piece)


def test_a_model_is_painted_with_what_it_has_learned_to_see(tmp_path, drifting):
    network = build("c3s1-4,c3s1-3", fill="clouds")
    StyleModel(network.eval(), "clouds").save(tmp_path / "model.safetensors")
    model = load(tmp_path / "model.safetensors")
    assert model.network.fill == "clouds"
    plain = StyleModel(build("c3s1-4,c3s1-3").eval(), "mean")
    plain.network.load_state_dict(model.network.state_dict())
    assert plain.digest != model.digest  # what is painted differs
    frames = drifting(1)
    learned, mean, told = (
        next(iter(Stylizer(each, settle=0, fill=fill).stylize(frames))).output
        for each, fill in ((model, None), (plain, None), (plain, "clouds"))
    )
    assert torch.equal(learned, told) and not torch.equal(learned, mean)
    with pytest.raises(UsageError, match="filled with mean, noise, clouds, not 'grass'"):
        build("c3s1-4,c3s1-3", fill="grass")


def test_of_what_is_certain_a_quarter_is_shown_beside_clouds():
    frame = torch.zeros(1, 3, 40, 60)
    prior, certainty = torch.full_like(frame, 7), torch.zeros_like(frame[:, :1])
    certainty[..., 30:] = 1
    seen = input_for(7, frame, prior, certainty, fill=filling("clouds", np.random.default_rng(0)))
    assert torch.equal(seen[:, 3:6, :, :30], clouds(frame)[..., :30])
    assert torch.allclose(seen[:, 3:6, :, 30:], (7 + 3 * clouds(frame)[..., 30:]) / 4, atol=1e-4)
    assert torch.equal(seen[:, 6:], certainty / 4)
