"""What was painted stays painted, for as long as it is in sight and looks the same."""

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from brushflow.flow import warp
from brushflow.models import StyleModel, preprocess
from brushflow.occlusion.motion import Motion
from brushflow.pipeline.blending import blended
from brushflow.pipeline.long_term import RECENT, Anchor, Memory, State, gathered
from brushflow.pipeline.stylizer import Stylizer

HEIGHT, WIDTH = 48, 64
STEP = 1.5


class Restless(torch.nn.Module):
    """Stands for a network: paints every frame lighter, whatever it was before; but by so little
    that for ten frames what was painted before still fits."""

    in_channels, fill = 7, "mean"

    def __init__(self):
        super().__init__()
        self.inputs = []

    def forward(self, x):
        self.inputs.append(x)
        return x[:, :3] + STEP * len(self.inputs)


def moving(dx, dy):
    """A source of motion by the same whole pixels each frame, known inside the picture."""

    def motion(frame, previous, index, pool):
        height, width = frame.shape[:2]
        x, y = np.arange(width) + dx, np.arange(height)[:, None] + dy
        known = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        flow = np.full((height, width, 2), (dx, dy), np.float32)
        return Motion(flow, known.astype(np.float32))

    return motion


def stylizer(motion, **options):
    plain = {"motion": motion, "min_filter_width": 1, "settle": 0, "long_term": 1.0}
    return Stylizer(StyleModel(Restless(), "restless"), **(plain | options))


