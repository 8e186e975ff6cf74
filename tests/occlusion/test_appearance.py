"""What keeps its painting although no flow is consistent there, and what must not."""

import numpy as np
import pytest

from brushflow.flow import stays_inside
from brushflow.occlusion import by_looks, reliability

H, W = 48, 64


def noise(seed, color=(60, 90, 120)):
    """Water: the same colours everywhere and at all times, and nothing that stays."""
    ripples = np.random.default_rng(seed).integers(-30, 31, (H, W, 1))
    return (np.array(color) + ripples).astype(np.uint8)


def still(dx=0.0, dy=0.0):
    return np.tile(np.array([dx, dy], np.float32), (H, W, 1))


def test_ripples_are_carried_along():
    nowhere = np.zeros((H, W), np.float32)
    known = by_looks(nowhere, still(), noise(0), noise(1))
    assert known.dtype == np.float32 and known.shape == (H, W)
    assert known.all()


def test_what_something_else_has_covered_or_uncovered_stays_unknown():
    before, now = noise(0), noise(1)
    before[16:32, 8:24] = noise(2, (200, 160, 40))[16:32, 8:24]
    now[16:32, 36:52] = noise(3, (200, 160, 40))[16:32, 36:52]
    known = by_looks(np.zeros((H, W), np.float32), still(), now, before)
    for left in (8, 36):
        assert not known[16:32, left : left + 16].any()
    assert known[:8].all()


def test_between_alike_and_another_thing_consistency_decides():
    random = np.random.default_rng(4)
    soft = random.random((H, W), dtype=np.float32)
    flow = random.normal(0, 1, (H, W, 2)).astype(np.float32)
    inside = stays_inside(flow)
    plain = np.full((H, W, 3), 90, np.uint8)
    for change, expected in ((15, np.ones_like(soft)), (20, soft), (-20, soft), (26, 0 * soft)):
        now = (plain.astype(np.int16) + change).astype(np.uint8)
        known = by_looks(soft, flow, now, plain)[4:-4, 4:-4]
        assert np.array_equal(known, np.where(inside, expected, soft)[4:-4, 4:-4])
    one = plain.copy()
    one[..., 2] += 26  # one channel is enough
    assert not by_looks(soft, still(), one, plain).any()


def test_what_leaves_the_picture_is_as_it_was():
    soft = np.random.default_rng(4).random((H, W), dtype=np.float32)
    known = by_looks(soft, still(-10.5, 3), noise(0), noise(1))
    assert np.array_equal(known[:, :11], soft[:, :11])
    assert np.array_equal(known[-3:], soft[-3:])
    assert (known[:-3, 11:] == 1).all()


def test_a_small_thing_before_a_ground_that_moves_is_not_painted_over():
    """Flow of the ground in both directions is consistent, also where the thing is and was."""
    grass = np.random.default_rng(0).integers(60, 120, (H, W + 3, 3)).astype(np.uint8)
    before, now = grass[:, :W].copy(), grass[:, 3:].copy()
    before[20:26, 30:34] = now[20:26, 40:44] = 5
    checked = reliability(still(3), still(-3), now)
    assert checked[18:28, 28:46].all()
    known = by_looks(checked, still(3), now, before)
    assert not known[21:25, 40:44].any()
    assert not known[21:25, 27:31].any()  # the ground that it has hidden
    assert known[8:14, 8:40].all()


def test_a_flow_that_is_no_number_is_not_believed():
    flow = still()
    flow[10, 20] = np.nan
    known = by_looks(np.zeros((H, W), np.float32), flow, noise(0), noise(1))
    assert known[10, 20] == 0 and known.sum() == known.size - 1


def test_ten_bit_frames_are_judged_alike():
    flow = still(1.25, -2.5)
    nowhere = np.zeros((H, W), np.float32)
    now, before = noise(0), np.roll(noise(1, (70, 100, 132)), 9, axis=1)
    wide = [frame.astype(np.uint16) * 257 for frame in (now, before)]
    assert np.array_equal(by_looks(nowhere, flow, now, before), by_looks(nowhere, flow, *wide))


@pytest.mark.parametrize("speed", [3, 9])
def test_what_a_passing_thing_uncovers_is_painted_anew(speed):
    """Exact flow in both directions: the consistency check's answer for the ground stays."""
    ground, thing = noise(0), noise(1, (220, 210, 60))

    def frame(left):
        picture = ground.copy()
        picture[12:36, left : left + 20] = thing[12:36, :20]
        return picture

    def motion(left, by):
        flow = still()
        flow[12:36, left : left + 20, 0] = by
        return flow

    before, now = frame(20), frame(20 + speed)
    flow = motion(20 + speed, -speed)
    checked = reliability(flow, motion(20, speed), now)
    uncovered = checked[12:36, 20 : 20 + speed]
    assert not uncovered.any()
    known = by_looks(checked, flow, now, before)
    assert not known[14:34, 20 : 20 + speed].any()
