"""Motion is found on smaller frames, as if they were the video, and brought to the frames' size."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from skimage import data

from brushflow.flow import hold_inside, load_estimator, stays_inside
from brushflow.flow.resize import resize_flow
from brushflow.occlusion import by_looks, reliability
from brushflow.occlusion.motion import EstimatedMotion, usual_size


@pytest.mark.parametrize(
    ("longest", "size"),
    [(64, 64), (320, 320), (500, 320), (854, 427), (1920, 960), (3840, 1024)],
)
def test_half_the_size_within_bounds(longest, size):
    assert usual_size(longest) == size


@pytest.fixture(scope="module")
def frames():
    """512×384, everything moves by six pixels to the left and four up."""
    picture = cv2.resize(data.astronaut(), (600, 600))
    return picture[54:438, 56:568], picture[50:434, 50:562]


def find(motion, frames):
    with ThreadPoolExecutor(1) as pool:
        return motion(*frames, 1, pool)


def test_the_frames_own_size_is_what_the_parts_give(frames):
    estimator = load_estimator("dis")
    found = find(EstimatedMotion(estimator, "fast", 512), frames)
    flow, reverse = estimator(*frames), estimator(*frames[::-1])
    held = hold_inside(flow)
    assert np.array_equal(found.flow, held) and np.array_equal(found.reverse, reverse)
    checked = reliability(flow, reverse, frames[0])
    expected = by_looks(checked, held, *frames)
    assert np.array_equal(found.reliability[:-1, :-1], expected[:-1, :-1])
    assert checked.sum() < found.reliability.sum() < checked.size


def test_a_still_picture_is_known_in_every_frame_up_to_its_border(frames):
    def shaken(frame, other):
        return np.random.default_rng(0).normal(0, 0.1, (*frame.shape[:2], 2)).astype(np.float32)

    for estimator in (load_estimator("dis"), shaken):
        found = find(EstimatedMotion(estimator), (frames[0], frames[0]))
        assert (found.reliability == 1).all()

    moved = find(EstimatedMotion(load_estimator("dis")), frames).reliability
    assert np.array_equal(moved[-1], moved[-2]) and np.array_equal(moved[:, -1], moved[:, -2])


@pytest.mark.parametrize("speed", [0.4, 1.5, 3.0])
@pytest.mark.parametrize("max_size", [256, 512])
def test_nothing_is_carried_in_from_outside_the_picture(speed, max_size):
    """Not even along the border, where reliability is that of what lies beside it."""
    plain = np.full((384, 512, 3), 90, np.uint8)

    def estimator(frame, other):
        return np.full((*frame.shape[:2], 2), speed, np.float32)

    found = find(EstimatedMotion(estimator, max_size=max_size), (plain, plain))
    assert (found.reliability <= stays_inside(found.flow)).all()
    assert (found.reliability[:-12, :-12] == 1).all()


def test_half_the_size_finds_the_same_motion(frames):
    seen = []
    dis = load_estimator("dis")

    def estimator(frame, other):
        seen.append(frame.shape)
        return dis(frame, other)

    found = find(EstimatedMotion(estimator), frames)
    assert set(seen) == {(240, 320, 3)}
    inside = (slice(40, -40), slice(40, -40))
    assert np.abs(np.median(found.flow[inside], (0, 1)) - (6, 4)).max() < 0.1
    reverse = resize_flow(found.reverse, (384, 512))
    assert np.abs(np.median(reverse[inside], (0, 1)) - (-6, -4)).max() < 0.1
    assert found.flow.shape == (384, 512, 2)
    assert found.reliability.shape == (384, 512)
    assert set(np.unique(found.reliability)) == {0, 1}
    assert found.reliability[inside].mean() > 0.95
