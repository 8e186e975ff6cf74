from fractions import Fraction

import av
import numpy as np
import pytest

from brushflow.video import open_source

UNEVEN = [0, 7001, 9000, 9001, 15000, 57600, 57700, 70003, 90000, 90500, 99999, 120000]


def test_uneven_timestamps_are_read_exactly(make_clip, tmp_path):
    path = make_clip(tmp_path / "vfr.mp4", UNEVEN, Fraction(1, 57600))
    source = open_source(path)
    frames = list(source.read())
    assert [frame.pts * source.info.time_base for frame in frames] == [
        Fraction(pts, 57600) for pts in UNEVEN
    ]
    assert [frame.index for frame in frames] == list(range(len(UNEVEN)))
    assert source.problem is None


def test_uneven_timestamps_survive_into_mp4(make_clip, rebuild, times_of, tmp_path):
    path = make_clip(tmp_path / "vfr.mp4", UNEVEN, Fraction(1, 57600))
    rebuild(path, tmp_path / "out.mp4")
    assert times_of(tmp_path / "out.mp4") == times_of(path)


def test_uneven_timestamps_survive_into_matroska_to_its_tick(
    make_clip, rebuild, times_of, tmp_path
):
    pts = [number * 1001 + number % 3 * 333 for number in range(12)]
    path = make_clip(tmp_path / "vfr.mp4", pts, Fraction(1, 57600))
    rebuild(path, tmp_path / "out.mkv")
    pairs = zip(times_of(tmp_path / "out.mkv"), times_of(path), strict=True)
    assert max(abs(a - b) for a, b in pairs) <= Fraction(1, 1000)


def test_late_first_frame_stays_late(make_clip, rebuild, times_of, tmp_path):
    pts = [1001 * (4 + number) for number in range(10)]
    path = make_clip(tmp_path / "late.mov", pts, Fraction(1, 30000))
    rebuild(path, tmp_path / "out.mp4")
    assert float(times_of(path)[0]) == pytest.approx(4004 / 30000, abs=1e-3)
    assert times_of(tmp_path / "out.mp4") == times_of(path)


def test_matroska_source_keeps_its_clock(make_clip, rebuild, times_of, tmp_path):
    path = make_clip(tmp_path / "film.mkv", [0, 42, 83, 125, 167, 500], Fraction(1, 1000))
    rebuild(path, tmp_path / "out.mp4")
    assert times_of(tmp_path / "out.mp4") == times_of(path)


def test_last_frame_keeps_its_duration(run_ffmpeg, rebuild, tmp_path):
    path = tmp_path / "in.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=1.3", path)
    rebuild(path, tmp_path / "out.mp4")
    assert open_source(tmp_path / "out.mp4").info.duration == pytest.approx(1.3, abs=1e-6)


def test_small_gray_scan_sees_the_frames_of_the_full_read(make_clip, tmp_path):
    path = make_clip(tmp_path / "vfr.mp4", UNEVEN, Fraction(1, 57600))
    source = open_source(path)
    scan = list(source.read(size=(24, 16), gray=True))
    assert scan[0].pixels.shape == (16, 24)
    assert [frame.pts for frame in scan] == [frame.pts for frame in source.read()]


def test_clock_of_a_long_recording_is_read_exactly(make_clip, run_ffmpeg, tmp_path, times_of):
    path = make_clip(tmp_path / "in.mp4")
    moved = tmp_path / "moved.ts"
    run_ffmpeg("-i", path, "-c", "copy", "-output_ts_offset", "40000", moved)
    times = times_of(moved)
    assert times[0] > 40000
    assert [time - times[0] for time in times] == [Fraction(k, 25) for k in range(20)]


def test_recording_with_a_running_clock_starts_at_zero(
    make_clip, run_ffmpeg, rebuild, times_of, tmp_path
):
    path = make_clip(tmp_path / "in.mp4")
    moved = tmp_path / "moved.ts"
    run_ffmpeg("-i", path, "-c", "copy", "-output_ts_offset", "40000", moved)
    rebuild(moved, tmp_path / "out.mp4")
    assert times_of(tmp_path / "out.mp4") == [Fraction(k, 25) for k in range(20)]


@pytest.mark.parametrize(
    ("suffix", "sound", "offset"),
    [(".ts", False, "10.0000556"), (".vob", True, "9.9999944"), (".mpg", False, "3601.0000333")],
)
def test_no_frame_is_lost_where_a_recording_starts_between_two_microseconds(
    run_ffmpeg, rebuild, times_of, tmp_path, suffix, sound, offset
):
    source = tmp_path / f"in{suffix}"
    tone = ["-f", "lavfi", "-i", "sine=d=1"] if sound else []
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1", *tone),
        *("-c:v", "mpeg2video", "-bf", 0, "-output_ts_offset", offset, source),
    )
    rebuild(source, tmp_path / "out.mp4")
    times = times_of(tmp_path / "out.mp4")
    assert [time - times[0] for time in times] == [Fraction(k, 25) for k in range(25)]
    assert (0 < times[0] < Fraction(1, 25)) if sound else times[0] == 0
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 25


