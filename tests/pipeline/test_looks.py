"""Bars and fades are the film's, and what is painted is as if there were none."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from brushflow.common.errors import UsageError
from brushflow.flow import read_flo
from brushflow.models import load
from brushflow.occlusion import read_pgm
from brushflow.occlusion.motion import Motion
from brushflow.pipeline import StylizeOptions, Stylizer, stylize_video
from brushflow.pipeline.finishing import finish, keep
from brushflow.pipeline.folder import RunFolder
from brushflow.pipeline.painter import Painter
from brushflow.pipeline.preview import preview, stylize_image
from brushflow.pipeline.stylizer import Stylized
from brushflow.shots.fades import Fade
from brushflow.shots.looks import Look, looks_of
from brushflow.shots.scan import Scan, scan_source
from brushflow.video import open_source, read_image, write_image

RED = (120.0, 10.0, 20.0)


@pytest.fixture
def options(tiny_model_file):
    return StylizeOptions(style=str(tiny_model_file), device="cpu")


def faded(frames, gains, colour=(0, 0, 0)):
    flat = np.array(colour, np.float32)
    return [
        np.rint(frame * gain + flat * (1 - gain)).astype(np.uint8)
        for frame, gain in zip(frames, gains, strict=True)
    ]


def boxed(frames, top, bottom):
    return [cv2.copyMakeBorder(f, top, bottom, 0, 0, cv2.BORDER_CONSTANT) for f in frames]


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_a_look_taken_off_and_put_on_again(drifting, depth):
    (frame,) = drifting(1)
    frame = frame.astype(depth) * (257 if depth == np.uint16 else 1)
    look = Look((5, 7, 2, 0), 0.4, RED)
    shown = look.shown(frame[5:-7, 2:], frame)
    assert shown.dtype == depth and shown.shape == frame.shape
    # Bars are the frame's own, to the bit.
    assert np.array_equal(shown[:5], frame[:5]) and np.array_equal(shown[:, :2], frame[:, :2])
    back = look.picture(shown)
    assert back.shape == (52, 94, 3) and back.flags.c_contiguous
    error = np.abs(back.astype(int) - frame[5:-7, 2:]) * (255 / np.iinfo(depth).max)
    assert error.max() <= 2  # a rounded level over the gain


def test_bars_shrink_with_the_frames_and_belong_to_their_shot():
    scan = Scan([], [10], None, [], [(0, (0, 0, 0, 0)), (10, (45, 45, 0, 3))])
    look = looks_of(scan, (640, 360), (320, 180))
    assert look(9).bars == (0, 0, 0, 0)
    assert look(10).bars == look(500).bars == (23, 23, 0, 2)  # half a row of picture is a bar's


def test_only_what_shows_something_is_lit_up():
    scan = Scan([], [], None, [], [], [Fade(3, (1.0, 0.5, 0.01), RED)])
    look = looks_of(scan, (64, 48), (64, 48))
    assert [look(index).gain for index in range(2, 7)] == [1, 1, 0.5, 1, 1]
    assert look(4).colour == RED


@pytest.mark.parametrize("step", [1, -1])
def test_inside_bars_a_film_is_painted_as_if_there_were_none(drifting, options, step):
    frames = drifting(4, 96, 48)
    painter = Painter(options)
    bare = [painter.finish(item) for item in painter.paint(frames, step=step)]
    around = painter.paint(boxed(frames, 9, 7), step=step, looks=lambda i: Look((9, 7, 0, 0)))
    for item, alone in zip(around, bare, strict=True):
        picture = painter.finish(item)
        assert np.array_equal(picture[9:-7], alone)
        assert not picture[:9].any() and not picture[-7:].any()


def test_large_frames_with_bars_are_painted_small_and_come_out_whole(drifting, options):
    frames = [cv2.resize(frame, (288, 192)) for frame in drifting(3)]
    painter = Painter(replace(options, stroke=2))
    bare = [painter.finish(item) for item in painter.paint(frames)]
    looks = painter.paint(boxed(frames, 20, 20), looks=lambda index: Look((20, 20, 0, 0)))
    for item, alone in zip(looks, bare, strict=True):
        assert np.array_equal(painter.finish(item)[20:-20], alone)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), RED])
def test_the_painting_fades_as_the_source_does(make_clip, drifting, options, tmp_path, colour):
    """Its light, in shares of full light, is the source's within a tenth."""
    gains = np.clip((20 - np.arange(24)) / 14, 0, 1)
    frames = faded(drifting(24, 160, 96, "coffee", 1), gains, colour)
    film = make_clip(tmp_path / "film.mp4", frames)
    report = stylize_video(film, tmp_path / "out.mp4", options)
    weights = np.array([0.299, 0.587, 0.114])
    end = weights @ colour
    lights = np.array([(f.pixels @ weights).mean() for f in open_source(report.output).read()])
    full = lights[:6].mean()
    # Of what there is to see, or of a codec's levels where that is little.
    assert np.abs(lights - (gains * full + (1 - gains) * end)).max() < max(3, 0.1 * abs(full - end))
    last = [frame.pixels for frame in open_source(report.output).read()][-1]
    assert np.abs(last - np.array(colour)).mean() < 3