def wide(width=4 * WIDTH):
    random = np.random.default_rng(0)
    rough = random.integers(0, 256, (HEIGHT // 8, width // 8, 3), np.uint8)
    return np.kron(rough, np.ones((8, 8, 1), np.uint8))


def pan(count, dx):
    """Windows of one picture that move to the left by ``dx`` pixels each."""
    picture = wide()
    return [picture[:, 100 - dx * k : 100 - dx * k + WIDTH].copy() for k in range(count)]


def moved_whole(anchor):
    """The anchor's painting, all of it, as it lies in the frame at hand."""
    return gathered([anchor], np.zeros(anchor.flow.shape[:2], np.uint8), (HEIGHT, WIDTH))


def test_composed_flow_is_the_direct_way_back():
    frames = pan(5, 3)
    motion = moving(-3, 0)
    painting = torch.randn(1, 3, HEIGHT, WIDTH)
    anchor = Anchor.at(painting, frames[0].astype(np.float32))
    for frame in frames[1:]:
        step = motion(frame, None, 0, None)
        anchor = anchor.moved(step.flow, step.reliability)
    seen = anchor.certainty > 0
    assert seen[:, 12:].all() and not seen[:, :12].any()
    assert np.allclose(anchor.flow[seen], (-12, 0))
    direct = warp(
        painting, torch.full((1, HEIGHT, WIDTH, 2), 0.0).index_fill(3, torch.tensor(0), -12)
    )
    moved = moved_whole(anchor)
    assert torch.allclose(moved[..., 12:], direct[..., 12:], atol=1e-4)
    sight = anchor.sight(frames[-1].astype(np.float32))
    assert (sight[:, 18:] == 1).all() and (sight[:, :8] == 0).all()


def test_motion_found_on_smaller_pictures_leads_to_the_same_place():
    """As when a run goes on after memory ran out, with what was saved before."""
    picture = cv2.GaussianBlur(wide(), (0, 0), 3)
    frames = [picture[:, 100 + 2 * k : 100 + 2 * k + WIDTH].astype(np.float32) for k in range(5)]
    painting = torch.randn(1, 3, HEIGHT, WIDTH)
    whole = small = Anchor.at(painting, frames[0])
    for number, frame in enumerate(frames[1:]):
        step = moving(2, 0)(frame, None, 0, None)
        whole = whole.moved(step.flow, step.reliability)
        if number >= 2:
            half = (WIDTH // 2, HEIGHT // 2)
            step = moving(1, 0)(cv2.resize(frame, half), None, 0, None)
        small = small.moved(step.flow, step.reliability)
    inside = (..., slice(0, WIDTH - 12))
    assert torch.allclose(moved_whole(small)[inside], moved_whole(whole)[inside], atol=1e-4)
    seen = cv2.resize(frames[-1], (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    assert (small.sight(seen)[4:-4, 4 : WIDTH // 2 - 12] > 0.99).all()


def test_what_stands_still_keeps_its_painting():
    frame = pan(1, 0)[0]
    outputs = [s.output for s in stylizer(moving(0, 0)).stylize([frame] * 6)]
    for output in outputs[1:]:
        assert torch.allclose(output, outputs[0], atol=1e-4)
    # Without, the network has its way.
    outputs = [s.output for s in stylizer(moving(0, 0), long_term=0).stylize([frame] * 3)]
    assert (outputs[2] - outputs[0]).min() > 1.5 * STEP


def test_what_moves_takes_its_painting_along_and_what_is_new_is_painted():
    frames = pan(4, 3)
    outputs = [s.output for s in stylizer(moving(-3, 0)).stylize(frames)]
    assert torch.allclose(outputs[3][..., 18:], outputs[0][..., 9:-9], atol=1e-3)
    assert (outputs[3][..., :4] - outputs[0][..., :4]).abs().max() > 30


@pytest.mark.parametrize(("change", "kept"), [(4, True), (60, False)])
def test_another_light_is_another_painting(change, kept):
    frame = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    frame[:, ::9] = 180  # a picture, not a plain frame
    lit = frame + np.uint8(change)
    outputs = [s.output for s in stylizer(moving(0, 0)).stylize([frame, frame, lit])]
    inside = (..., slice(4, -4), slice(4, -4))
    assert torch.allclose(outputs[2][inside], outputs[1][inside], atol=1e-3) == kept


def test_the_network_sees_the_anchor_where_it_is_in_sight():
    frame = pan(1, 0)[0]
    painter = stylizer(moving(0, 0), long_term=0.5)
    first, _, third = (s.output for s in painter.stylize([frame] * 3))
    last = painter.network.inputs[-1]
    assert torch.allclose(last[:, 3:6], first, atol=1e-3)  # and not the second
    assert torch.equal(last[:, 6], torch.ones_like(last[:, 6]))
    alone = last[:, :3] + 3 * STEP
    assert torch.allclose(third, (alone + first) / 2, atol=1e-3)


@pytest.mark.parametrize("fill", ["mean", "clouds"])
@pytest.mark.parametrize("split", [1, 2, 5, 8])
def test_a_run_goes_on_from_its_state_as_if_it_had_not_stopped(split, fill):
    """Anchors are taken anew on the way: the pan leaves half of the frame in eleven steps."""
    frames = pan(14, 3)

    class Plain(Restless):
        def forward(self, x):
            return x[:, :3] * 0.5 + x[:, 3:6] * 0.3 + 7

    def paint(frames, **where):
        painter = stylizer(moving(-3, 0), fill=fill)
        painter.network = Plain()
        return list(painter.stylize(frames, **where))

    whole = paint(frames)
    state = whole[split].state.tensors()
    assert all(tensor.device.type == "cpu" for tensor in state.values())
    rest = paint(frames[split:], first=split, state=state)
    assert len(rest) == len(frames) - split - 1
    for one, other in zip(whole[split + 1 :], rest, strict=True):
        assert torch.equal(one.output, other.output)
    counts = [sum(len(anchors) for anchors in s.state.anchors) for s in whole[1:]]
    assert counts[0] == 1 and max(counts) > 1


def test_states_come_back_from_tensors_as_they_were():
    output = torch.randn(2, 3, 8, 8)
    anchor = Anchor.at(output[:1], np.zeros((4, 4, 3), np.float32))
    state = State(output, ((None,), (anchor, None)), torch.randn(2, 4, 4, 2))
    back = State.of(state.tensors(), torch.device("cpu"))
    assert torch.equal(back.output, output) and torch.equal(back.drift, state.drift)
    assert State.of(State(output).tensors(), torch.device("cpu")).drift is None
    assert back.anchors[0] == (None,) and back.anchors[1][1] is None
    for name, value in vars(anchor).items():
        assert np.array_equal(np.asarray(getattr(back.anchors[1][0], name)), np.asarray(value))


@pytest.mark.parametrize("sampler", [torch.float32, torch.float64])  # OpenCV's, PyTorch's
def test_what_several_anchors_show_is_what_each_of_them_shows_there(sampler):
    """Their paintings are moved as one picture; borders must not meet in it."""
    random = np.random.default_rng(0)
    grid = HEIGHT // 2, WIDTH // 2
    anchors = []
    for brightness in (-100, 0, 100):
        painting = random.normal(brightness, 10, (1, 3, HEIGHT, WIDTH)).astype(np.float32)
        painting = torch.from_numpy(painting).to(sampler)
        anchor = Anchor.at(painting, np.zeros((*grid, 3), np.float32))
        flow = random.uniform(-5, 5, (*grid, 2)).astype(np.float32)
        flow[8, 9], flow[15, 20, 1] = np.nan, np.inf  # nothing is shown there, and nothing spreads
        anchors.append(replace(anchor, flow=flow))
    chosen = random.integers(0, 3, grid, np.uint8)
    chosen[:2] = chosen[-2:] = [[0], [2]]
    picture = gathered(anchors, chosen, (HEIGHT, WIDTH))
    assert picture.isfinite().all()
    numbers = chosen.repeat(2, 0).repeat(2, 1)
    for number, anchor in enumerate(anchors):
        there = torch.from_numpy(numbers == number)
        expected = moved_whole(anchor)[..., there]
        assert torch.allclose(picture[..., there], expected, atol=0.02)
    fewer = np.where(chosen == 1, 2, chosen).astype(np.uint8)
    assert torch.equal(
        gathered(anchors, fewer, (HEIGHT, WIDTH)),
        gathered(anchors[::2], fewer // 2, (HEIGHT, WIDTH)),
    )


def test_the_oldest_anchor_shows_a_thing_and_younger_ones_what_it_does_not():
    """In a pan, columns that the first frame showed are its own, later ones those of a later."""
    frames = pan(10, 4)
    stylized = list(stylizer(moving(-4, 0)).stylize(frames))
    last = stylized[-1].output
    first = stylized[0].output
    assert torch.allclose(last[..., 44:], first[..., 8:-36], atol=1e-3)
    counts = [len(s.state.anchors[0]) for s in stylized[1:]]
    assert max(counts) > 1
    # What came into sight halfway is held from then on, too, but for ramps between anchors.
    change = (last[..., 20:] - stylized[6].output[..., 8:-12]).abs().amax((0, 1, 2))
    assert (change < 1e-3).float().mean() > 0.8


def test_what_would_smear_strokes_is_not_believed_however_alike_it_looks():
    """Flow that stretches a plain picture; one that turns it as a whole is believed."""
    plain = np.full((HEIGHT, WIDTH, 3), 90, np.float32)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    y, x = y - HEIGHT / 2, x - WIDTH / 2
    painting = torch.zeros(1, 3, HEIGHT, WIDTH)
    inside = slice(16, -16), slice(16, -16)

    def sight(flow):
        anchor = Anchor.at(painting, plain)
        return anchor.moved(flow, anchor.certainty).sight(plain)[inside]

    assert (sight(np.stack([0.05 * x, 0 * y], 2)) == 1).all()
    assert (sight(np.stack([0.2 * x, 0 * y], 2)) == 0).all()
    assert (sight(np.stack([-0.2 * x, 0 * y], 2)) == 0).all()
    angle = np.float32(np.pi / 4)
    turned = [x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)]
    assert (sight(np.stack([turned[0] - x, turned[1] - y], 2)) > 0.99).all()


def test_a_border_that_stands_still_is_held_and_one_that_comes_in_is_not():
    plain = np.full((HEIGHT, WIDTH, 3), 90, np.float32)
    anchor = Anchor.at(torch.zeros(1, 3, HEIGHT, WIDTH), plain)
    for shift, held in ((0.0, True), (-2.0, False)):
        flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
        flow[:, :, 1] = np.maximum(shift, -np.arange(HEIGHT)[:, None])  # held at the upper border
        sight = anchor.moved(flow, anchor.certainty).sight(plain)
        assert (sight[0, 8:-8] > 0.99).all() == held
        assert (sight[10:-10] == 1).all()


def test_an_anchor_does_not_hold_the_surroundings_of_what_moved():
    """A halo that a network paints around a moving thing would stay where that was."""
    frames = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 2
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    flow[20:30, 20:40] = (3, 0)
    painting = torch.zeros(1, 3, HEIGHT, WIDTH)
    known = np.ones((HEIGHT, WIDTH), np.float32)
    memory = Memory.of((None,), painting, *frames, (flow, known))
    certainty = memory.anchors[0].certainty
    assert not certainty[19:31, 19:21].any() and not certainty[19:31, 39:41].any()
    assert (certainty[:12] == 1).all() and (certainty[38:] == 1).all()


def test_where_no_anchor_shows_anything_the_painting_at_hand_is_the_next():
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (4, HEIGHT, WIDTH, 3), np.uint8)
    for stylized in list(stylizer(moving(0, 0)).stylize(frames))[1:]:
        assert stylized.state.anchors == ((None,),)


def test_where_no_anchor_shows_anything_most_of_the_painting_before_goes_on():
    """It trembles less; but what cannot be carried over at all is new."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (3, HEIGHT, WIDTH, 3), np.uint8)

    def half_known(frame, previous, index, pool):
        motion = moving(0, 0)(frame, previous, index, pool)
        motion.reliability[:, : WIDTH // 2] = 0
        return motion

    painted = list(stylizer(half_known).stylize(frames))
    for number, (before, after) in enumerate(itertools.pairwise(painted), 2):
        new = preprocess(after.frame) + STEP * number
        assert torch.allclose(after.output[..., : WIDTH // 2], new[..., : WIDTH // 2])
        share = torch.zeros(1, 1, HEIGHT, WIDTH)
        share[..., WIDTH // 2 :] = RECENT
        assert torch.allclose(after.output, blended(new, before.output, share), atol=1e-4)
    alone = list(stylizer(half_known, long_term=0.0).stylize(frames))
    assert torch.allclose(alone[2].output, preprocess(frames[2]) + 3 * STEP)


def test_what_would_be_painted_otherwise_by_now_is_painted_anew():
    """Or what comes to light behind a thing that moves would be a trail beside it."""

    class Lighter(Restless):
        def forward(self, x):
            self.inputs.append(x)
            return x[:, :3] + min(40.0, 4.0 * len(self.inputs))

    frame = pan(1, 0)[0]
    painter = Stylizer(
        StyleModel(Lighter(), "lighter"), motion=moving(0, 0), settle=0, long_term=1.0
    )
    outputs = [s.output for s in painter.stylize([frame] * 40)]
    # A little is no reason; then it is nearly as it would be painted now, and is held again.
    assert torch.allclose(outputs[3], outputs[0], atol=1e-3)
    assert torch.allclose(outputs[-1], outputs[0] + 36, atol=25)
    assert torch.allclose(outputs[-1], outputs[-4], atol=1e-3)
    assert (outputs[-1] - outputs[0]).min() > 8
    # It never goes back to what was forgotten, nor jumps.
    steps = [b - a for a, b in itertools.pairwise(outputs)]
    assert min(float(step.min()) for step in steps) > -0.1
    assert max(float(step.max()) for step in steps) < 16


def test_what_is_painted_anew_begins_from_the_clouds_it_had():
    """They move with a pan; what comes into sight has those of its place."""
    known = np.ones((HEIGHT, WIDTH), np.float32)
    known[:, :3] = 0

    def motion(frame, previous, index, pool):
        return replace(moving(-3, 0)(frame, previous, index, pool), reliability=known)

    # A min filter so wide that the network sees no prior, but clouds only.
    painter = stylizer(motion, fill="clouds", long_term=0.0, min_filter_width=2 * WIDTH + 1)
    list(painter.stylize(pan(4, 3)))
    first, *later = (x[:, 3:6] for x in painter.network.inputs)
    for number, seen in enumerate(later, 1):
        # Cells are 16 pixels wide: the middle of the first one has been in sight before.
        assert torch.equal(seen[..., 16:], first[..., 16 - 3 * number : -3 * number])
    # What came in with the second frame got the clouds that were there, and has kept them since.
    assert torch.equal(later[2][..., 6:16], first[..., :10])


def test_a_frame_that_shows_two_shots_has_clouds_that_lie_still():
    """What motion is found between two shots leads nowhere."""
    painter = stylizer(moving(-3, 0), fill="clouds")
    frames = painter.stylize(pan(4, 3), mixed=lambda index: index == 2)
    drifts = [stylized.state.drift for stylized in frames]
    assert drifts[2] is None and drifts[1].any() and drifts[3].any()
    assert torch.equal(drifts[3], drifts[1])  # begun anew