def last_shown(path):
    """How long a player shows the last frame, by the file's own words."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        return float(packets[-1].duration * packets[-1].time_base)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("one.mp4", ["testsrc2=s=64x48:r=1/20:d=20", "-frames:v", 1], 20),
        ("one.mkv", ["testsrc2=s=64x48:r=1/20:d=20", "-frames:v", 1], 20),
        ("one.mov", ["testsrc2=s=64x48:r=1/20:d=20", "-frames:v", 1], 20),
        ("one.flv", ["testsrc2=s=64x48:r=1/20:d=20", "-frames:v", 1], 20),
        ("one.wmv", ["testsrc2=s=64x48:r=1/20:d=20", "-frames:v", 1], 20),
        ("slides.gif", ["testsrc2=s=64x48:r=25:d=1", "-final_delay", 1500], 15),
    ],
)
def test_a_last_frame_is_shown_as_long_as_the_file_says(
    run_ffmpeg, rebuild, tmp_path, name, arguments, expected
):
    run_ffmpeg("-f", "lavfi", "-i", *arguments, tmp_path / name)
    rebuild(tmp_path / name, tmp_path / "out.mp4")
    assert last_shown(tmp_path / "out.mp4") == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_pause_before_the_last_frame_is_not_added_twice(
    make_clip, run_ffmpeg, rebuild, tmp_path, suffix
):
    pts = [*range(10), 160]
    make_clip(tmp_path / "clip.mp4", pts, Fraction(1, 10))
    source = tmp_path / f"in{suffix}"
    run_ffmpeg("-i", tmp_path / "clip.mp4", "-c", "copy", "-bsf:v", "setts=duration=0", source)
    rebuild(source, tmp_path / "out.mp4")
    assert last_shown(tmp_path / "out.mp4") < 1


def test_the_last_frame_of_a_trim_is_shown_until_its_end(make_clip, tmp_path):
    from brushflow.pipeline import StylizeOptions, stylize_video

    source = make_clip(tmp_path / "in.mp4", [0, 1, 2, 40], Fraction(1, 10))
    for number, (end, shown) in enumerate([(Fraction(3), 2.8), (Fraction(1, 4), 0.05)]):
        output = tmp_path / f"out-{number}.mp4"
        stylize_video(source, output, StylizeOptions(strength=0, end=end, preset="ultrafast"))
        assert last_shown(output) == pytest.approx(shown, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cfr.mp4", "vfr.mp4", "film.mkv", "stream.ts", "film.avi"])
def test_reading_from_the_middle_gives_the_same_frames(make_clip, run_ffmpeg, tmp_path, kind):
    path = tmp_path / kind
    if kind == "vfr.mp4":
        pts = [number * 2400 + number % 3 * 700 for number in range(200)]
        make_clip(path, pts, Fraction(1, 57600))
    elif kind.endswith(("mp4", "mkv")):
        make_clip(path, [number * 40 for number in range(200)], Fraction(1, 1000))
    else:
        clip = make_clip(tmp_path / "clip.mp4", range(200))
        codec = "mpeg4" if kind.endswith("avi") else "libx264"
        run_ffmpeg("-i", clip, "-c:v", codec, "-bf", 2, "-g", 30, path)
    source = open_source(path)
    frames = list(source.read())
    table = [frame.pts for frame in frames]
    for first in (1, 60, 97, 150, len(frames) - 1):
        again = list(source.read(first=first, table=table))
        assert [(f.index, f.pts) for f in again] == [(f.index, f.pts) for f in frames[first:]]
        for left, right in zip(again, frames[first:], strict=True):
            assert np.array_equal(left.pixels, right.pixels)


@pytest.mark.slow
def test_reading_from_the_middle_of_a_stream_without_key_frames(make_clip, run_ffmpeg, tmp_path):
    clip = make_clip(tmp_path / "clip.mp4", range(300))
    path = tmp_path / "refresh.mkv"
    refresh = "intra-refresh=1:keyint=100:bframes=2:open-gop=1"
    run_ffmpeg("-i", clip, "-c:v", "libx264", "-x264-params", refresh, path)
    source = open_source(path)
    frames = list(source.read())
    table = [frame.pts for frame in frames]
    for first in (120, 199, 260):
        again = next(source.read(first=first, table=table))
        assert np.array_equal(again.pixels, frames[first].pixels)


def test_wrong_table_falls_back_to_the_start(make_clip, tmp_path):
    path = make_clip(tmp_path / "clip.mp4", range(150))
    source = open_source(path)
    frames = list(source.read())
    shifted = [frame.pts + 1 for frame in frames]
    again = list(source.read(first=120, table=shifted))
    assert [frame.pts for frame in again] == [frame.pts for frame in frames[120:]]


def test_rational_frame_rates_are_not_rounded(run_ffmpeg, tmp_path):
    path = tmp_path / "in.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:r=30000/1001:d=0.5", path)
    assert open_source(path).info.frame_rate == Fraction(30000, 1001)
