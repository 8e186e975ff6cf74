"""The flow that comes with a simulated sequence is the true one."""

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from brushflow.flow import warp
from brushflow.occlusion import reliability
from brushflow.training.data.cube_faces import OVERLAP
from brushflow.training.data.simulated import SOURCES, shift, single_image, vr, with_holes, zoom_out


@pytest.fixture(scope="module")
def picture():
    """Soft enough that what is measured is the motion and not the interpolation."""
    soft = cv2.GaussianBlur(data.astronaut(), (0, 0), 1.5)
    return torch.from_numpy(soft.transpose(2, 0, 1).copy()).float()


def carried_over(sequence, k):
    """Mean error in grey levels of frame k warped to frame k+1, inside the certain pixels."""
    warped = warp(sequence.frames[k][None], sequence.flows[k][None])[0]
    certain = sequence.certainties[k].expand_as(warped) > 0
    return float((warped - sequence.frames[k + 1])[certain].abs().mean())


@pytest.mark.parametrize(("source", "limit"), [(shift, 0.1), (zoom_out, 2.0)])
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_flow_reproduces_the_next_frame(picture, source, limit, steps):
    random = np.random.default_rng(0)
    for _ in range(10):
        sequence = source(picture, (96, 128), steps, random)
        assert len(sequence.frames) == steps + 1
        for k in range(steps):
            assert carried_over(sequence, k) < limit


def test_frames_do_move(picture):
    random = np.random.default_rng(0)
    for source in (shift, zoom_out):
        moved = [
            float(source(picture, (128, 128), 1, random).flows[0].abs().max()) for _ in range(10)
        ]
        assert max(moved) > 5


@pytest.mark.parametrize("source", [shift, zoom_out])
def test_certainty_ends_where_that_of_a_video_does(picture, source):
    random = np.random.default_rng(1)
    for _ in range(20):
        sequence = source(picture, (128, 112), 2, random)
        for flow, certainty in zip(sequence.flows, sequence.certainties, strict=True):
            # A reverse flow that always agrees leaves only what the picture's border decides;
            # constant flows have one everywhere.
            if source is shift:
                expected = reliability(flow.numpy(), -flow.numpy())
                assert np.array_equal(certainty[0].numpy(), expected)
            inside = warp(torch.ones(1, 1, 128, 112), flow[None])[0] > 0.997
            assert (certainty <= inside).all()
            assert (inside.float() - certainty).sum() <= 2 * 128


def test_holes_hide_part_of_the_picture_sometimes():
    random = np.random.default_rng(2)
    maps = [with_holes(torch.ones(1, 128, 128), random) for _ in range(40)]
    assert any(m.min() == 0 for m in maps)
    assert any(m.min() == 1 for m in maps)


def test_single_image_has_no_past(picture):
    sequence = single_image(picture, (128, 128), 3, np.random.default_rng(0))
    assert (len(sequence.frames), sequence.flows, sequence.certainties) == (1, [], [])


@pytest.mark.parametrize("name", SOURCES)
def test_a_picture_just_as_large_as_the_window_serves(picture, name):
    sequence = SOURCES[name](picture[:, :64, :80], (64, 80), 2, np.random.default_rng(0))
    assert all(frame.shape == (3, 64, 80) for frame in sequence.frames)


@pytest.mark.parametrize("turns", range(4))
def test_the_strip_of_a_neighbouring_face_lands_on_its_border(picture, turns):
    random = np.random.default_rng(3)
    for _ in range(5):
        sequence = vr(picture, 128, turns, random)
        assert carried_over(sequence, 0) < 2
        # As seen with the neighbour on the right: the columns beyond the true border, whole.
        certainty = torch.rot90(sequence.certainties[0], -turns, (1, 2))[0]
        beyond = round(128 * OVERLAP / 2)
        assert certainty[:, -beyond:].mean() == 1
        assert certainty[:, : -beyond - 1].sum() == 0


def test_faces_of_a_cube_agree_with_rays():
    """The map between faces is that of viewing rays: turn a ray by 90 degrees and project it."""
    size, focal, centre = 64, 64 * (1 - OVERLAP) / 2, 63 / 2
    picture = torch.zeros(3, 128, 128)
    flow = vr(picture, size, 0, np.random.default_rng(0)).flows[0]
    for x, y in [(60, 10), (63, 40), (57, 31)]:
        ray = np.array([x - centre, y - centre, focal])
        # The neighbour looks along what is +x here; its own x axis is −z.
        turned = np.array([-ray[2], ray[1], ray[0]])
        expected = centre + focal * turned[:2] / turned[2]
        found = flow[y, x].numpy() + np.array([x, y])
        assert np.allclose(found, expected, atol=1e-3)
