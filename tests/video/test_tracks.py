"""Which of several video tracks is painted, and what is said of the others."""

import av
import numpy as np
import pytest

from brushflow.common.errors import BrushflowError
from brushflow.video import open_source
from brushflow.video.playback import play

FILM, OTHER = "color=red:s=64x48:r=10:d=1", "color=blue:s=64x48:r=10:d=1"
STILL = "color=blue:s=64x48:r=10:d=0.1"
LOSSY = ("-c:v", "mpeg4", "-q:v", "2")


def is_film(path):
    """Whether every frame that is read is red, and as many are read as the film has."""
    frames = list(open_source(path).read())
    means = np.array([frame.pixels.reshape(-1, 3).mean(0) for frame in frames])
    return len(frames) == 10 and bool(np.all(means[:, 0] > 200) and np.all(means[:, 2] < 60))


def inputs(*graphs):
    words = [word for graph in graphs for word in ("-f", "lavfi", "-i", graph)]
    return [*words, *(word for number in range(len(graphs)) for word in ("-map", str(number)))]


@pytest.fixture
def make(run_ffmpeg, tmp_path):
    """Write a file of several tracks; ``default`` is the one that is marked so, or None."""

    def run(name, *graphs, codecs=(), default=None):
        marks = []
        for number in range(len(graphs)):
            marks += [f"-disposition:v:{number}", "default" if number == default else "0"]
        codecs = codecs or LOSSY
        run_ffmpeg(*inputs(*graphs), *codecs, *marks, tmp_path / name)
        return tmp_path / name

    return run


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.nut"])
def test_the_default_track_is_painted_wherever_it_lies(make, name):
    assert is_film(make(name, OTHER, FILM, default=1))
    assert is_film(make(name, FILM, OTHER, default=0))


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts", "a.avi", "a.nut"])
def test_where_none_is_marked_the_first_is_painted(make, name):
    assert is_film(make(name, FILM, OTHER))


@pytest.mark.parametrize(
    "name, codec, default",
    [
        *(("a.mkv", "mjpeg", 0), ("a.mkv", "png", None), ("a.mp4", "mjpeg", 0)),
        *(("a.mov", "png", None), ("a.nut", "png", 0), ("a.avi", "mjpeg", None)),
    ],
)
def test_a_cover_that_is_a_track_does_not_win_over_the_film(make, name, codec, default):
    codecs = ("-c:v:0", codec, "-c:v:1", "mpeg4", "-q:v", "2")
    if codec == "mjpeg":
        codecs = (*codecs, "-pix_fmt:v:0", "yuvj420p")
    assert is_film(make(name, STILL, FILM, codecs=codecs, default=default))


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_one_picture_alone_is_a_film_of_one_frame(make, name):
    assert len(list(open_source(make(name, STILL)).read())) == 1
    assert len(list(open_source(make(name, STILL, STILL, default=1)).read())) == 1


def test_what_is_painted_is_what_is_kept_apart_from_the_others(make, rebuild, tmp_path):
    """The finished file has the painting in place of the default track, and names the other."""
    source = make("a.mkv", OTHER, FILM, default=1)
    report = rebuild(source, tmp_path / "out.mkv")
    assert report.notes == [
        "The video track 0 (mpeg4) was left out, because only one video track is stylized."
    ]
    assert is_film(tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert len(container.streams.video) == 1
    assert play(source).times == play(tmp_path / "out.mkv").times


def test_a_track_that_nothing_decodes_is_passed_over(make, tmp_path):
    path = make("a.avi", OTHER, FILM)
    data = path.read_bytes()
    assert data.count(b"FMP4") == 4  # in the header and in the format of each track
    at = data.index(b"FMP4")
    second = data.index(b"FMP4", at + 1)
    (tmp_path / "b.avi").write_bytes(
        data[:at] + b"QqQq" + data[at + 4 : second] + b"QqQq" + data[second + 4 :]
    )
    assert is_film(tmp_path / "b.avi")
    (tmp_path / "c.avi").write_bytes(data.replace(b"FMP4", b"QqQq"))
    with pytest.raises(BrushflowError, match="no decoder"):
        open_source(tmp_path / "c.avi")
