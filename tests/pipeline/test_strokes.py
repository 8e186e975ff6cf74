"""Strokes are as wide as asked for, and a painting of another size comes to the frame's own."""

import cv2
import numpy as np
import pytest
from skimage import data

from brushflow.common.sizes import resized
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.pipeline.strokes import at_full_size, painted_size, stroke_for
from brushflow.pipeline.stylizer import Stylizer
from brushflow.video import open_source


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