def test_a_fade_is_painted_in_the_strokes_of_full_light(drifting):
    """No other picture appears: the bundled style paints a dimmed frame as it does a bright one."""
    frame = drifting(1, 128, 96, "chelsea")[0]
    (dim,) = faded([frame], [0.3])
    stylizer = Stylizer(load("starry-night"))
    look = Look((0, 0, 0, 0), 0.3, (0.0, 0.0, 0.0))
    (bright,) = (finish(item) for item in stylizer.stylize([frame]))
    (lit,) = stylizer.stylize([look.picture(dim)])
    shown = finish(replace(lit, frame=dim, look=look))
    assert np.abs(shown.astype(int) - faded([bright], [0.3])[0]).mean() < 2


def test_a_run_with_bars_and_fades_goes_on_as_it_would_have(
    make_clip, drifting, options, short_segments, tmp_path
):
    gains = np.r_[np.clip(np.arange(20) / 10, 0, 1), np.linspace(1, 0, 12)]
    frames = boxed(faded(drifting(32, 96, 48, "coffee", 1), gains), 10, 10)
    film = make_clip(tmp_path / "film.mp4", frames)

    def paint(name, fails=False):
        def watch(stage, done, total):
            if fails and stage == "stylize" and done == 28:
                raise InterruptedError

        try:
            stylize_video(film, tmp_path / name, options, watch)
        except InterruptedError:
            return None
        return (tmp_path / name).read_bytes()

    whole = paint("whole.mp4")
    assert paint("halves.mp4", fails=True) is None
    scan = RunFolder(tmp_path / "halves.mp4.brushflow").load_scan()
    assert scan.bars == [(0, (10, 10, 0, 0))] and len(scan.fades) == 2
    assert scan == scan_source(open_source(film), "auto", lambda *step: None, lambda: None)
    assert paint("halves.mp4") == whole


def test_bars_may_be_given_or_painted(make_clip, drifting, options, tmp_path, run_command):
    film = make_clip(tmp_path / "film.mp4", boxed(drifting(4, 96, 48), 8, 8))
    style = options.style
    outside = np.r_[0:6, 58:64]
    for bars, left in (("none", False), ("6:6:0:0", True), ("auto", True)):
        output = tmp_path / f"{bars[:4].replace(':', '-')}.mp4"
        code, _, err = run_command(film, "--style", style, "--crop-bars", bars, "-o", output)
        assert code == 0, err
        picture = [frame.pixels for frame in open_source(output).read()][2]
        assert (picture[outside].mean() < 4) == left
    for wrong, said in (("1:2:3", "four numbers"), ("32:32:0:0", "leave nothing")):
        code, _, err = run_command(film, "--style", style, "--crop-bars", wrong, "-o", "x.mp4")
        assert code == 2 and said in err
    code, _, err = run_command(film, "--crop-bars", "1:1:0:0", "-o", "x.mp4", "--spherical")
    assert code == 2 and "flat frames" in err


