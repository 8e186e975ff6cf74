"""Small clips with known oddities, made on the spot."""

from fractions import Fraction

import av
import numpy as np
import pytest

from brushflow.video import EncodeSettings, SegmentWriter, assemble, open_source
from brushflow.video.ffmpeg import file_url


def picture(number, width=96, height=64):
    """A smooth picture with a bright block that tells one frame from the next."""
    y, x = np.mgrid[0:height, 0:width]
    frame = np.stack([x * 160 // width, y * 160 // height, (x + y) * 120 // (width + height)], -1)
    left = number * 7 % max(1, width - 16)
    frame[height // 4 : height // 4 + 16, left : left + 16] = (230, 60 + number % 100, 30)
    return frame.astype(np.uint8)


@pytest.fixture
def make_clip():
    """Encode numbered pictures at the given pts, with B-frames; return the path."""

    def make(path, pts=range(20), time_base=Fraction(1, 25), width=96, height=64, frames=None):
        options = {"crf": "8", "bf": "2", "g": "24", "preset": "ultrafast"}
        with av.open(file_url(path), "w") as target:
            stream = target.add_stream("libx264", rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
            stream.codec_context.time_base = time_base
            stream.time_base = time_base
            for number, time in enumerate(pts):
                pixels = picture(number, width, height) if frames is None else frames[number]
                frame = av.VideoFrame.from_ndarray(pixels)
                frame.pts, frame.time_base = time, time_base
                target.mux(stream.encode(frame))
            target.mux(stream.encode(None))
        return path

    return make


@pytest.fixture
def rebuild(tmp_path):
    """Read a source, encode it as two segments and assemble them; return the report.

    ``keep``: only the frames from the first to before the second of these numbers.
    """

    def run(source, output, settings=None, keep=(0, None), **trim):
        settings = settings or EncodeSettings(preset="ultrafast", crf=4)
        opened = open_source(source)
        info = opened.info
        frames = list(opened.read(bit_depth=settings.bit_depth))[slice(*keep)]
        half = max(1, len(frames) // 2)
        segments = []
        for part in (frames[:half], frames[half:]):
            if not part:
                continue
            path = tmp_path / f"segment-{len(segments)}.mkv"
            rate = info.frame_rate or Fraction(25)
            look = (info.output_color, info.sample_aspect_ratio)
            with SegmentWriter(path, info.width, info.height, settings, rate, *look) as writer:
                for frame in part:
                    writer.write(frame.pixels)
            segments.append(path)
        pts = [frame.pts for frame in frames]
        return assemble(segments, pts, info.time_base, output, source, **trim)

    return run


def seconds(path):
    """The exact presentation times of the frames of a video file."""
    source = open_source(path)
    return [frame.pts * source.info.time_base for frame in source.read(size=(16, 16), gray=True)]


@pytest.fixture
def times_of():
    """The function that reads a file's exact presentation times."""
    return seconds
