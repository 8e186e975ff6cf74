"""The tool for bug reports: it sees what is wrong, names it, and leaves with 1."""

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from click.testing import CliRunner

from brushflow.common.errors import BrushflowError
from brushflow.scripts import check_media
from brushflow.scripts.check_media import check, command, faults
from brushflow.video.playback import play


@pytest.fixture(scope="module")
def clip(make_clip, drifting, tmp_path_factory):
    """Thirty frames with sound."""
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", drifting(30), sound=True)


@pytest.fixture(scope="module")
def seen(clip):
    return play(clip)


def invoke(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_a_file_is_equal_to_itself(seen):
    assert list(faults(seen, seen, [])) == []


def brighter(seen):
    return {time: mean + 2 for time, mean in seen.means.items()}


def turned(seen):
    return {time: np.rot90(thumbnail) for time, thumbnail in seen.thumbnails.items()}


CHANGES = {
    "a frame less": (lambda s: {"times": s.times[:-1]}, "30 frames, the result 29"),
    "late": (lambda s: {"times": [t + Fraction(1, 25) for t in s.times]}, "0.0400 s too early"),
    "short": (lambda s: {"end": s.end - 1}, "It ends 1.0000 s"),
    "squeezed": (lambda s: {"size": (90, 64)}, "the result (90, 64)"),
    "wide": (lambda s: {"sample_aspect": Fraction(4, 3)}, "aspect 1, now 4/3"),
    "mute": (lambda s: {"tracks": type(s.tracks)()}, "1 track of audio, the result 0"),
    "out of step": (lambda s: {"audio_start": s.audio_start + 1}, "The sound begins 1.000 s"),
    "bright": (lambda s: {"means": brighter(s)}, "off by 2.00 grey levels"),
    "on its side": (lambda s: {"thumbnails": turned(s)}, "not the way up"),
    "other frames": (lambda s: {"means": {}}, "off by inf"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_wrong_is_named(name, seen):
    change, words = CHANGES[name]
    (fault,) = faults(seen, replace(seen, **change(seen)), [])
    assert words in fault


def test_a_track_that_was_left_out_with_a_sentence_is_no_fault(seen):
    note = "The audio track 1 (dts) was left out, because .mp4 files cannot hold it as it is."
    assert list(faults(seen, replace(seen, tracks=type(seen.tracks)()), [note])) == []


def test_a_folder_becomes_a_table(clip, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.mp4", "-b %d\x1b[2J.mp4"):
        (folder / name).write_bytes(clip.read_bytes())
    (folder / "notes.txt").write_text("no video")
    (folder / ".hidden").write_text("not looked at")
    result = invoke(folder, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[-1] == "3 of 3 files came through right."
    assert "\x1b" not in result.output and r"-b %d\x1b[2J.mp4" in result.output
    assert any(line.startswith("a.mp4") and "30 > 30" in line for line in lines)
    assert any(line.startswith("notes.txt") and "refused" in line for line in lines)
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_only_the_beginning_may_be_looked_at(clip, tmp_path):
    result = invoke(clip, "--end", "0.4")
    assert result.exit_code == 0, result.output
    assert "10 > 10" in result.output


def test_a_wrong_row_makes_the_command_fail(clip, tmp_path, monkeypatch):
    def forgetful(path, *arguments, **options):
        seen = play(path, *arguments, **options)
        return replace(seen, times=seen.times[:-1]) if path != clip else seen

    monkeypatch.setattr(check_media, "play", forgetful)
    result = invoke(clip)
    assert isinstance(result.exception, BrushflowError)
    assert (
        "WRONG" in result.output and "! The source has 30 frames, the result 29." in result.output
    )


def test_a_refusal_of_what_can_be_played_is_wrong(clip, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise BrushflowError("No.")

    monkeypatch.setattr(check_media, "stylize_video", refuse)
    assert check(clip, tmp_path).faults == ["It was refused, but it can be played."]


def test_there_must_be_something_to_check(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere"):
        assert invoke(place).exit_code != 0


def test_pictures_that_come_late_are_moved_with_one_sentence_and_no_fault(tmp_path, caplog):
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number, place in enumerate([0, 1, 2, 4, 3, 5, 7, 6, 8]):
            picture = np.full((48, 64, 3), 40 + 20 * number, np.uint8)
            (packet,) = stream.encode(av.VideoFrame.from_ndarray(picture))
            packet.pts, packet.dts, packet.time_base = place, number - 20, Fraction(1, 25)
            target.mux(packet)
    seen = play(path)
    assert (len(seen.times), seen.lost) == (9, [])
    assert seen.moved == {Fraction(3, 25), Fraction(6, 25)}
    assert check(path, tmp_path).faults == []
    assert sum("twice or late" in record.getMessage() for record in caplog.records) == 1
