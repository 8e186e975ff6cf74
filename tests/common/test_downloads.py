"""Weights are downloaded once, and only what has the right checksum is used."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from brushflow.common.downloads import download_file
from brushflow.common.errors import BrushflowError
from brushflow.common.tensor_files import read_weights


def fetch(url):
    return read_weights(download_file(url, "weights", "flow_weights"), "weights")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve a folder on this machine; yields the folder and its address."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def publish(folder, content):
    """Name a file after its checksum, as torchvision does."""
    torch.save(content, folder / "raw")
    digest = hashlib.sha256((folder / "raw").read_bytes()).hexdigest()
    return (folder / "raw").rename(folder / f"weights-{digest[:8]}.pth").name


def test_published_weights_are_downloaded_once(server):
    folder, address = server
    name = publish(folder, {"x": torch.arange(3)})
    assert fetch(f"{address}/{name}")["x"].tolist() == [0, 1, 2]
    (folder / name).unlink()
    assert fetch(f"{address}/{name}")["x"].tolist() == [0, 1, 2]


def test_a_download_with_a_wrong_checksum_is_thrown_away(server, tmp_path):
    folder, address = server
    name = publish(folder, {"x": torch.arange(3)})
    (folder / name).rename(folder / "weights-01234567.pth")
    with pytest.raises(BrushflowError, match=r"invalid hash value.*on a machine that can"):
        fetch(f"{address}/weights-01234567.pth")
    assert not list((tmp_path / "cache").rglob("*.pth"))


def test_a_file_without_a_checksum_in_its_address_is_kept_under_a_name_with_one(server, tmp_path):
    folder, address = server
    (folder / "layers.pth").write_bytes(b"layers")
    digest = hashlib.sha256(b"layers").hexdigest()[:8]
    path = download_file(f"{address}/layers.pth", "layers", "give them.", f"layers-{digest}.pth")
    assert path.read_bytes() == b"layers" and path.name == f"layers-{digest}.pth"
    with pytest.raises(BrushflowError, match="invalid hash value"):
        download_file(f"{address}/layers.pth", "layers", "give them.", "layers-01234567.pth")


def test_a_missing_download_names_the_way_out(server):
    _, address = server
    with pytest.raises(BrushflowError, match=r"404.*on a machine that can"):
        fetch(f"{address}/weights-01234567.pth")


def test_a_damaged_cache_is_named(server):
    folder, address = server
    name = publish(folder, {"x": torch.arange(3)})
    fetch(f"{address}/{name}")
    cached = folder.parent / "cache/hub/checkpoints" / name
    cached.write_bytes(b"damaged")
    with pytest.raises(BrushflowError, match=f"{name}.*they are downloaded again"):
        fetch(f"{address}/{name}")
