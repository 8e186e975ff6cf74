"""Pictures in and out: images as a video, one image alone, and a video's contact sheet."""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.pipeline.preview import preview
from brushflow.tests.pictures import difference, frames_of, times_of
from brushflow.video import open_source, read_image, write_image


@pytest.fixture
def options(tiny_model_file):
    return StylizeOptions(style=str(tiny_model_file), device="cpu")


def test_a_pattern_with_a_gap_says_what_it_leaves_out(tmp_path, drifting, caplog):
    for number, frame in zip((1, 2, 5, 6), drifting(4), strict=True):
        write_image(tmp_path / f"f_{number}.png", frame)
    assert sum(1 for _ in open_source(tmp_path / "f_%d.png").read()) == 2
    assert "ends at the gap before number 3; 2 later pictures are left out" in caplog.text


def test_a_grey_picture_of_fractions_is_read(tmp_path):
    picture = np.linspace(0, 1, 40 * 50, dtype=np.float32).reshape(40, 50)
    cv2.imwrite(str(tmp_path / "x.tiff"), picture)
    read = read_image(tmp_path / "x.tiff")
    assert read.shape == (40, 50, 3) and np.abs(read - 255 * picture[..., None]).max() < 0.51


def test_a_float_picture_with_alpha_is_read(tmp_path):
    picture = np.full((40, 50, 4), 0.5, np.float32)
    picture[:, 25:, 3] = 1
    cv2.imwrite(str(tmp_path / "x.tiff"), picture)
    read = read_image(tmp_path / "x.tiff")
    assert read.dtype == np.uint8 and read.shape == (40, 50, 3)
    assert abs(int(read[5, 5, 0]) - 64) < 2 and abs(int(read[5, 40, 0]) - 128) < 2


def test_images_become_a_video_and_one_image_a_picture(
    drifting, run_command, tiny_model_file, tmp_path
):
    folder = tmp_path / "frames"
    folder.mkdir()
    for i, frame in enumerate(drifting(6)):
        write_image(folder / f"f{i + 1:03d}.png", frame)
    code, out, err = run_command(folder, "--style", tiny_model_file, "--fps", "10")
    assert code == 0, err
    assert "6 frames" in out
    assert times_of(tmp_path / "frames.tiny.fps-10.mp4") == [Fraction(i, 10) for i in range(6)]
    code, out, err = run_command(folder / "f001.png", "--style", tiny_model_file)
    assert code == 0, err
    assert read_image(folder / "f001.tiny.png").shape == (64, 96, 3)


def test_the_bars_of_a_picture_stay(drifting, run_command, tiny_model_file, tmp_path):
    boxed = np.zeros((104, 96, 3), np.uint8)
    boxed[20:84] = drifting(1)[0]
    write_image(tmp_path / "boxed.png", boxed)
    for bars in ((), ("--crop-bars", "20:20:0:0"), ("--crop-bars", "none")):
        output = tmp_path / "painted.png"
        arguments = ("--style", tiny_model_file, "--restart", "-o", output)
        code, _, err = run_command(tmp_path / "boxed.png", *arguments, *bars)
        assert code == 0, err
        painted = read_image(output)
        assert (painted[20:84] != boxed[20:84]).mean() > 0.5
        assert (painted[:20] == 0).all() == (painted[84:] == 0).all() == (bars[1:] != ("none",))


def test_preview_is_one_sheet_of_moments(two_shots, run_command, tiny_model_file, tmp_path):
    sheet = tmp_path / "sheet.png"
    code, _, err = run_command(two_shots, "--style", tiny_model_file, "--preview", 3, "-o", sheet)
    assert code == 0, err
    picture = read_image(sheet)
    assert picture.shape == (128, 3 * 96 + 2 * 8, 3)
    assert difference(picture[:64, :96], frames_of(two_shots)[3]) < 2
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("first", [5, 13, 14])
def test_a_preview_shows_what_the_run_would_paint(two_shots, options, tmp_path, first, backward):
    """Between --start and --end, and with nothing carried over a cut (at frame 14)."""
    times = {"start": Fraction(first, 25), "end": Fraction(first + 3, 25)}
    options = replace(options, backward=backward, codec="ffv1", **times)
    preview(open_source(two_shots), tmp_path / "sheet.png", options, 3)
    picture = read_image(tmp_path / "sheet.png")
    painted = frames_of(stylize_video(two_shots, tmp_path / "out.mkv", options).output)
    for i in range(3):
        column = picture[:, i * (96 + 8) :][:, :96]
        assert difference(column[:64], frames_of(two_shots)[first + i]) < 2
        assert difference(column[64:], painted[i]) < 2


@pytest.mark.parametrize(
    "arguments", [("--dry-run",), ("--jobs", "2"), ("--keep", "flow"), ("--report",)]
)
def test_what_only_videos_have_is_refused_for_pictures(two_shots, arguments, run_command, tmp_path):
    output = tmp_path / "sheet.png"
    code, _, err = run_command(two_shots, "--preview", 2, "-o", output, *arguments)
    assert code == 2 and not output.exists()
    assert f"{arguments[0]} is for videos" in err
