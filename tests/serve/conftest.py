"""A server of two tiny styles, and clips to hand in."""

import socket
import threading
import time

import pytest
import torch

from brushflow.models import StyleModel, build
from brushflow.pipeline import StylizeOptions
from brushflow.serve import tasks
from brushflow.serve.apart import Apart

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

# The second one's name is as bad as a file's name can be.
NASTY = '<img src=x onerror="document.title=1">'


@pytest.fixture(scope="session")
def styles(tmp_path_factory):
    torch.manual_seed(0)
    network = build("c3s1-8,d8,R8,U2,c3s1-3", padding_type="replicate").eval()
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    StyleModel(network, "tiny").save(path)
    return {"tiny": str(path), NASTY: str(path)}


@pytest.fixture(scope="session")
def options():
    return StylizeOptions(device="cpu", preset="ultrafast")


@pytest.fixture(scope="session")
def clip(make_clip, drifting, tmp_path_factory):
    """10 frames of 95×64, an odd width."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return make_clip(path, drifting(10, width=95), sound=True)


@pytest.fixture(scope="session")
def start_server():
    """Run an application on a free port; returns its address and what ends it."""
    uvicorn = pytest.importorskip("uvicorn")
    pytest.importorskip("websockets")
    from brushflow.serve.connections import server_config

    def start(app):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(server_config(app))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)

        def stop():
            server.should_exit = True
            thread.join()

        return f"http://127.0.0.1:{listener.getsockname()[1]}", stop

    return start


@pytest.fixture(autouse=True)
def here(request, monkeypatch):
    """What the server does in other processes is done in this one, which is faster.

    Not in tests that are marked with ``apart``.
    """
    if request.node.get_closest_marker("apart"):
        return

    def call(self, task, *arguments, told=lambda *_: None, stop=None, limit=None):
        def tell(name, *values):
            told(name, *values)
            return stop is not None and stop.is_set()

        return task(*arguments, tell=tell)

    monkeypatch.setattr(Apart, "call", call)


@pytest.fixture
def gate(monkeypatch):
    """Keeps painting from beginning until it is set; also what was painted, in order."""
    opened, begun, paint = threading.Event(), [], tasks.paint

    def waits(source, output, options, *, tell):
        begun.append((source.parent.name, output.name))
        while not opened.wait(0.02):
            if tell("progress", "scan", 0, None):
                raise KeyboardInterrupt
        return paint(source, output, options, tell=tell)

    monkeypatch.setattr(tasks, "paint", waits)
    opened.begun = begun
    return opened
