"""A video becomes a GIF, an APNG, a WebP or numbered images, with its frames, times and alpha."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from brushflow.common.errors import UsageError
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.pipeline.outputs import is_done
from brushflow.tests.pipeline.test_masks import disc, frames_of, lossless, transparent
from brushflow.video import open_source, picture_files, read_image
from brushflow.video import write_image as write

TIMES = [0, 2, 3, 7, 9, 10]  # of 25ths of a second


@pytest.fixture
def options():
    return StylizeOptions(strength=0, device="cpu", cuts="none")


@pytest.fixture(scope="module")
def clip(tmp_path_factory, make_clip, drifting):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return make_clip(path, drifting(len(TIMES)), TIMES, sound=True)


def delays(path):
    with Image.open(path) as picture:
        found = []
        for number in range(picture.n_frames):
            picture.seek(number)
            picture.load()
            found.append(picture.info["duration"])
        return found


@pytest.mark.parametrize(("suffix", "off"), [(".gif", 12), (".apng", 0), (".webp", 6)])
def test_an_animation_has_every_frame_for_as_long_as_the_video(
    clip, options, tmp_path, suffix, off
):
    output = tmp_path / f"a{suffix}"
    report = stylize_video(clip, output, options)
    assert report.frames == len(TIMES)
    assert delays(output)[:-1] == [80, 40, 160, 80, 40]
    for before, after in zip(frames_of(clip), frames_of(output), strict=True):
        assert np.abs(before.astype(int) - after).mean() <= off
    assert [path.name for path in tmp_path.iterdir()] == [output.name]
    assert is_done(open_source(clip), output, options)
    assert not is_done(open_source(clip), output, replace(options, max_size=32))
    with pytest.raises(UsageError, match="exists already"):
        stylize_video(clip, output, replace(options, max_size=32))
    first = output.read_bytes()
    stylize_video(clip, output, replace(options, restart=True))
    assert output.read_bytes() == first


@pytest.mark.parametrize(("suffix", "off"), [(".gif", 128), (".apng", 0), (".webp", 0)])
def test_transparent_parts_stay_so(options, tmp_path, suffix, off):
    source = lossless(tmp_path / "source.mkv", transparent(3), alpha=True)
    output = tmp_path / f"a{suffix}"
    stylize_video(source, output, replace(options, mask="alpha"))
    for index, picture in enumerate(frames_of(output, alpha=True)):
        assert np.abs(picture[..., 3].astype(int) - disc(index)).max() <= off


def test_numbered_images_are_the_frames_and_nothing_that_is_there_is_lost(clip, options, tmp_path):
    pattern = tmp_path / "frame_%03d.png"
    report = stylize_video(clip, pattern, options)
    names = [f"frame_{number:03d}.png" for number in range(1, len(TIMES) + 1)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for frame, name in zip(frames_of(clip), names, strict=True):
        assert np.array_equal(read_image(tmp_path / name), frame)
    assert report.output == pattern
    assert is_done(open_source(clip), pattern, options)

    (tmp_path / names[0]).unlink()
    with pytest.raises(UsageError, match=r"frame_002.png exists already"):
        stylize_video(clip, pattern, options)
    foreign = tmp_path / "frame_099.png"
    write(foreign, np.zeros((4, 4, 3), np.uint8))
    shorter = replace(options, restart=True, end=Fraction(1, 10))
    assert stylize_video(clip, pattern, shorter).frames == 2
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [*names[:2], foreign.name]


def test_a_run_that_was_stopped_while_it_wrote_images_goes_on(clip, options, tmp_path, monkeypatch):
    pattern = tmp_path / "%d.png"
    real = picture_files.write_image

    def stopped(path, *arguments, **others):
        if path.name == "4.png":
            raise KeyboardInterrupt
        real(path, *arguments, **others)

    with monkeypatch.context() as patch:
        patch.setattr(picture_files, "write_image", stopped)
        with pytest.raises(KeyboardInterrupt):
            stylize_video(clip, pattern, options)
    assert not (tmp_path / "1.png").exists()
    report = stylize_video(clip, pattern, options)
    assert (report.painted, report.frames) == (0, len(TIMES))
    assert len(list(tmp_path.iterdir())) == len(TIMES)


def test_a_gif_of_many_frames_a_second_has_as_many_as_browsers_show(options, tmp_path, drifting):
    source = lossless(tmp_path / "fast.mkv", drifting(9), 100)
    report = stylize_video(source, tmp_path / "a.gif", options)
    assert len(frames_of(report.output)) == 5
    assert any("50 frames a second" in note for note in report.notes)
    assert set(delays(report.output)) == {20}


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("a.gif", {"codec": "h264"}, "no encoder makes"),
        ("%d-%d.png", {}, "names no images"),
        ("a.tga", {}, "cannot be written"),
    ],
)
def test_what_cannot_be_is_refused(clip, options, tmp_path, name, values, words):
    with pytest.raises(UsageError, match=words):
        stylize_video(clip, tmp_path / name, replace(options, **values))
    assert not list(tmp_path.iterdir())
