import os
import re
import subprocess
import sys
import textwrap
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.option_fields import option_of
from brushflow.pipeline import StylizeOptions
from brushflow.video import (
    EncodeSettings,
    SegmentWriter,
    check_encoder,
    encoder_meant,
    ffmpeg,
    open_source,
    try_settings,
)
from brushflow.video.color import BT709
from brushflow.video.ffmpeg import FFmpegProcess, _ask, ffmpeg_binary, video_encoders


def children():
    """Process ids of this process's living children."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(words[1]) == os.getpid() and words[0] != "Z":
                found.append(int(entry.name))
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")


@needs_proc
def test_closing_a_read_early_leaves_no_process(run_ffmpeg, tmp_path):
    path = tmp_path / "in.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=640x360:d=4", "-preset", "ultrafast", path)
    before = children()
    frames = open_source(path).read()
    next(frames)
    assert len(children()) == len(before) + 1
    frames.close()
    assert children() == before


@needs_proc
def test_failing_block_leaves_neither_process_nor_file(tmp_path):
    before = children()
    path = tmp_path / "a.mkv"
    with (
        pytest.raises(KeyboardInterrupt),
        SegmentWriter(path, 64, 64, EncodeSettings(), Fraction(25)) as writer,
    ):
        writer.write(np.zeros((64, 64, 3), np.uint8))
        raise KeyboardInterrupt
    assert children() == before
    assert list(tmp_path.iterdir()) == []


def test_flood_of_messages_does_not_block():
    script = "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo the end >&2; echo out"
    with FFmpegProcess(["/bin/sh", "-c", script], stdout=True) as process:
        assert process.stdout.read() == b"out\n"
        assert process.finish() == 0
        assert process.last_message() == "the end"


def test_terminal_interrupt_does_not_reach_ffmpeg():
    command = [sys.executable, "-c", "import os; print(os.getsid(0))"]
    with FFmpegProcess(command, stdout=True) as run:
        assert int(run.stdout.readline()) != os.getsid(0)


def test_terminal_interrupt_does_not_reach_an_ffmpeg_that_is_asked_something(tmp_path):
    asked = tmp_path / "ffmpeg"
    asked.write_text(f"#!{sys.executable}\nimport os; print(os.getsid(0))\n", encoding="utf-8")
    asked.chmod(0o755)
    assert int(_ask(str(asked), "-version")) != os.getsid(0)


def test_what_ffmpeg_has_started_ends_with_it():
    # Its open end of the pipe for messages would keep the block from ending.
    with FFmpegProcess(["/bin/sh", "-c", "sleep 9999 & echo; wait"], stdout=True) as run:
        run.stdout.readline()


def test_full_disk_is_an_error_with_nothing_left(tmp_path):
    script = """
        import resource, sys
        from fractions import Fraction
        from pathlib import Path
        import numpy as np
        from brushflow.common.errors import BrushflowError
        from brushflow.video import EncodeSettings, SegmentWriter
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
        noise = np.random.default_rng(1)
        try:
            path = Path(sys.argv[1])
            with SegmentWriter(path, 128, 128, EncodeSettings(crf=1), Fraction(25)) as writer:
                for _ in range(200):
                    writer.write(noise.integers(0, 256, (128, 128, 3), dtype=np.uint8))
        except BrushflowError as error:
            print("refused:", error)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "a.mkv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "refused: ffmpeg could not encode a.mkv" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_bad_option_comes_back_in_ffmpegs_words(tmp_path):
    settings = EncodeSettings(preset="leisurely")
    frame = np.zeros((64, 64, 3), np.uint8)
    with (
        pytest.raises(BrushflowError, match=r"a\.mkv with libx264: .+"),
        SegmentWriter(tmp_path / "a.mkv", 64, 64, settings, Fraction(25)) as writer,
    ):
        for _ in range(500):
            writer.write(frame)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def replace_ffmpeg(tmp_path, monkeypatch):
    """Put a script before ffmpeg that does something else for some command lines."""

    def replace(case):
        script = tmp_path / "bin" / "ffmpeg"
        script.parent.mkdir()
        lines = ["#!/bin/sh", 'case "$*" in', case, "esac", f'exec "{ffmpeg_binary()}" "$@"', ""]
        script.write_text("\n".join(lines))
        script.chmod(0o755)
        monkeypatch.setenv("BRUSHFLOW_FFMPEG", str(script))

    return replace


def test_a_full_disk_is_told_with_the_place_and_what_to_do(replace_ffmpeg, tmp_path):
    replace_ffmpeg("*matroska*) cat > /dev/null; echo 'No space left on device' >&2; exit 1;;")
    path = tmp_path / "a.mkv"
    with (
        pytest.raises(BrushflowError, match=f"disk is full, and {path}") as caught,
        SegmentWriter(path, 64, 64, EncodeSettings(), Fraction(25)) as writer,
    ):
        writer.write(np.zeros((64, 64, 3), np.uint8))
    assert not isinstance(caught.value, UsageError) and caught.value.about == "full_disk"


