"""The last touches change the written picture as they say, and only it; what is kept beside it."""

import cv2
import numpy as np
import pytest
import torch

from brushflow.common.errors import BrushflowError
from brushflow.flow import read_flo
from brushflow.models import preprocess
from brushflow.occlusion.motion import EstimatedMotion
from brushflow.pipeline.finishing import finish, keep
from brushflow.pipeline.stylizer import Stylized


@pytest.fixture
def stylized(drifting):
    frame, other = drifting(1)[0], drifting(1, picture="coffee")[0]
    # As light as the frame, but for strokes of another picture.
    painting = np.rint(frame * 0.5 + other * 0.1 + 50).astype(np.uint8)
    return Stylized(0, frame, preprocess(painting), None), painting


def test_plain_output_is_the_painting(stylized):
    item, painting = stylized
    assert np.array_equal(finish(item), painting)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_not_shown_as_black(stylized, value):
    item, _ = stylized
    item.output[0, 1, 5, 7] = value
    with pytest.raises(BrushflowError, match="no numbers"):
        finish(item)
    assert np.array_equal(finish(item, strength=0), item.frame)


def test_strength_mixes_frame_and_painting(stylized):
    item, painting = stylized
    assert np.array_equal(finish(item, strength=0), item.frame)
    half = finish(item, strength=0.5).astype(int)
    assert np.abs(half - (item.frame.astype(int) + painting) / 2).max() <= 1


def test_keep_colors_takes_brightness_only(stylized):
    item, painting = stylized
    grey = cv2.cvtColor(cv2.cvtColor(item.frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    result = finish(Stylized(0, grey, item.output, None), keep_colors=True)
    assert np.ptp(result.astype(int), axis=2).max() <= 1
    luma = cv2.cvtColor(painting, cv2.COLOR_RGB2GRAY).astype(int)
    assert np.abs(result[..., 0].astype(int) - luma).max() <= 1


@pytest.mark.parametrize("width", [3, 5, 7])
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


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_fades_to_one_colour_fades_from_painting_to_frame(stylized, dtype):
    item, painting = stylized
    shares = []
    for contrast in (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0):
        frame = np.round(item.frame * contrast * (np.iinfo(dtype).max / 255)).astype(dtype)
        picture = finish(Stylized(0, frame, item.output, None))
        assert picture.dtype == dtype
        scale = 255 / np.iinfo(dtype).max
        away, whole = (
            np.abs(other.astype(float) - frame * scale).sum()
            for other in (picture * scale, painting)
        )
        shares.append(away / whole)
    assert shares == sorted(shares, reverse=True)
    assert shares[1] > 0.99 and 0.05 < shares[3] < 0.95 and shares[-1] == 0


def test_both_directions_are_kept_in_the_frames_size(tmp_path):
    def estimator(frame, other):
        return np.full((*frame.shape[:2], 2), frame.mean(), np.float32)

    frame, previous = (np.full((400, 640, 3), level, np.uint8) for level in (2, 3))
    motion = EstimatedMotion(estimator)(frame, previous, 1, None)
    keep(tmp_path, ["flow", "reliability"], Stylized(1, frame, None, motion), frame, 1)
    for name, value in (("backward_2_1.flo", 4), ("forward_1_2.flo", 6)):
        flow = read_flo(tmp_path / name)
        assert flow.shape == (400, 640, 2)
        assert np.all(
            flow[8:-8, 8:-8] == value
        )  # pixels of a frame twice the size that motion was found at
