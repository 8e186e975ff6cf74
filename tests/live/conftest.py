"""A tiny model and devices that are made of frames."""

import os
import shutil
import subprocess
import threading
import time

import pytest
import torch

from brushflow.errors import BrushflowError
from brushflow.models import StyleModel, build


@pytest.fixture(scope="session")
def tiny_style(tmp_path_factory):
    """A model file that paints in no time."""
    torch.manual_seed(0)
    network = build("c3s1-8,d8,R8,U2,c3s1-3", padding_type="replicate").eval()
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    StyleModel(network, "tiny").save(path)
    return path


class FramesAsDevice:
    """Frames at a steady pace, and then the end, or the loss of the device.

    Without an ``interval`` the next frame comes when ``ready`` says that the last one was shown.
    """

    name = "camera:frames"

    def __init__(self, frames, interval=None, lost=False):
        self.frames, self.interval, self.lost = iter(frames), interval, lost
        self.closed = False
        self.ready = threading.Semaphore(1)
        self.moments = []

    def read(self):
        if self.interval is None:
            self.ready.acquire(timeout=10)
        else:
            time.sleep(self.interval)
        frame = next(self.frames, None)
        if frame is None and self.lost:
            raise BrushflowError("camera:frames delivers no pictures any more; is it unplugged?")
        self.moments.append(time.monotonic())
        return frame

    def close(self):
        self.closed = True


@pytest.fixture(scope="session")
def as_device():
    return FramesAsDevice


@pytest.fixture(scope="session")
def display():
    """The name of an X11 display that nobody sees; skipped without Xvfb."""
    program = shutil.which("Xvfb")
    if program is None:
        pytest.skip("no Xvfb")
    reads, writes = os.pipe()
    command = [program, "-displayfd", str(writes), "-screen", "0", "1400x900x24"]
    server = subprocess.Popen(command, pass_fds=[writes], stderr=subprocess.DEVNULL)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        number = pipe.readline().strip()
    if not number:
        pytest.skip("Xvfb does not start")
    yield f":{number}"
    server.terminate()
    server.wait()
