"""Moving pictures and small clips, made from scikit-image's photographs."""

import wave
from fractions import Fraction

import numpy as np
import pytest
from skimage import data

from brushflow.video import EncodeSettings, SegmentWriter, assemble


def drift(count, width=96, height=64, picture="astronaut", speed=2):
    """Frames of a camera that drifts over one of scikit-image's pictures."""
    source = getattr(data, picture)()
    return [
        source[60 : 60 + height, 40 + speed * i : 40 + speed * i + width].copy()
        for i in range(count)
    ]


@pytest.fixture(scope="session")
def drifting():
    return drift


@pytest.fixture(scope="session")
def make_clip(tmp_path_factory):
    """Write frames (and a tone) to an .mp4 file with the given timestamps."""

    def make(path, frames, pts=None, time_base=Fraction(1, 25), sound=False):
        folder = tmp_path_factory.mktemp("clip")
        height, width = frames[0].shape[:2]
        with SegmentWriter(
            folder / "a.mkv", width, height, EncodeSettings(crf=5), 1 / time_base
        ) as writer:
            for frame in frames:
                writer.write(frame)
        track = None
        pts = range(len(frames)) if pts is None else pts
        if sound:
            track = folder / "tone.wav"
            count = int(16000 * (pts[-1] + 1) * time_base)
            tone = (8000 * np.sin(np.arange(count) * 0.1)).astype("<i2")
            with wave.open(str(track), "wb") as file:
                file.setparams((1, 2, 16000, 0, "NONE", ""))
                file.writeframes(tone.tobytes())
        assemble([folder / "a.mkv"], pts, time_base, path, track)
        return path

    return make
