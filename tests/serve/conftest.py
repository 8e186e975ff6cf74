"""A server of two tiny styles, and clips to hand in."""

import socket
import threading
import time

import pytest
import torch

from brushflow.models import StyleModel, build
from brushflow.pipeline import StylizeOptions, stylize_video

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
    """24 frames of 95×64, an odd width."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return make_clip(path, drifting(24, width=95), sound=True)


@pytest.fixture(scope="session")
def start_server():
    """Run an application on a free port; returns its address and what ends it."""
    uvicorn = pytest.importorskip("uvicorn")
    pytest.importorskip("websockets")

    def start(app):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
        )
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


@pytest.fixture
def gate(monkeypatch):
    """Keeps painting from beginning until it is set; also what was painted, in order."""
    opened, begun = threading.Event(), []

    def waits(source, output, options, progress, stop, **more):
        begun.append((source.parent.name, output.name))
        while not opened.wait(0.02):
            if stop.is_set():
                raise KeyboardInterrupt
        return stylize_video(source, output, options, progress, stop, **more)

    monkeypatch.setattr("brushflow.serve.worker.stylize_video", waits)
    opened.begun = begun
    return opened
