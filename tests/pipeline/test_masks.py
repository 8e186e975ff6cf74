"""Masks: what is not painted is the source, whatever the mask's form; alpha goes through."""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from brushflow.common.errors import UsageError
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.pipeline.masks import mixed
from brushflow.pipeline.preview import preview, stylize_image
from brushflow.video import EncodeSettings, SegmentWriter, assemble, open_source, read_image
from brushflow.video import write_image as write

COUNT = 14


@pytest.fixture
def options(tiny_model_file):
    return StylizeOptions(style=str(tiny_model_file), device="cpu", codec="ffv1", cuts="none")


@pytest.fixture(scope="module")
def clip(tmp_path_factory, drifting):
    """14 frames of 96×64 whose pixels are stored as they are."""
    return lossless(tmp_path_factory.mktemp("clip") / "clip.mkv", drifting(COUNT))


def lossless(path, frames, rate=25, alpha=False):
    part = path.with_name("part.mkv")
    height, width = frames[0].shape[:2]
    form = "bgra" if alpha else "bgr0"
    with SegmentWriter(
        part, width, height, EncodeSettings("ffv1", pix_fmt=form, alpha=alpha), Fraction(rate)
    ) as writer:
        for frame in frames:
            writer.write(frame)
    assemble([part], range(len(frames)), Fraction(1, rate), path)
    part.unlink()
    return path


def disc(index, height=64, width=96):
    """A soft disc that moves to the right, uint8 (H, W)."""
    y, x = np.mgrid[:height, :width]
    away = np.hypot(x - width * (0.3 + 0.02 * index), y - height / 2)
    return np.clip(255 * (height * 0.3 - away) / 4, 0, 255).astype(np.uint8)


def grey(mask):
    return np.dstack([mask] * 3)


def frames_of(path, **how):
    return [frame.pixels for frame in open_source(path).read(**how)]


def painted(source, output, options):
    stylize_video(source, output, replace(options, pix_fmt="bgr0"))
    return frames_of(output)


