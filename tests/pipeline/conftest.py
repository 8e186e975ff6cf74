"""A tiny model, moving pictures, and small clips with everything a pipeline must carry."""

import os
import signal
import subprocess
import sys
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

import brushflow
from brushflow.models import StyleModel, build
from brushflow.stylize_video import main
from brushflow.video import EncodeSettings, SegmentWriter, assemble

ROOT = Path(brushflow.__file__).parent


@pytest.fixture(scope="session")
def tiny_model():
    torch.manual_seed(0)
    return StyleModel(build("c3s1-8,d8,R8,U2,c3s1-3", padding_type="replicate").eval(), "tiny")


@pytest.fixture(scope="session")
def tiny_model_file(tiny_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    tiny_model.save(path)
    return path


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


@pytest.fixture(scope="session")
def two_shots(make_clip, tmp_path_factory):
    """110 frames, 96×64, a hard cut at 70, with sound."""
    frames = drift(70) + drift(40, picture="coffee")
    return make_clip(tmp_path_factory.mktemp("source") / "clip.mp4", frames, sound=True)


@pytest.fixture(scope="session")
def command_line():
    """Start ``python stylize_video.py ARGUMENTS`` as a user would."""

    def start(*arguments, **attributes):
        return subprocess.Popen(
            [sys.executable, str(ROOT / "stylize_video.py"), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "2"},
            **attributes,
        )

    return start


@pytest.fixture
def run_command(monkeypatch, capsys):
    """The same, to the end and in this process: (exit code, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["stylize_video.py", *map(str, arguments)])
        handler = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as stop:
            main()
        signal.signal(signal.SIGTERM, handler)
        out, err = capsys.readouterr()
        return stop.value.code, out, err

    return run
