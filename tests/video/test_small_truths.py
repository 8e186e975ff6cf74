"""Languages in .mov files, and pictures that could be transparent and are not."""

from fractions import Fraction

import av
import pytest

from brushflow.video import open_source
from brushflow.video.ffmpeg import video_encoders
from brushflow.video.playback import play

LANGUAGES = ["deu", "fra", "nld", "gsw"]


@pytest.mark.parametrize("output", ["out.mov", "out.mp4", "out.mkv"])
def test_languages_of_tracks_are_kept(run_ffmpeg, rebuild, tmp_path, output):
    path = tmp_path / "in.mkv"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=0.5", "-f", "lavfi", "-i", "sine=d=0.5"),
        *("-map", 0, *("-map", 1) * 3, "-c:a", "aac", "-metadata", "title=here"),
        *("-metadata:s:v", f"language={LANGUAGES[0]}"),
        *(
            word
            for n in range(3)
            for word in (f"-metadata:s:a:{n}", f"language={LANGUAGES[n + 1]}")
        ),
        path,
    )
    rebuild(path, tmp_path / output)
    with av.open(str(tmp_path / output)) as container:
        assert [stream.metadata.get("language") for stream in container.streams] == LANGUAGES
        assert container.metadata["title"] == "here"
    assert len(play(tmp_path / output).times) == 5


@pytest.mark.parametrize(
    ("picture", "name", "codec", "noted"),
    [
        ("testsrc2=s=64x48:r=10:d=0.3", "in.gif", (), False),
        ("testsrc2=s=64x48:r=10:d=0.3,format=rgba", "in.mov", ("-c:v", "png"), False),
        ("color=red@0.5:s=64x48:r=10:d=0.3,format=rgba", "in.mov", ("-c:v", "png"), True),
    ],
)
def test_only_what_lets_something_through_is_called_transparent(
    run_ffmpeg, tmp_path, picture, name, codec, noted
):
    run_ffmpeg("-f", "lavfi", "-i", picture, *codec, tmp_path / name)
    notes = open_source(tmp_path / name).notes
    assert any("transparent" in note for note in notes) is noted


def test_vp8_without_tags_has_the_matrix_of_its_codec(run_ffmpeg, tmp_path):
    """Its transparent kind is decoded by a library that does not say so."""
    path = tmp_path / "in.webm"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "color=0x20c040:s=1280x720:r=10:d=0.1,format=yuva420p"),
        *("-c:v", "libvpx", "-auto-alt-ref", 0, "-b:v", "1M", path),
    )
    shown = next(open_source(path).read(size=(16, 16))).pixels
    assert abs(shown.mean((0, 1)) - [0x20, 0xC0, 0x40]).max() < 4
    (mean,) = play(path).means.values()
    assert abs(mean - [0x20, 0xC0, 0x40]).max() < 4


@pytest.mark.parametrize(
    ("name", "codec"), [("in.flv", "flv"), ("in.mpg", "mpeg2video"), ("in.wmv", "wmv2")]
)
def test_the_last_frame_lasts_as_long_where_files_do_not_say(
    run_ffmpeg, rebuild, tmp_path, name, codec
):
    path = tmp_path / name
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.4", "-c:v", codec, path)
    rebuild(path, tmp_path / "out.mp4")
    seen = play(tmp_path / "out.mp4")
    assert (len(seen.times), seen.times[-1], seen.end) == (10, Fraction(9, 25), Fraction(2, 5))


def test_pictures_without_times_are_shown_at_an_even_pace(run_ffmpeg, rebuild, tmp_path):
    path = tmp_path / "in.h264"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.4", "-c:v", "libx264", path)
    rebuild(path, tmp_path / "out.mp4")
    before, after = play(path), play(tmp_path / "out.mp4")
    assert before.times == after.times == [Fraction(k, 25) for k in range(10)]
    assert len(before.means) == 10


@pytest.mark.parametrize(
    ("encoding", "color", "shown"),
    [
        ((), "0x4080c0", (64, 128, 192)),
        (("png", "-pix_fmt", "monob"), "white", (255, 255, 255)),
        (("png", "-pix_fmt", "monob"), "black", (0, 0, 0)),
    ],
)
def test_packed_pictures_are_played_in_their_colours(run_ffmpeg, tmp_path, encoding, color, shown):
    path = tmp_path / ("in.mov" if encoding else "in.nut")
    # Of more bits, old programs write the one and new ones the other.
    deep = ("v410",) if "v410" in video_encoders() else ("rawvideo", "-pix_fmt", "y210le")
    encoding = encoding or deep
    run_ffmpeg("-f", "lavfi", "-i", f"color={color}:s=64x48:r=25:d=0.1", "-c:v", *encoding, path)
    (mean, *_) = play(path).means.values()
    assert mean == pytest.approx(shown, abs=5)


def test_an_edit_list_longer_than_its_pictures_does_not_hold_the_last(run_ffmpeg, tmp_path):
    """A start between two frames: the first is shown late, and all end with the file."""
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1", "-c:v", "libx264", "-bf", 0),
        *("-output_ts_offset", -0.5, "-avoid_negative_ts", "disabled", tmp_path / "in.mp4"),
    )
    seen = play(tmp_path / "in.mp4")
    assert seen.end - seen.times[-1] == pytest.approx(Fraction(1, 25), abs=0.021)
