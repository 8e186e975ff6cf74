"""Flow that points just outside the picture."""

import numpy as np

from brushflow.flow import hold_inside, warp_array

H, W = 12, 17


def test_noise_at_the_border_of_a_still_picture_is_held():
    random = np.random.default_rng(0)
    flow = random.uniform(-1, 1, (H, W, 2)).astype(np.float32)
    before = flow.copy()
    held = hold_inside(flow)
    assert np.array_equal(flow, before)
    assert np.array_equal(held[1:-1, 1:-1], flow[1:-1, 1:-1])
    x, y = held[..., 0] + np.arange(W, dtype="f4"), held[..., 1] + np.arange(H, dtype="f4")[:, None]
    assert x.min() >= 0 and x.max() <= W - 1 and y.min() >= 0 and y.max() <= H - 1
    # So nothing fades into what lies outside, which is 0.
    assert np.allclose(warp_array(np.full((H, W), 100, np.float32), held), 100, atol=1e-3)


def test_what_points_farther_out_is_left_alone():
    flow = np.zeros((H, W, 2), np.float32)
    flow[:, 0, 0], flow[:, 1, 0], flow[:, -1, 0] = -1.5, -1.5, 3
    flow[5, 5] = np.nan
    held = hold_inside(flow)
    assert (held[:, 0, 0] == -1.5).all() and (held[:, -1, 0] == 3).all()
    assert (held[:, 1, 0] == -1).all()
    assert np.isnan(held[5, 5]).all()
