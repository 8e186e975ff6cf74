"""Moving pictures, small clips and a VGG, made from scikit-image's photographs and from chance."""

import logging
import os
import signal
import subprocess
import sys
import threading
import wave
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

# What is tested is small, and threads that wait for each other take a hundred times as long beside
# busy processors. So it is for the processes that tests start.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage import data

from brushflow.models import StyleModel, build, styles
from brushflow.pipeline import segments
from brushflow.tests.warm import Command, shorten_segments
from brushflow.video import EncodeSettings, SegmentWriter, assemble
from brushflow.video.ffmpeg import ffmpeg_binary

cv2.setNumThreads(1)
# The one that comes along, unless another is named: it is the same everywhere, and starts in a
# fifth of the time that one takes which distributions make of two hundred libraries.
with suppress(RuntimeError):
    os.environ.setdefault("BRUSHFLOW_FFMPEG", imageio_ffmpeg.get_ffmpeg_exe())


def drift(count, width=96, height=64, picture="astronaut", speed=2):
    """Frames of a camera that drifts over one of scikit-image's pictures."""
    source = getattr(data, picture)()
    return [
        source[60 : 60 + height, 40 + speed * i : 40 + speed * i + width].copy()
        for i in range(count)
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what is about videos, and what makes unusual ones: ffmpegs may differ there."""
    for item in items:
        if item.path.parent.name == "video" or "run_ffmpeg" in item.fixturenames:
            item.add_marker(pytest.mark.media)


_LOGGER = logging.getLogger("brushflow")
_HANDLERS, _LEVEL, _PROPAGATE = _LOGGER.handlers[:], _LOGGER.level, _LOGGER.propagate
_SIGNALS = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}


def _as_it_was():
    _LOGGER.handlers[:], _LOGGER.propagate = _HANDLERS, _PROPAGATE
    _LOGGER.setLevel(_LEVEL)
    for number, handler in _SIGNALS.items():
        signal.signal(number, handler)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def process_as_it_was():
    """Commands set up the process that they run in; the next test must not notice.

    Nor that of a module's fixture, which comes before a test.
    """
    _as_it_was()
    chance = torch.get_rng_state()
    yield
    _as_it_was()
    torch.set_rng_state(chance)


@pytest.fixture
def heard(monkeypatch):
    """As on Windows, where Ctrl-C is heard between the main thread's waits: each has a limit."""
    wait = threading.Condition.wait

    def limited(condition, timeout=None):
        if threading.current_thread() is threading.main_thread() and timeout is None:
            assert sys._getframe(2).f_code is threading.Thread.start.__code__
        return wait(condition, timeout)

    monkeypatch.setattr(threading.Condition, "wait", limited)


@pytest.fixture(scope="session")
def no_cache(tmp_path_factory):
    """A folder that is not there."""
    return tmp_path_factory.mktemp("user") / "cache"


@pytest.fixture(autouse=True)
def nothing_learned(monkeypatch, no_cache):
    """Tests know nothing of the styles that somebody has learned on this computer."""
    monkeypatch.setattr(styles, "cache", lambda: no_cache)


@pytest.fixture
def quickly(monkeypatch, tmp_path):
    """Paintings are learned in a few steps in small windows of small pictures.

    They are kept in a cache of the test's.
    """
    from brushflow.live import growing
    from brushflow.training import learning
    from brushflow.training.learning import Effort

    efforts = {"quick": Effort(3, 2, 1), "normal": Effort(4, 2, 1), "fine": Effort(5, 2, 1)}
    monkeypatch.setattr(learning, "EFFORTS", efforts)
    small = {**learning.STROKES, "size_schedule": "32", "style_size": 96, "settle": 1}
    monkeypatch.setattr(learning, "STROKES", small)
    monkeypatch.setattr(styles, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(learning, "_PHOTOGRAPHS", ("chelsea", "coffee"))
    monkeypatch.setattr(learning, "_SIDE", 64)
    monkeypatch.setattr(learning, "_SEQUENCES", replace(learning._SEQUENCES, side=64))
    monkeypatch.setattr(growing, "_TRIAL", 1)
    monkeypatch.setattr(growing, "USUAL_HEIGHT", 96)


@pytest.fixture(scope="session")
def data_folder():
    """Real pictures, ground truth and published weights, which the project may not ship."""
    if "BRUSHFLOW_DATA" not in os.environ:
        pytest.skip("set BRUSHFLOW_DATA to the folder with clips/, flow/ and weights/")
    return Path(os.environ["BRUSHFLOW_DATA"])


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
def run_ffmpeg():
    """Run ffmpeg with the given arguments to make an input."""

    def run(*arguments):
        command = [ffmpeg_binary(), "-hide_banner", "-v", "error", "-y", *map(str, arguments)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    return run


@pytest.fixture(scope="module")
def short_segments():
    """Runs of this module are divided into segments of 6 frames, not 48."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "SEGMENT_FRAMES", segments.SEGMENT_FRAMES)
        shorten_segments()
        yield


@pytest.fixture
def start_command(tmp_path_factory):
    """Start a script of the project with arguments, as ``python SCRIPT ARGUMENTS`` does."""
    started = []

    def start(script, *arguments, environment=None, prepare=None):
        words = [str(argument) for argument in arguments]
        folder = tmp_path_factory.mktemp("command")
        started.append(Command(script, words, folder, environment, prepare))
        return started[-1]

    yield start
    for command in started:
        command.kill()


@pytest.fixture(scope="session")
def loss_weights(tmp_path_factory):
    """The first layers of a VGG with random weights, under torchvision's names."""
    torch.manual_seed(0)
    shapes = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128)}
    shapes |= {12: (256, 256), 14: (256, 256)}
    state = {}
    for index, (out, into) in shapes.items():
        state[f"features.{index}.weight"] = torch.randn(out, into, 3, 3) * (2 / (9 * into)) ** 0.5
        state[f"features.{index}.bias"] = torch.zeros(out)
    path = tmp_path_factory.mktemp("vgg") / "vgg.safetensors"
    save_file(state, path)
    return path


@pytest.fixture(scope="session")
def tiny_model():
    torch.manual_seed(0)
    return StyleModel(build("c3s1-8,d8,R8,U2,c3s1-3", padding_type="replicate").eval(), "tiny")


@pytest.fixture(scope="session")
def tiny_model_file(tiny_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    tiny_model.save(path)
    return path
