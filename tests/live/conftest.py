"""A tiny model and devices that are made of frames."""

import os
import shutil
import subprocess
import threading

import pytest
import torch

from brushflow.common.errors import BrushflowError
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
    """Frames, and then the end, or the loss of the device.

    The first one comes at once, every other when somebody releases ``ready``.
    """

    name = "camera:frames"

    def __init__(self, frames, lost=False):
        self.frames, self.lost = iter(frames), lost
        self.closed = False
        self.ready = threading.Semaphore(1)

    def read(self):
        self.ready.acquire()
        frame = next(self.frames, None)
        if frame is None and self.lost:
            raise BrushflowError("camera:frames delivers no pictures any more; is it unplugged?")
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