def test_only_a_trial_that_dies_again_makes_the_settings_wrong(replace_ffmpeg, tmp_path):
    deaths = tmp_path / "deaths"
    replace_ffmpeg(
        f'*superfast*) if [ -s "{deaths}" ]; then read -r left < "{deaths}"; '
        f'printf %s "${{left#x}}" > "{deaths}"; kill -9 $$; fi ;;'
    )
    settings = EncodeSettings(preset="superfast")
    deaths.write_text("x")
    try_settings(settings, 64, 48, BT709)
    deaths.write_text("xx")
    with pytest.raises(UsageError, match="cannot be encoded like this") as caught:
        try_settings(settings, 64, 48, BT709)
    assert caught.value.about == "encoding"
    assert deaths.read_text() == ""


def test_unknown_encoder_names_its_neighbours():
    with pytest.raises(UsageError, match="libx264"):
        check_encoder(EncodeSettings(codec="x264"))
    with pytest.raises(UsageError, match="no encoder zzz"):
        check_encoder(EncodeSettings(codec="zzz"))
    with pytest.raises(UsageError, match="no encoder aac for video"):
        check_encoder(EncodeSettings(codec="aac"))


def test_encoders_that_are_suggested_work_here(monkeypatch):
    listed = ffmpeg.video_encoders() | {"h264_dream"}  # as those of cards that are not there
    monkeypatch.setattr(ffmpeg, "video_encoders", lambda: listed)
    with pytest.raises(UsageError, match="did you mean") as refused:
        check_encoder(EncodeSettings(codec="h264_drea"))
    assert "libx264" in str(refused.value) and "dream" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "encoders"),
    [
        ("h264", {"libx264"}),
        ("H.264", {"libx264"}),
        ("x264", {"libx264"}),
        ("hevc", {"libx265"}),
        ("h265", {"libx265"}),
        ("HEVC", {"libx265"}),
        ("av1", {"libsvtav1", "libaom-av1", "librav1e"}),
        ("VP9", {"libvpx-vp9"}),
        ("prores", {"prores_ks"}),
        ("LIBX265", {"libx265"}),
        ("ffv1", {"ffv1"}),
        ("nonsense", {"nonsense"}),
    ],
)
def test_codecs_mean_what_people_mean(name, encoders):
    assert encoder_meant(name) in encoders


def test_the_names_that_help_has_for_codecs_stand_for_encoders():
    (codec,) = (field for field in fields(StylizeOptions) if field.name == "codec")
    names = option_of(codec).help.split(", or ")[0].split(", ")
    assert {"h264", "hevc", "av1"} < set(names)
    assert all(encoder_meant(name) in video_encoders() for name in names)


@pytest.mark.parametrize("codec", ["libx265", "libvpx-vp9", "ffv1", "prores_ks", "mpeg4"])
def test_encoders_with_other_ideas_of_quality_work(tmp_path, codec):
    settings = EncodeSettings(codec=codec, crf=4)
    check_encoder(settings)
    frame = np.full((64, 96, 3), (40, 90, 160), np.uint8)
    path = tmp_path / "a.mkv"
    with SegmentWriter(path, 96, 64, settings, Fraction(25)) as writer:
        for _ in range(3):
            writer.write(frame)
    read = [timed.pixels for timed in open_source(path).read()]
    assert len(read) == 3
    assert np.abs(read[1].astype(int) - frame).mean() < 4


def test_ffmpeg_can_be_chosen_by_environment(monkeypatch):
    monkeypatch.setenv("BRUSHFLOW_FFMPEG", "/nowhere/ffmpeg")
    with pytest.raises(BrushflowError, match="/nowhere/ffmpeg"):
        ffmpeg_binary()


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_size_that_the_encoder_refuses_names_the_option_for_sizes(codec):
    with pytest.raises(UsageError, match=rf"20000×16 .*{codec}") as caught:
        try_settings(EncodeSettings(codec=codec), 20000, 16, BT709)
    assert caught.value.about == "frame_size"
    # It is the encoder who says why, and no part of ffmpeg that only got nothing from it.
    assert re.search("width|dimension|resolution|size|large", str(caught.value).split(codec, 1)[1])
    assert "Nothing was written" not in str(caught.value)


def test_a_repetition_is_no_message(replace_ffmpeg):
    replace_ffmpeg(
        "*matroska*) echo wrong >&2; echo '    Last message repeated 1 times' >&2; exit 1;;"
    )
    with FFmpegProcess([ffmpeg_binary(), "matroska"]) as process:
        process.finish()
        assert process.last_message() == "wrong"
