"""The last touches change the written picture as they say, and only it; what is kept beside it."""

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from brushflow.common.errors import BrushflowError
from brushflow.common.sizes import resized
from brushflow.flow import read_flo
from brushflow.models import preprocess
from brushflow.occlusion.motion import EstimatedMotion
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.pipeline.finishing import finish, keep
from brushflow.pipeline.strokes import at_full_size, painted_size, stroke_for
from brushflow.pipeline.stylizer import Stylized, Stylizer
from brushflow.video import open_source


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


@pytest.fixture
def photograph():
    return np.ascontiguousarray(data.astronaut()[:301, :403])


def read_frames(path):
    return np.stack([frame.pixels for frame in open_source(path).read()])


def painting_of(frame):
    """Another palette, and a texture that is not in the frame."""
    rows, columns = np.indices(frame.shape[:2])
    hatch = 12 * np.sin((rows + 2 * columns) / 2.5)
    bright = frame.mean(2) * 0.6 + 40 + hatch
    return np.clip(np.stack([bright, bright * 0.8, 200 - bright * 0.5], 2), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_on_its_own_size_a_painting_stays_as_it_is(photograph, dtype):
    scale = np.iinfo(dtype).max // 255
    frame, painting = (a.astype(dtype) * scale for a in (photograph, painting_of(photograph)))
    difference = at_full_size(painting, frame, frame).astype(int) - painting
    assert np.abs(difference).max() <= scale


@pytest.mark.parametrize("factor", [1.7, 2, 4])
def test_contours_are_the_sources_and_colours_the_paintings(photograph, factor):
    full = cv2.resize(photograph, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    height, width = full.shape[:2]
    painting = painting_of(photograph)
    shown = at_full_size(painting, photograph, full)
    assert shown.shape == full.shape and shown.dtype == np.uint8
    plain = cv2.resize(painting, (width, height), interpolation=cv2.INTER_CUBIC)
    assert np.abs(shown.mean((0, 1)) - plain.mean((0, 1))).max() < 1
    # A step of the source that is sharp at full size is sharp in what is shown.
    step = np.full((60, 80, 3), 60, np.uint8)
    step[:, 41:] = 190
    small = resized(step, (40, 30))
    contour = at_full_size(painting_of(small), small, step)[30, 38:45, 0].astype(int)
    soft = cv2.resize(painting_of(small), (80, 60), interpolation=cv2.INTER_CUBIC)[30, 38:45, 0]
    assert np.abs(np.diff(contour)).max() > 1.4 * np.abs(np.diff(soft.astype(int))).max()


def test_flat_areas_show_nothing_of_the_source():
    """Noise of the source is no contour, and one colour stays one colour, up to the border."""
    random = np.random.default_rng(0)
    frame = (128 + random.normal(0, 3, (200, 300, 1)) + np.zeros(3)).astype(np.uint8)
    small = resized(frame, (100, 67))
    painting = np.full((67, 100, 3), (200, 60, 30), np.uint8)
    shown = at_full_size(painting, small, frame).astype(int)
    assert np.abs(shown - (200, 60, 30)).max() <= 1


def test_strokes_are_as_wide_on_any_size():
    sizes = {(640, 360): 1, (854, 480): 1, (1280, 960): 2, (2560, 1920): 4, (1920, 2560): 4}
    for size, stroke in sizes.items():
        assert stroke_for(size, None) == stroke
    assert stroke_for((640, 360), 3) == 3
    assert painted_size((1920, 1080), 2) == (960, 540)
    assert painted_size((641, 361), 1) == (641, 361)
    assert painted_size((1921, 1081), 2) == (960, 540)


def test_a_stroke_of_one_is_the_plain_way_and_others_paint_another_size(
    tmp_path, make_clip, drifting, monkeypatch
):
    clip = make_clip(tmp_path / "clip.mp4", drifting(3))
    seen = []
    original = Stylizer._picture
    monkeypatch.setattr(
        Stylizer, "_picture", lambda self, frame: seen.append(frame.shape) or original(self, frame)
    )

    def paint(**options):
        seen.clear()
        output = tmp_path / f"{len(list(tmp_path.iterdir()))}.mkv"
        stylize_video(clip, output, StylizeOptions(**options))
        return read_frames(output), set(seen)

    plain, auto, coarse = paint(stroke=1.0), paint(), paint(stroke=2.0)
    assert np.array_equal(plain[0], auto[0])  # frames of a few lines are painted as they are
    height, width = drifting(1)[0].shape[:2]
    assert plain[1] == {(height, width, 3)}
    assert coarse[1] == {(height // 2, width // 2, 3)} and not np.array_equal(coarse[0], plain[0])


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
