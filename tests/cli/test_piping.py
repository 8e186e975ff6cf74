"""From stream to stream: as many frames as came, of their kind, painted as files are."""

import io
import os
import threading
from contextlib import nullcontext
from fractions import Fraction

import av
import numpy as np
import pytest

from brushflow.cli import piping
from brushflow.cli.piping import Listening, noting_cuts, paint_piped, paint_stream
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.painter import Painter
from brushflow.video.streams import StreamReader, StreamWriter


@pytest.fixture
def frames(drifting):
    return drifting(5)


def y4m(frames, pix_fmt="yuv444p"):
    stream = io.BytesIO()
    with av.open(stream, "w", format="yuv4mpegpipe") as container:
        video = container.add_stream("wrapped_avframe", rate=Fraction(30000, 1001))
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = pix_fmt
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(video.encode(picture.reformat(format=pix_fmt)))
    return stream.getvalue().replace(b"A0:0", b"A4:3", 1)


def paint(data, options, raw=None):
    target = io.BytesIO()
    counts = list(paint_stream(io.BytesIO(data), target, options, raw))
    assert counts == list(range(len(counts)))
    return target.getvalue()


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p"])
def test_a_stream_comes_back_as_it_came(frames, pix_fmt):
    """With strength 0 nothing is painted: header, clock and frames are the same."""
    data = y4m(frames, pix_fmt)
    back = paint(data, StylizeOptions(strength=0))
    header = back.index(b"\n") - data.index(b"\n")
    assert len(back) - header == len(data)
    reader = StreamReader(io.BytesIO(back))
    assert (reader.size, reader.rate) == ((96, 64), Fraction(30000, 1001))
    assert (reader.aspect, reader.format) == (Fraction(4, 3), pix_fmt)
    before = np.array(list(StreamReader(io.BytesIO(data))), float)
    again = np.array(list(reader), float)
    assert np.abs(again - before).mean() < 2


def test_bare_frames_are_painted_as_the_pipeline_paints(frames, tiny_model_file):
    options = StylizeOptions(style=str(tiny_model_file), cuts="none")
    painted = paint(b"".join(frame.tobytes() for frame in frames), options, (96, 64))
    painter = Painter(options)
    expected = [painter.finish(stylized).tobytes() for stylized in painter.paint(iter(frames))]
    assert painted == b"".join(expected)


def test_shots_begin_anew(frames, tiny_model_file, drifting):
    """What follows a cut is painted as if nothing had come before."""
    options = StylizeOptions(style=str(tiny_model_file))
    other = drifting(4, picture="coffee")
    both = paint(b"".join(f.tobytes() for f in (*frames, *other)), options, (96, 64))
    assert both.endswith(paint(b"".join(f.tobytes() for f in other), options, (96, 64)))


def test_cuts_are_noted_before_their_frame_is_handed_out(frames, drifting):
    cuts = set()
    shots = [*frames, *drifting(6, picture="coffee"), *drifting(3, picture="cat")]
    known = [index in cuts for index, _ in enumerate(noting_cuts(shots, cuts))]
    assert [index for index, cut in enumerate(known) if cut] == [5, 11]


def test_what_is_no_stream_of_frames_is_answered(frames):
    with pytest.raises(UsageError, match="no y4m"):
        paint(b"RIFF....", StylizeOptions(strength=0))
    with pytest.raises(BrushflowError, match="ended within a frame: 100 bytes of 18432"):
        paint(frames[0].tobytes() + bytes(100), StylizeOptions(strength=0), (96, 64))


@pytest.mark.parametrize("raw", [None, (96, 64)])
def test_a_reader_who_leaves_ends_it(frames, raw):
    class Left(io.BytesIO):
        def write(self, data):
            raise BrokenPipeError(32, "Broken pipe")

    like = StreamReader(io.BytesIO(y4m(frames)), raw)
    with pytest.raises(BrushflowError, match="Broken pipe"):
        StreamWriter(Left(), like).write(frames[0])


@pytest.fixture
def pipe():
    """Both ends of a pipe: a file to read from, and a descriptor to write to."""
    reads, writes = os.pipe()
    with os.fdopen(reads) as source:
        yield source, writes
        os.close(writes)  # before the file is closed, for the sake of who still waits


@pytest.mark.parametrize("raw", [None, (96, 64)])
@pytest.mark.parametrize("begun", [0, 1.5])
def test_ctrl_c_is_heard_while_nothing_comes(frames, pipe, monkeypatch, raw, begun):
    source, writes = pipe
    data = b"".join(f.tobytes() for f in frames) if raw else y4m(frames)
    os.write(writes, data[: int(begun * frames[0].size)])
    stop = threading.Event()
    monkeypatch.setattr(piping, "stop_on_interrupt", lambda: nullcontext(stop))
    monkeypatch.setattr(piping.sys, "stdin", source)
    monkeypatch.setattr(piping.os, "isatty", lambda _: False)
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(KeyboardInterrupt):
        paint_piped(StylizeOptions(strength=0), raw, quiet=True)


def test_what_comes_in_pieces_is_read_to_its_end(pipe):
    source, writes = pipe
    stream = Listening(source.fileno(), threading.Event())
    os.write(writes, b"abc")
    assert stream.read(2) == b"ab"
    threading.Timer(0.05, os.write, (writes, b"defg")).start()
    assert stream.read(4) == b"cdef"
