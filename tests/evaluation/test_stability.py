"""Temporal errors: values known by hand, and E_warp against a plain rewriting."""

import importlib.util
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from brushflow.evaluation.masks import traceable
from brushflow.evaluation.pair_motion import estimated_motion, true_motion
from brushflow.evaluation.stability import (
    difference_map,
    e_warp,
    frame_difference_error,
    rerevst_error,
    ruder_error,
    tof,
)
from brushflow.evaluation.truth import true_flow
from brushflow.flow import load_estimator, stays_inside

_spec = importlib.util.spec_from_file_location("plain", Path(__file__).with_name("plain.py"))
plain = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(plain)


def still(height=8, width=10):
    return np.zeros((height, width, 2), np.float32)


def test_a_change_of_51_levels_is_a_square_of_a_fifth(uniform):
    differences = difference_map(uniform(100), uniform(151), still())
    assert differences == pytest.approx(0.04)
    half = np.zeros((8, 10), bool)
    half[:4] = True
    assert e_warp(differences, half) == pytest.approx(0.04)
    assert ruder_error(differences, half) == pytest.approx(0.02)
    assert rerevst_error(ruder_error(differences, half)) == pytest.approx(math.sqrt(0.02))


def test_one_channel_counts_a_third(uniform):
    other = uniform(100)
    other[..., 1] = 151
    assert e_warp(difference_map(uniform(100), other, still()), np.ones((8, 10))) == pytest.approx(
        0.04 / 3
    )


def test_soft_reliability_counts_squared_over_all_pixels(uniform):
    differences = difference_map(uniform(0), uniform(255), still())
    assert ruder_error(differences, np.full((8, 10), 0.5, np.float32)) == pytest.approx(0.25)


def test_motion_that_is_followed_is_no_error():
    photo = data.astronaut()
    frame, later = photo[50:98, 60:124], photo[52:100, 57:121]
    forward = np.broadcast_to(np.float32([3, -2]), (48, 64, 2))
    differences = difference_map(frame, later, forward)
    mask = stays_inside(forward)
    assert mask.sum() == 46 * 61
    assert e_warp(differences, mask) < 1e-8
    assert e_warp(differences, np.ones_like(mask)) > 1e-3  # what left the picture is black


def test_16_bit_frames_give_the_same(uniform):
    frame, other = uniform(100), uniform(151)
    wide = [each.astype(np.uint16) * 257 for each in (frame, other)]
    assert difference_map(*wide, still()) == pytest.approx(difference_map(frame, other, still()))


def test_nothing_visible_is_no_number(uniform):
    assert math.isnan(e_warp(difference_map(uniform(0), uniform(9), still()), np.zeros((8, 10))))


def test_frame_differences_by_hand(uniform):
    # The result changes by 51 levels where the source changes by 102: (0.2 − 0.4)².
    error = frame_difference_error(uniform(10), uniform(61), uniform(100), uniform(202))
    assert error == pytest.approx(0.04)
    assert frame_difference_error(uniform(60), uniform(9), uniform(151), uniform(100)) == 0


def test_tof_is_the_mean_length_of_the_difference():
    flow, reference = still(), still()
    flow[:4] = (3, 4)
    assert tof(flow, reference) == pytest.approx(2.5)
    known = np.zeros((8, 10), bool)
    assert math.isnan(tof(flow, reference, known))
    known[0, 0] = True
    assert tof(flow, reference, known) == pytest.approx(5)


def test_hidden_pixels_and_motion_boundaries_are_left_out():
    # The left half stands still, the right half moves by 5 to the left over its neighbour.
    forward, backward = still(20, 40), still(20, 40)
    forward[:, 20:, 0] = -5
    backward[:, 15:, 0] = 5
    mask = traceable(forward, backward)
    assert not mask[:, 15:20].any()  # covered
    assert mask[:, :15].all() and mask[:, 20:].all()
    forward[:, 20:, 0] = 0
    forward[10, 30] = 0.1  # below every threshold but that of the gradient: 2·0.1² > 0.002
    mask = traceable(forward, still(20, 40))
    assert not mask[10, 30] and not mask[10, 29] and not mask[9, 30]
    assert mask.sum() == 20 * 40 - 3


def test_the_border_of_the_picture_is_inside():
    flow = still(3, 4)
    flow[0, 0] = (-0.01, 0)
    flow[2, 3] = (0, 0.01)
    flow[1, 1] = np.nan
    assert stays_inside(flow).sum() == 9
    flow[:] = (1, 0)
    assert stays_inside(flow).tolist() == [[True, True, True, False]] * 3


def assert_like_plain(frame, later, estimator):
    forward, backward = estimator(frame, later), estimator(later, frame)
    errors, _ = estimated_motion(estimator, frame, later).errors(frame, later)
    ours = errors["e_warp"]
    theirs = plain.e_warp(frame, later, forward, backward)
    assert theirs > 1e-5
    assert ours == pytest.approx(theirs, abs=1e-6, rel=1e-4)


def test_e_warp_is_that_of_the_plain_rewriting():
    left, right, _ = data.stereo_motorcycle()
    frames = [cv2.resize(each, (320, 216), interpolation=cv2.INTER_AREA) for each in (left, right)]
    assert_like_plain(*frames, load_estimator("dis"))


@pytest.mark.parametrize("numbers", [(16, 17), (16, 21)])
def test_e_warp_is_that_of_the_plain_rewriting_on_film(data_folder, numbers):
    frames = [
        cv2.imread(str(data_folder / f"flow/frames/frame_{number:04d}.png"))[..., ::-1].copy()
        for number in numbers
    ]
    assert_like_plain(*frames, load_estimator("dis"))


def test_with_true_motion_one_mask_serves_all_errors(uniform):
    flow = still()
    flow[0, 0] = 2e9
    occluded = np.zeros((8, 10), bool)
    occluded[:4] = True
    truth = true_flow(flow, occluded=occluded)
    assert truth.known.sum() == 79 and truth.visible.sum() == 40
    errors, _ = true_motion(truth).errors(uniform(100), uniform(151))
    assert errors["e_warp"] == pytest.approx(0.04)
    assert errors["ruder"] == pytest.approx(0.02)
