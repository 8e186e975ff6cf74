"""What each kind of network sees in training, and where gradients go."""

import pytest
import torch

from brushflow.models import build
from brushflow.tests.recording_network import RecordingNetwork
from brushflow.training.data.batches import Shapes, TrainingData, parse_mix
from brushflow.training.data.photographs import Photographs, find_photographs
from brushflow.training.schedule import Schedule, SizeSchedule
from brushflow.training.unroll import Recurrence, shrink


class Recorder(RecordingNetwork):
    """Adds one to the frame."""

    def answer(self, frame):
        return frame + 1


@pytest.fixture
def batch(photographs):
    shapes = Shapes(
        SizeSchedule.parse("48", "--x", 16), *(Schedule.parse("2", "--x") for _ in range(2))
    )
    pictures = Photographs(find_photographs(photographs))
    return TrainingData(parse_mix("shift:1"), shapes, 0, pictures, None).batch(0)


def test_the_video_network_sees_the_warped_output_of_the_step_before(batch):
    network = Recorder()
    steps = Recurrence(min_filter=1)(network, batch, 0)
    first, second, third = network.inputs
    assert not first[:, 3:].any()
    certain = batch.certainties[0].expand(-1, 3, -1, -1) > 0
    # Integer shifts: the prior is the moved first output, which is the first frame plus one.
    assert torch.allclose(second[:, 3:6][certain], (batch.frames[1] + 1)[certain], atol=1e-2)
    assert not second[:, 3:6][~certain].any()
    assert torch.equal(third[:, 6:], batch.certainties[1])
    assert torch.equal(steps[-1].output, batch.frames[2] + 1)


def test_noise_fills_what_is_unknown_only(batch):
    network = Recorder()
    Recurrence(min_filter=1, fill="noise")(network, batch, 0)
    first, second, _ = network.inputs
    assert first[:, 3:6].std() > 50
    certain = batch.certainties[0].expand(-1, 3, -1, -1) > 0
    assert torch.allclose(second[:, 3:6][certain], (batch.frames[1] + 1)[certain], atol=1e-2)
    assert second[:, 3:6][~certain].std() > 50


def test_the_recurrent_network_sees_the_output_before_where_it_was(batch):
    network = Recorder(6)
    steps = Recurrence()(network, batch, 0)
    assert not network.inputs[0][:, 3:].any()
    for k in (1, 2):
        assert torch.equal(network.inputs[k][:, 3:], steps[k - 1].output)


def test_the_image_network_sees_the_frame_only(batch):
    network = Recorder(3)
    Recurrence()(network, batch, 0)
    assert all(torch.equal(x, f) for x, f in zip(network.inputs, batch.frames, strict=True))


def test_an_image_model_paints_first_frames(batch):
    network, first = Recorder(), Recorder(3)
    steps = Recurrence(first_network=first)(network, batch, 0)
    assert (len(first.inputs), len(network.inputs)) == (1, 2)
    assert torch.equal(steps[0].output, batch.frames[0] + 1)


@pytest.mark.parametrize("channels", [6, 7])
def test_gradients_reach_the_last_step_or_all_of_them(batch, channels):
    torch.manual_seed(0)
    network = build("c3s1-8,d8,R8,U2,c3s1-3", channels, padding_type="zero")
    last = Recurrence()(network, batch, 0)
    assert [step.output.requires_grad for step in last] == [False, False, True]
    through = Recurrence(through_time=True)(network, batch, 0)
    assert all(step.output.requires_grad for step in through)
    through[0].output.retain_grad()
    through[-1].output.square().mean().backward()
    # The first output has a part in the last one only by being fed back.
    assert through[0].output.grad.abs().max() > 0
    # Without gradients the warp is OpenCV's, which rounds in another place.
    for a, b in zip(last, through, strict=True):
        assert torch.allclose(a.output, b.output, atol=0.01)


def test_sequences_start_from_settled_paintings(batch):
    counts = set()
    for seed in range(12):
        network = Recorder()
        steps = Recurrence(min_filter=1, settle=3)(network, batch, seed)
        passes = len(network.inputs) - 2  # of the first frame
        counts.add(passes)
        for k in range(1, passes):
            x = network.inputs[k]
            assert torch.equal(x[:, :3], batch.frames[0])
            known = x[:, 3:6][..., :-1, :-1]
            assert torch.allclose(known, (batch.frames[0] + 1)[..., :-1, :-1])
            assert x[:, 6, :-1, :-1].all() and not x[:, 6, -1].any()
        assert torch.equal(steps[0].output, batch.frames[0] + 1)
        assert not steps[0].output.requires_grad
    assert counts == {1, 2, 3, 4}
    alone = Recorder(3)
    Recurrence(settle=3)(alone, batch, 0)
    assert len(alone.inputs) == 3


def test_shrink_is_a_minimum_over_the_window():
    certainty = torch.ones(1, 1, 9, 9)
    certainty[0, 0, 4, 4] = 0
    shrunk = shrink(certainty, 3)
    assert shrunk.sum() == 81 - 9 and not shrunk[0, 0, 3:6, 3:6].any()
