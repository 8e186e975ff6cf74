"""Flow pictures: hue is direction, white is rest."""

import numpy as np

from brushflow.flow import flow_to_color


def color_of(u, v, max_norm=1.0):
    return flow_to_color(np.float32([[[u, v]]]), max_norm)[0, 0].tolist()


def test_no_motion_is_white():
    assert (flow_to_color(np.zeros((3, 4, 2), np.float32)) == 255).all()


def test_right_is_red_and_directions_differ():
    assert color_of(1, 0) == [255, 0, 0]
    around = [color_of(np.cos(a), np.sin(a), 1.001) for a in np.arange(0, 2 * np.pi, np.pi / 4)]
    assert len({tuple(color) for color in around}) == 8


def test_the_wheel_has_no_seam():
    above, below = color_of(1, 1e-4, 1.01), color_of(1, -1e-4, 1.01)
    assert np.abs(np.subtract(above, below)).max() <= 1


def test_slower_is_paler_and_too_fast_is_darker():
    slow, full, fast = color_of(0.3, 0), color_of(1, 0), color_of(2, 0)
    assert slow[0] == full[0] == 255 and slow[1] > full[1]
    assert sum(fast) < sum(full)


def test_the_longest_vector_sets_the_scale():
    flow = np.random.default_rng(0).normal(size=(5, 6, 2)).astype(np.float32)
    longest = float(np.linalg.norm(flow, axis=2).max())
    assert np.array_equal(flow_to_color(flow), flow_to_color(flow, longest))
    assert np.array_equal(flow_to_color(flow), flow_to_color(10 * flow))


def test_unknown_flow_is_black_and_does_not_set_the_scale():
    flow = np.zeros((2, 2, 2), np.float32)
    flow[0, 0], flow[0, 1], flow[1, 0] = (1, 0), 2e9, (np.nan, 0)
    picture = flow_to_color(flow)
    assert picture.dtype == np.uint8
    assert picture.tolist() == [[[255, 0, 0], [0, 0, 0]], [[0, 0, 0], [255, 255, 255]]]
