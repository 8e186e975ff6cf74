"""Reliability maps are those of the original checkers."""

import time

import cv2
import numpy as np
import pytest
from skimage import data

from brushflow.common.errors import UsageError
from brushflow.occlusion import reliability, structure_map


def picture(height, width):
    return cv2.resize(data.astronaut(), (width, height), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("size", [(33, 47), (40, 25)])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("with_image", [False, True])
def test_rule_fast_equals_the_checker_bit_for_bit(plain, flows, size, seed, with_image):
    flow, reverse = flows(*size, seed)
    image = picture(*size) if with_image else None
    expected = plain.check(flow, reverse, image)
    assert 0.05 < expected.mean() / 255 < 0.95
    assert np.array_equal(reliability(flow, reverse, image), expected / 255)


@pytest.mark.parametrize("seed", [0, 1])
def test_texture_decides_in_some_places(flows, seed):
    flow, reverse = flows(60, 80, seed)
    with_image = reliability(flow, reverse, picture(60, 80))
    without = reliability(flow, reverse)
    assert (with_image >= without).all() and (with_image > without).any()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rule_slow_is_within_one_grey_level(plain, flows, seed):
    flow, reverse = flows(33, 47, seed)
    expected = plain.check(flow, reverse, rule="slow")
    ours = reliability(flow, reverse, rule="slow") * 255
    assert np.abs(ours - expected).max() < 1
    assert ((ours > 5) & (ours < 250)).any()


def test_a_still_picture_is_reliable_but_for_the_last_row_and_column():
    zero = np.zeros((20, 30, 2), np.float32)
    expected = np.ones((20, 30), np.float32)
    expected[-1] = expected[:, -1] = 0
    assert np.array_equal(reliability(zero, zero), expected)
    assert np.array_equal(reliability(zero, zero, picture(20, 30)), expected)


def test_what_leaves_the_picture_is_unreliable():
    flow = np.zeros((20, 30, 2), np.float32)
    flow[..., 0] = 5
    mask = reliability(flow, -flow)
    assert mask[:-1, :24].all() and not mask[:, 25:].any()


def test_values_that_are_no_numbers_are_unreliable():
    flow = np.zeros((20, 30, 2), np.float32)
    flow[4, 5], flow[6, 7], flow[8, 9] = np.nan, np.inf, 1e30
    mask = reliability(flow, np.zeros_like(flow))
    assert mask[4, 5] == mask[6, 7] == mask[8, 9] == 0
    assert mask[:-1, :-1].sum() == 19 * 29 - 3


def test_a_picture_without_texture_cannot_show_an_error(flows):
    flow, reverse = flows(30, 40, 0, strength=2)
    grey = np.full((30, 40, 3), 90, np.uint8)
    mask = reliability(flow, reverse, grey)
    assert mask.sum() > reliability(flow, reverse).sum()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 5)])
@pytest.mark.parametrize("rule", ["fast", "slow"])
def test_tiny_maps_work(shape, rule):
    zero = np.zeros((*shape, 2), np.float32)
    mask = reliability(zero, zero, np.zeros((*shape, 3), np.uint8), rule)
    assert mask.shape == shape and mask.dtype == np.float32


def test_sixteen_bit_frames_give_the_map_of_eight_bit_ones(flows):
    flow, reverse = flows(40, 50, 3)
    image = picture(40, 50)
    deep = reliability(flow, reverse, image.astype(np.uint16) * 257)
    assert (deep != reliability(flow, reverse, image)).mean() < 0.01


def test_wrong_requests_are_refused():
    zero = np.zeros((4, 5, 2), np.float32)
    with pytest.raises(UsageError, match="no occlusion rule 'quick'"):
        reliability(zero, zero, rule="quick")
    with pytest.raises(ValueError, match="do not fit"):
        reliability(zero, np.zeros((4, 6, 2), np.float32))


@pytest.mark.slow
def test_a_480p_pair_costs_less_than_20_warps_on_one_core(flows):
    """That is some 60 ms; warps are the measure because they get slower on a busy machine too."""
    flow, reverse = flows(480, 854, 0)
    image = picture(480, 854)
    places = np.stack(np.meshgrid(np.arange(854), np.arange(480)), -1).astype(np.float32) + flow

    def cost(work, *arguments):
        start = time.thread_time()
        work(*arguments)
        return time.thread_time() - start

    checks, warps = zip(
        *(
            (
                cost(reliability, flow, reverse, image),
                cost(cv2.remap, reverse, places, None, cv2.INTER_LINEAR),
            )
            for _ in range(30)
        ),
        strict=True,
    )
    assert min(checks) < 20 * min(warps)


def test_a_structure_that_is_known_gives_the_same_map():
    image = picture(60, 80)
    flow = np.random.default_rng(1).normal(0, 1, (60, 80, 2)).astype(np.float32)
    found = reliability(flow, -flow, image, structure=structure_map(image))
    assert np.array_equal(found, reliability(flow, -flow, image))
    flat = reliability(flow, -flow, image, structure=np.zeros((60, 80), np.float32))
    assert not np.array_equal(flat, found)