def test_what_is_not_painted_equals_the_source_and_the_rest_the_painting(clip, options, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for index in range(COUNT):
        write(masks / f"{index}.png", grey(disc(index)))
    whole = painted(clip, tmp_path / "whole.mkv", options)
    result = painted(clip, tmp_path / "in.mkv", replace(options, mask=str(masks)))
    inverted = replace(options, mask=str(masks), mask_invert=True)
    outside = painted(clip, tmp_path / "out.mkv", inverted)
    for index, frame in enumerate(frames_of(clip)):
        mask = disc(index)
        assert np.array_equal(result[index][mask == 0], frame[mask == 0])
        assert np.array_equal(result[index][mask == 255], whole[index][mask == 255])
        assert np.array_equal(outside[index][mask == 255], frame[mask == 255])
        assert np.array_equal(outside[index][mask == 0], whole[index][mask == 0])
        soft = (mask > 60) & (mask < 200)
        between = np.minimum(frame, whole[index])[soft].astype(int) - 1
        assert soft.any() and (result[index][soft] >= between).all()


def test_a_mask_in_a_video_of_another_size_and_rate_is_scaled_and_kept_in_step(
    clip, options, tmp_path
):
    halves = [np.zeros((128, 192, 3), np.uint8) for _ in range(COUNT // 2)]
    for index, half in enumerate(halves):
        half[:, : 20 * (index + 1)] = 255
    mask = lossless(tmp_path / "mask.mkv", halves, Fraction(25, 2))
    chosen = replace(options, mask=str(mask), end=Fraction(1, 2))
    result = painted(clip, tmp_path / "out.mkv", chosen)
    for index, frame in enumerate(frames_of(clip)[: len(result)]):
        edge = 10 * (index // 2 + 1)
        assert np.array_equal(result[index][:, edge + 2 :], frame[:, edge + 2 :])
        assert (result[index][:, : edge - 2] != frame[:, : edge - 2]).mean() > 0.5


@pytest.mark.parametrize("end", [None, Fraction(1, 4)])
def test_a_mask_of_the_same_frames_at_another_rate_is_theirs(
    make_clip, drifting, options, tmp_path, end
):
    clip = make_clip(tmp_path / "clip.mp4", drifting(COUNT))
    made = []
    for rate in (25, 10):
        masks = [grey(disc(index)) for index in range(COUNT)]
        mask = lossless(tmp_path / f"{rate}.mkv", masks, rate)
        chosen = replace(options, mask=str(mask), end=end)
        made.append(painted(clip, tmp_path / f"out-{rate}.mkv", chosen))
    assert len(made[0]) == (COUNT if end is None else 7)
    assert np.array_equal(*made)


def test_one_picture_is_the_mask_of_all_frames(clip, options, tmp_path):
    mask = disc(5)
    write(tmp_path / "mask.png", grey(mask))
    still = replace(options, mask=str(tmp_path / "mask.png"), end=Fraction(3, 25))
    result = painted(clip, tmp_path / "out.mkv", still)
    assert len(result) == 3
    for frame, picture in zip(frames_of(clip), result, strict=False):
        assert np.array_equal(picture[mask == 0], frame[mask == 0])
        assert (picture[mask == 255] != frame[mask == 255]).mean() > 0.5


def transparent(count, value=0):
    """Frames (H, W, 4) of noise, hidden but for a disc; what is hidden has any colour."""
    frames = []
    for index in range(count):
        mask = disc(index)
        colour = np.full((*mask.shape, 3), (30, 200, 90), np.uint8)
        colour[::7] = 10
        colour[mask == 0] = value
        frames.append(np.dstack([colour, mask]))
    return frames


@pytest.mark.parametrize(
    ("name", "codec", "off"), [("a.mkv", "ffv1", 1), ("a.mov", None, 1), ("a.webm", None, 40)]
)
def test_alpha_goes_through(options, tmp_path, name, codec, off):
    source = lossless(tmp_path / "source.mkv", transparent(4), alpha=True)
    alpha = replace(options, mask="alpha", codec=codec, crf=4)
    report = stylize_video(source, tmp_path / name, alpha)
    assert not any("black" in note for note in report.notes)
    for index, picture in enumerate(frames_of(report.output, alpha=True)):
        away = np.abs(picture[..., 3].astype(int) - disc(index))
        assert away.max() <= off
        assert away.mean() < 1


def test_alpha_is_put_on_black_where_the_container_has_none(options, tmp_path):
    source = lossless(tmp_path / "source.mkv", transparent(3), alpha=True)
    report = stylize_video(source, tmp_path / "a.mp4", replace(options, mask="alpha", codec="h264"))
    assert any("black" in note for note in report.notes)
    for index, picture in enumerate(frames_of(report.output)):
        assert picture[cv2.dilate(disc(index), np.ones((9, 9))) == 0].max() < 12


@pytest.mark.parametrize("mask", ["alpha", None])
def test_what_is_transparent_beside_a_shape_is_no_bar(options, tmp_path, mask):
    shape = np.zeros((64, 96), np.uint8)
    shape[4:60, 20:70] = shape[28:36, 70:86] = 255  # a body, and a tail beyond its straight side
    frames = [
        np.dstack([frame, shape]) for frame in np.full((3, 64, 96, 3), (30, 200, 90), np.uint8)
    ]
    for index, frame in enumerate(frames):
        frame[index::5, :, 0] = 220
    source = lossless(tmp_path / "source.mkv", frames, alpha=True)
    chosen = replace(options, mask=mask, pix_fmt="bgra" if mask else "bgr0")
    for bars in ("auto", "none"):
        stylize_video(source, tmp_path / f"{bars}.mkv", replace(chosen, crop_bars=bars))
    pairs = (frames_of(tmp_path / f"{bars}.mkv") for bars in ("auto", "none"))
    assert all(np.array_equal(*pair) for pair in zip(*pairs, strict=True))


def test_the_colour_behind_what_is_hidden_does_not_come_to_light(options, tmp_path):
    pictures = []
    for number, value in enumerate((0, 255)):
        source = lossless(tmp_path / f"{number}.mkv", transparent(1, value), alpha=True)
        output = tmp_path / f"{number}.png"
        result = painted_picture(source, output, replace(options, mask="alpha"), tmp_path)
        pictures.append(result)
    assert np.array_equal(pictures[0], pictures[1])


def painted_picture(source, output, options, folder):
    (frame,) = frames_of(source, alpha=True)
    behind = folder / "frame.png"
    write(behind, frame)
    stylize_image(open_source(behind), output, options)
    return read_image(output, alpha=True)


def test_a_sheet_shows_the_mask(clip, options, tmp_path):
    write(tmp_path / "none.png", np.zeros((64, 96, 3), np.uint8))
    masked = replace(options, mask=str(tmp_path / "none.png"))
    preview(open_source(clip), tmp_path / "sheet.png", masked, 2)
    sheet = read_image(tmp_path / "sheet.png")
    assert np.array_equal(sheet[:64], sheet[64:])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_both_ends_of_a_mask_are_exact(dtype):
    rng = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    inside, outside = (rng.integers(0, top, (20, 30, 3), dtype, endpoint=True) for _ in range(2))
    mask = rng.choice(np.array([0, top], dtype), (20, 30))
    expected = np.where(mask[..., None] == 0, outside, inside)
    assert np.array_equal(mixed(inside, outside, mask), expected)
    middle = mixed(inside, outside, np.full((20, 30), top // 2, dtype))
    assert np.abs(middle - (inside.astype(float) + outside) / 2).max() <= top / 255


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"mask": "alpha"}, "has no transparent parts"),
        ({"mask": "tall.png"}, "another shape"),
        ({"mask": "few"}, "has 3 pictures, and .* has 14 frames"),
        ({"mask": "short.mkv"}, "ends after 0.12 s"),
        ({"mask_invert": True}, "where there is none"),
        ({"style_outside": "great-wave"}, "where there is none"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused_in_a_sentence(clip, options, tmp_path, values, words):
    write(tmp_path / "tall.png", np.zeros((96, 64, 3), np.uint8))
    (tmp_path / "few").mkdir()
    for number in range(3):
        write(tmp_path / "few" / f"{number}.png", np.zeros((64, 96, 3), np.uint8))
    lossless(tmp_path / "short.mkv", [np.zeros((64, 96, 3), np.uint8)] * 3)
    if values.get("mask", "alpha") != "alpha":
        values = {"mask": str(tmp_path / values["mask"])}
    stages = []
    with pytest.raises(UsageError, match=words):
        stylize_video(
            clip, tmp_path / "out.mkv", replace(options, **values), lambda *s: stages.append(s[0])
        )
    assert not list(tmp_path.glob("out*")) and "stylize" not in stages


def test_the_command_takes_a_mask_and_writes_a_transparent_film(options, run_command, tmp_path):
    source = lossless(tmp_path / "clip.mkv", transparent(3), alpha=True)
    arguments = ["--style", options.style, "--device", "cpu", "--quiet"]
    code, _, said = run_command(source, *arguments, "--mask", "alpha")
    assert code == 0, said
    (made,) = tmp_path.glob("clip.tiny.*.mov")
    assert "mask-alpha" in made.name
    assert open_source(made).info.has_alpha
    code, _, said = run_command(source, *arguments, "--style-outside", "great-wave")
    assert code == 2
    assert "where there is none; name one. See --mask." in said
