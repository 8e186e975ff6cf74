"""The recurrence: its state, its cuts, and how little of the video it holds."""

import numpy as np
import pytest
import torch

from brushflow.models import StyleModel, build, preprocess
from brushflow.occlusion.motion import Motion
from brushflow.pipeline.stylizer import Stylizer
from brushflow.tests.recording_network import RecordingNetwork


class Recorder(RecordingNetwork):
    """Gives values that no 8-bit picture could hold."""

    def answer(self, frame):
        return frame * 5 + 0.123


def still(frame, previous, index, pool):
    """Motion of a picture that does not move and is known everywhere."""
    height, width = frame.shape[:2]
    return Motion(np.zeros((height, width, 2), np.float32), np.ones((height, width), np.float32))


def recorder(**options):
    network = Recorder()
    model = StyleModel(network, "recorder")
    return network, Stylizer(
        model, **({"motion": still, "min_filter_width": 1, "settle": 0, "long_term": 0} | options)
    )


def test_the_state_is_the_networks_own_float_output(drifting):
    network, stylizer = recorder()
    outputs = [s.output.clone() for s in stylizer.stylize(drifting(3))]
    assert outputs[0].max() > 300  # beyond what a picture could hold
    for i in (1, 2):
        assert torch.allclose(network.inputs[i][:, 3:6], outputs[i - 1], atol=1e-3)
        assert torch.equal(network.inputs[i][:, 6], torch.ones_like(network.inputs[i][:, 6]))


def test_the_prior_is_dropped_at_a_cut(drifting):
    network, stylizer = recorder()
    list(stylizer.stylize(drifting(4), cuts={2}))
    known = [bool(x[:, 3:].any()) for x in network.inputs]
    assert known == [False, True, False, True]


def test_a_recurrent_model_sees_the_output_before_as_it_is_and_no_motion(drifting):
    network = Recorder(6)
    stylizer = Stylizer(StyleModel(network, "recorder"))
    stylized = list(stylizer.stylize(drifting(4), cuts={2}))
    assert all(s.motion is None for s in stylized)
    for i in (1, 3):
        assert torch.equal(network.inputs[i][:, 3:], stylized[i - 1].output)
    for i in (0, 2):
        assert not network.inputs[i][:, 3:].any()
    alone = Stylizer(StyleModel(network, "recorder"), independent=True)
    list(alone.stylize(drifting(2)))
    assert not network.inputs[-1][:, 3:].any()


@pytest.mark.parametrize("level", [0, 255])
def test_a_frame_of_one_colour_leaves_no_trace(drifting, level):
    network, stylizer = recorder()
    first, second, third = drifting(3)
    plain = np.full_like(first, level)
    plain[::2] ^= 1  # a little noise
    stylized = list(stylizer.stylize([first, plain, second, third]))
    assert network.inputs[1][:, 3:].any() and network.inputs[3][:, 3:].any()
    assert not network.inputs[2][:, 3:].any()
    resumed = list(stylizer.stylize([plain, second], first=1, state=stylized[1].state.tensors()))
    assert torch.equal(resumed[0].output, stylized[2].output)
    network, stylizer = recorder(settle=2)
    list(stylizer.stylize([plain, plain, plain, first, second]))
    assert len(network.inputs) == 3 + (1 + 2) + 1  # what nobody will see is not painted again


def test_a_first_frame_settles_on_its_own_painting(drifting):
    network, stylizer = recorder(settle=2)
    first, second = stylizer.stylize(drifting(2))
    assert len(network.inputs) == 4
    painted = [network(x) for x in network.inputs[:3]]
    assert not network.inputs[0][:, 3:].any()
    for before, x in zip(painted, network.inputs[1:3], strict=False):
        assert torch.allclose(x[:, 3:6], before, atol=1e-2) and x[:, 6].all()
    assert torch.equal(first.output, painted[2])
    assert torch.allclose(network.inputs[3][:, 3:6], first.output, atol=1e-3)
    assert (first.motion, second.motion is None) == (None, False)


@pytest.mark.parametrize(
    ("fill", "shared", "passes"), [("mean", False, 3), ("clouds", False, 1), ("clouds", True, 3)]
)
def test_first_frames_settle_but_where_strokes_begin_from_clouds(fill, shared, passes, drifting):
    network, stylizer = recorder(settle=None, fill=fill, shared=shared)
    list(stylizer.stylize(drifting(1)))
    assert len(network.inputs) == passes


