"""The last touches change the written picture as they say, and only it."""

import cv2
import numpy as np
import pytest
import torch

from brushflow.models import preprocess
from brushflow.pipeline.finish import finish
from brushflow.pipeline.stylizer import Stylized


@pytest.fixture
def stylized(drifting):
    frame, painting = drifting(1)[0], drifting(1, picture="coffee")[0]
    return Stylized(0, frame, preprocess(painting), None), painting


def test_plain_output_is_the_painting(stylized):
    item, painting = stylized
    assert np.array_equal(finish(item), painting)


def test_strength_mixes_frame_and_painting(stylized):
    item, painting = stylized
    assert np.array_equal(finish(item, strength=0), item.frame)
    half = finish(item, strength=0.5).astype(int)
    assert np.abs(half - (item.frame.astype(int) + painting) / 2).max() <= 1


def test_keep_colors_takes_brightness_only(stylized):
    item, painting = stylized
    grey = np.full_like(item.frame, 128)
    result = finish(Stylized(0, grey, item.output, None), keep_colors=True)
    assert np.ptp(result.astype(int), axis=2).max() <= 1
    luma = cv2.cvtColor(painting, cv2.COLOR_RGB2GRAY).astype(int)
    assert np.abs(result[..., 0].astype(int) - luma).max() <= 1


@pytest.mark.parametrize("width", [3, 5])
def test_median_filter_takes_out_single_pixels_and_keeps_size_and_state(stylized, width):
    item, _ = stylized
    item.output[..., 30, 40] = 500
    before = item.output.clone()
    result = finish(item, median_filter=width)
    assert result.shape == item.frame.shape
    assert abs(int(result[30, 40, 0]) - int(result[30, 39, 0])) < 60
    assert torch.equal(item.output, before)


def test_sixteen_bit_frames_give_sixteen_bit_pictures(stylized):
    item, painting = stylized
    deep = Stylized(0, item.frame.astype(np.uint16) * 257, item.output, None)
    for options in ({}, {"strength": 0.5}, {"keep_colors": True}, {"median_filter": 3}):
        result = finish(deep, **options)
        assert result.dtype == np.uint16
    assert np.abs(finish(deep).astype(int) - painting.astype(int) * 257).max() <= 1