def test_files_of_motion_have_the_size_of_the_frames(drifting, tmp_path):
    frame = drifting(1)[0]
    motion = Motion(np.ones((44, 96, 2), np.float32), np.zeros((44, 96), np.float32))
    item = Stylized(1, frame, None, motion, look=Look((12, 8, 0, 0)))
    keep(tmp_path, ["flow", "reliability"], item, frame, 1)
    flow, known = read_flo(tmp_path / "backward_2_1.flo"), read_pgm(tmp_path / "reliable_2_1.pgm")
    assert flow.shape == (64, 96, 2) and known.shape == (64, 96)
    assert flow[12:-8].all() and not flow[:12].any()
    assert not known[12:-8].any() and known[-8:].all()


def test_a_single_picture_has_bars_if_it_is_said_so(drifting, options, tmp_path):
    (frame,) = boxed(drifting(1), 8, 8)
    write_image(tmp_path / "a.png", frame)
    options = replace(options, crop_bars="8:8:0:0")
    stylize_image(open_source(tmp_path / "a.png"), tmp_path / "b.png", options)
    painting = read_image(tmp_path / "b.png")
    assert not painting[:8].any() and not painting[-8:].any()
    assert np.abs(painting[8:-8].astype(int) - frame[8:-8]).mean() > 5
    with pytest.raises(UsageError, match="leave nothing"):
        replace(options, crop_bars="0:0:50:46").bars(open_source(tmp_path / "a.png").info)


def test_a_preview_shows_moments_that_show_something(make_clip, drifting, options, tmp_path):
    black = [np.zeros((64, 96, 3), np.uint8)] * 5
    film = make_clip(tmp_path / "film.mp4", [*black, *drifting(5), *black, *drifting(3)])
    for moments in (1, 2):
        preview(open_source(film), tmp_path / f"{moments}.png", options, moments)
        sheet = read_image(tmp_path / f"{moments}.png")
        for number in range(moments):
            assert sheet[:64, 104 * number : 104 * number + 96].std() > 20


def test_paintings_dissolve_where_shots_do(drifting):
    """What was painted of the one shot is not held until the other's painting appears."""
    shares = np.clip((14 - np.arange(18)) / 14, 0, 1)
    one, other = drifting(18, 96, 64, "coffee", 1), drifting(18, 96, 64, "chelsea", 1)
    frames = [
        cv2.addWeighted(a, share, b, 1 - share, 0)
        for a, b, share in zip(one, other, shares, strict=True)
    ]
    jumps = []
    for mixed in (lambda index: False, lambda index: 3 <= index <= 12):
        stylizer = Stylizer(load("starry-night"), long_term=1)
        painted = list(stylizer.stylize(frames, {10}, mixed=mixed))
        jumps.append(float((painted[10].output - painted[9].output).abs().mean()))
        rest = stylizer.stylize(frames[5:8], {10}, 5, 1, painted[5].state.tensors(), mixed=mixed)
        assert all(torch.equal(a.output, b.output) for a, b in zip(rest, painted[6:8], strict=True))
    assert jumps[1] < 0.7 * jumps[0]


def test_the_scan_tells_frames_that_show_two_shots(make_clip, drifting, tmp_path):
    shares = np.clip((37 - np.arange(50)) / 24, 0, 1)
    frames = [
        cv2.addWeighted(a, share, b, 1 - share, 0)
        for a, b, share in zip(
            drifting(50, 160, 96, "coffee", 1), drifting(50, 160, 96, "chelsea", 1), shares,
            strict=True,
        )
    ]  # fmt: skip
    source = open_source(make_clip(tmp_path / "film.mp4", frames))
    scan = scan_source(source, "auto", lambda *step: None, lambda: None)
    look = looks_of(scan, (160, 96), (160, 96))
    mixed = [index for index in range(50) if look(index).mixed]
    assert len(scan.cuts) == 1 and scan.cuts[0] in mixed
    assert len(mixed) >= 8 and mixed[0] >= 13 and mixed[-1] <= 37
    assert scan_source(source, "none", lambda *step: None, lambda: None).dissolves == []