def test_frames_painted_alone_and_first_frames_of_an_image_model_do_not_settle(drifting):
    network, stylizer = recorder(settle=2, independent=True)
    list(stylizer.stylize(drifting(2)))
    assert len(network.inputs) == 2
    network, stylizer = recorder(settle=2, first_frame_model=StyleModel(Recorder(3), "image"))
    list(stylizer.stylize(drifting(2)))
    assert len(network.inputs) == 1


def test_unreliable_pixels_are_empty_and_the_filter_shrinks_what_is_reliable(drifting):
    def half(frame, previous, index, pool):
        motion = still(frame, previous, index, pool)
        motion.reliability[:, 40:] = 0
        return motion

    network, stylizer = recorder(motion=half, min_filter_width=7)
    list(stylizer.stylize(drifting(2)))
    certainty = network.inputs[1][0, 6]
    assert certainty[:, :37].all() and not certainty[:, 37:].any()
    assert not network.inputs[1][0, 3:6, :, 37:].any()


def test_noise_fills_what_is_unknown_the_same_in_every_run(drifting):
    first, stylizer = recorder(fill="noise")
    list(stylizer.stylize(drifting(2)))
    second, stylizer = recorder(fill="noise")
    list(stylizer.stylize(drifting(2)))
    assert first.inputs[0][:, 3:6].std() > 50
    assert torch.equal(first.inputs[0], second.inputs[0])
    # Where everything is known there is nothing to fill.
    output = first(first.inputs[0])
    assert torch.allclose(first.inputs[1][:, 3:6], output, atol=1e-3)


def test_an_image_model_paints_first_frames_only(drifting):
    network, single = Recorder(), Recorder(3)
    stylizer = Stylizer(
        StyleModel(network, "video"),
        first_frame_model=StyleModel(single, "image"),
        motion=still,
    )
    frames = drifting(5)
    list(stylizer.stylize(frames, cuts={3}))
    assert len(single.inputs) == 2
    assert torch.equal(single.inputs[1], preprocess(frames[3]))
    assert len(network.inputs) == 3


def test_independent_frames_know_nothing_and_need_no_motion(drifting):
    network, stylizer = recorder(motion=None, independent=True)
    list(stylizer.stylize(drifting(3)))
    assert not any(x[:, 3:].any() for x in network.inputs)


@pytest.mark.parametrize("step", [1, -1])
def test_going_on_from_a_state_equals_going_through(tiny_model, drifting, step):
    frames = drifting(8)
    stylizer = Stylizer(tiny_model)
    whole = list(stylizer.stylize(frames, first=10, step=step))
    state = whole[3].state.tensors()
    rest = list(stylizer.stylize(frames[3:], first=10 + 3 * step, step=step, state=state))
    assert [s.index for s in rest] == [s.index for s in whole[4:]]
    for a, b in zip(whole[4:], rest, strict=True):
        assert torch.equal(a.output, b.output)
    assert not list(stylizer.stylize([], state=state))


def test_frames_are_read_only_a_little_ahead(tiny_model, drifting):
    read = 0

    def endless():
        nonlocal read
        for frame in drifting(60):
            read += 1
            yield frame

    stylizer = Stylizer(tiny_model, motion=still, lookahead=4)
    painted = stylizer.stylize(endless())
    for count in range(1, 20):
        next(painted)
        assert read <= count + 4 + 1
    painted.close()


def test_pairs_are_found_while_the_network_paints(tiny_model, drifting):
    asked = []

    def motion(frame, previous, index, pool):
        asked.append(index)
        return still(frame, previous, index, pool)

    painted = Stylizer(tiny_model, motion=motion, lookahead=4).stylize(drifting(10))
    next(painted)
    next(painted)
    # Frame 1 needs motion 1; those of the frames held ahead are begun by now.
    painted.close()
    assert max(asked) >= 3


def test_a_failure_of_the_motion_reaches_the_caller(tiny_model, drifting):
    def broken(frame, previous, index, pool):
        raise ValueError("no motion to be had")

    with pytest.raises(ValueError, match="no motion"):
        list(Stylizer(tiny_model, motion=broken).stylize(drifting(3)))


def test_bfloat16_stays_close_to_float32(drifting):
    torch.manual_seed(1)
    network = build("c9s1-8,d12,d16,R16,R16,U2,c3s1-8,U2,c9s1-3", padding_type="reflect").eval()
    model = StyleModel(network, "small")
    frames = drifting(2)
    exact = list(Stylizer(model, settle=0).stylize(frames))[-1].output
    rough = list(Stylizer(model, precision="bf16", settle=0).stylize(frames))[-1].output
    assert rough.dtype == torch.float32
    assert 0 < (exact - rough).abs().mean() < 2
