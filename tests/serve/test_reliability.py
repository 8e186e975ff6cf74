"""Photographs, large files, full disks, deaths, silence: the server goes on and says what is."""

import errno
import io
import shutil
import socket
import struct
import time
import zlib
from collections import namedtuple

import cv2
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from brushflow.common.errors import BrushflowError
from brushflow.pipeline.resources import memory_to_paint
from brushflow.serve import apart, camera, connections, jobs, tasks, uploads, worker
from brushflow.serve.apart import Apart, Died, TooMuchMemory
from brushflow.serve.app import create_app
from brushflow.serve.jobs import JobStore, for_visitors
from brushflow.tests import warm

CHOICE = {"style": "tiny", "strength": 0.9}
CAMERA = "ws://127.0.0.1:8500/api/camera"
FULL = OSError(errno.ENOSPC, "No space left on device")


def client_of(folder, styles, options):
    app = create_app(folder, styles, options, 1 << 20)
    return TestClient(app, base_url="http://127.0.0.1:8500")


@pytest.fixture
def client(tmp_path, styles, options):
    with client_of(tmp_path / "jobs", styles, options) as client:
        yield client


def hand_in(client, content, name="a.mp4"):
    answer = client.post("/api/videos", params={"name": name}, content=content)
    assert answer.status_code == 201, answer.text
    return f"/api/videos/{answer.json()['id']}"


def paint(client, place, **choice):
    assert client.post(f"{place}/paint", json={**CHOICE, **choice}).status_code == 200
    while (view := client.get(place).json())["state"] in ("waiting", "painting"):
        time.sleep(0.02)
    return view


def picture_of(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_photograph_becomes_a_picture(kind, client, drifting, tmp_path):
    photograph, file = drifting(1, width=95)[0], io.BytesIO()
    Image.fromarray(photograph).save(file, kind, quality=95)
    place = hand_in(client, file.getvalue(), "holiday.jpg")
    assert client.get(place).json()["picture"]
    assert client.get(f"{place}/styles/tiny").status_code == 200
    view = paint(client, place)
    assert view["state"] == "done", view
    assert client.get(f"{place}/painted.mp4").status_code == 404
    answer = client.get(f"{place}/painted.png", params={"download": True})
    assert answer.headers["content-type"] == "image/png"
    assert "holiday.tiny.png" in answer.headers["content-disposition"]
    assert picture_of(answer.content).shape == (64, 95, 3)
    original = picture_of(client.get(f"{place}/original.png").content)
    assert np.abs(original.astype(int) - photograph).mean() < 6
    assert client.delete(place).status_code == 204
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_thumbnail_shows_something_where_a_video_begins_black(
    client, make_clip, drifting, tmp_path
):
    frames = [np.zeros((64, 96, 3), np.uint8)] * 30 + drifting(3)
    make_clip(tmp_path / "clip.mp4", frames)
    place = hand_in(client, (tmp_path / "clip.mp4").read_bytes())
    assert picture_of(client.get(f"{place}/styles/tiny").content).std() > 10
    make_clip(tmp_path / "black.mp4", frames[:3])
    place = hand_in(client, (tmp_path / "black.mp4").read_bytes())
    assert picture_of(client.get(f"{place}/styles/tiny").content).shape == (64, 96, 3)


def test_what_fails_once_is_tried_again_but_what_ends_the_process(client, clip, monkeypatch):
    place, painted = hand_in(client, clip.read_bytes()), tasks.thumbnail
    problems = [BrushflowError("This style is damaged.")]

    def fails(*arguments, **named):
        if problems:
            raise problems.pop()
        return painted(*arguments, **named)

    monkeypatch.setattr(tasks, "thumbnail", fails)
    assert client.get(f"{place}/styles/tiny").status_code == 400
    for _ in range(2):
        assert client.get(f"{place}/styles/tiny").status_code == 200
    other = hand_in(client, clip.read_bytes())
    problems.append(Died())
    for _ in range(2):
        assert client.get(f"{other}/styles/tiny").status_code != 200


def huge_png(side=16000):
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(99))), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_a_picture_that_cannot_fit_is_refused_before_it_is_decoded(client, monkeypatch, tmp_path):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as in the process that does it
    monkeypatch.setattr(tasks, "available_memory", lambda: 4 << 30)
    monkeypatch.setattr(tasks, "open_source", lambda *_: pytest.fail("it was opened"))
    answer = client.post("/api/videos", params={"name": "big.png"}, content=huge_png())
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("big.png is 16000×16000 pixels, for which the server")
    assert list((tmp_path / "jobs").iterdir()) == []


def test_what_does_not_fit_is_painted_smaller_and_that_is_said(client, clip, monkeypatch):
    monkeypatch.setattr(worker, "_LEAST_SIDE", 32)
    monkeypatch.setattr(worker, "available_memory", lambda: memory_to_paint(60 * 40))
    place = hand_in(client, clip.read_bytes())
    view = paint(client, place)
    assert view["state"] == "done"
    assert "as the server has not enough memory" in view["notes"][-1]
    assert "longest" not in view and "deaths" not in view
    monkeypatch.setattr(worker, "available_memory", lambda: memory_to_paint(95 * 95))
    assert paint(client, place)["notes"] == []


@pytest.mark.parametrize("happens, said", [(Died, "twice"), (TooMuchMemory, "not enough memory")])
def test_a_job_that_ends_its_process_ends_nothing_else(client, clip, monkeypatch, happens, said):
    call, times = Apart.call, []

    def dies(self, task, source, *more, **named):
        if task is tasks.paint and doomed in str(source):
            times.append(source)
            raise happens
        return call(self, task, source, *more, **named)

    monkeypatch.setattr(Apart, "call", dies)
    place, other = (hand_in(client, clip.read_bytes()) for _ in range(2))
    doomed = place.rsplit("/", 1)[1]
    view = paint(client, place)
    assert view["state"] == "failed" and said in view["problem"]
    assert len(times) == (2 if happens is Died else 1)
    assert paint(client, other)["state"] == "done"


def test_a_death_is_remembered_over_a_restart(tmp_path, styles, options, clip, monkeypatch):
    with client_of(tmp_path, styles, options) as client:
        place = hand_in(client, clip.read_bytes())
    path = tmp_path / place.rsplit("/", 1)[1] / "job.json"
    text = path.read_text().replace('"state": "new"', '"state": "painting"')
    text = text.replace('"choice": null', '"choice": {"style": "tiny"}')
    path.write_text(text.replace('"deaths": 0', '"deaths": 1'))

    def dies(self, *_, **__):
        raise Died

    monkeypatch.setattr(Apart, "call", dies)
    with client_of(tmp_path, styles, options) as client:
        while (view := client.get(place).json())["state"] in ("waiting", "painting"):
            time.sleep(0.02)
    assert view["state"] == "failed"


def test_a_file_that_ends_its_reader_is_refused(client, monkeypatch, tmp_path):
    def dies(self, *_, **__):
        raise Died

    monkeypatch.setattr(Apart, "call", dies)
    answer = client.post("/api/videos", content=b"x")
    assert answer.status_code == 400 and "cannot cope" in answer.json()["detail"]
    assert list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.parametrize(
    "sentence, shown",
    [
        ("{source} is damaged.", "my--film.mp4 is damaged."),
        ("The disk is full, and {place}/p.brushflow/s/0-9.mkv could not be written.",
         "The disk is full, and 0-9.mkv could not be written."),
        ("No ffmpeg at /usr/local/bin/ffmpeg.", "No ffmpeg at ffmpeg."),
        ("It is C:\\Users\\me\\x.pth, and 1/2 of it.", "It is x.pth, and 1/2 of it."),
        ("{source} is a list; set BRUSHFLOW_PLAYLISTS=1 for it.", "my--film.mp4 is a list."),
        ("Set A_B=1.", "The program could not do this."),
        ("Could not read {home}/models/a.pth: no.", "Could not read a.pth: no."),
        ("It is {cache}/0/sea.safetensors.", "It is sea.safetensors."),
        ("No /srv/My own films/b c/x.pth or D:\\a b\\c.", "No x.pth or c."),
    ],
)  # fmt: skip
def test_visitors_read_of_no_paths_and_options(sentence, shown, tmp_path, monkeypatch):
    home, cache = tmp_path / "Jane (at home), D.", tmp_path / "what's cached"
    monkeypatch.setattr(jobs.Path, "home", lambda: home)
    monkeypatch.setattr(jobs.styles, "cache", lambda: cache)
    source = tmp_path / "my folder" / ("0" * 32) / "source"
    told = sentence.format(source=source, place=source.parent, home=home, cache=cache)
    assert for_visitors(told, {source: "my--film.mp4"}) == shown


def test_a_full_disk_is_survived_and_painting_goes_on(client, clip, monkeypatch):
    places = [hand_in(client, clip.read_bytes()) for _ in range(2)]
    atomic_path = jobs.atomic_path

    def full(path):
        raise FULL

    monkeypatch.setattr(jobs, "atomic_path", full)
    monkeypatch.setattr("brushflow.serve.thumbnails.atomic_path", full)
    answer = client.post("/api/videos", content=clip.read_bytes())
    assert answer.status_code == 507 and "not enough room" in answer.json()["detail"]
    assert client.get(f"{places[0]}/styles/tiny").status_code == 200
    paint_task, failures = tasks.paint, [FULL]

    def sometimes_full(*arguments, **named):
        if failures:
            raise failures.pop()
        return paint_task(*arguments, **named)

    monkeypatch.setattr(tasks, "paint", sometimes_full)
    view = paint(client, places[0])
    assert (view["state"], view["problem"]) == ("failed", "No space left on device.")
    assert paint(client, places[1])["state"] == "done"
    monkeypatch.setattr(jobs, "atomic_path", atomic_path)
    assert paint(client, places[0])["state"] == "done"


def test_what_could_not_be_written_is_written_later(tmp_path, monkeypatch):
    store = JobStore(tmp_path)
    for name in ("a" * 32, "b" * 32):
        (tmp_path / name).mkdir()
        store.add(jobs.Job(name, name, 1, 1))
    atomic_path = jobs.atomic_path
    first, second = (store.get(name * 32) for name in "ab")

    def full(path):
        raise FULL

    monkeypatch.setattr(jobs, "atomic_path", full)
    store.change(first, state="done")
    assert JobStore(tmp_path).get("a" * 32).state == "new"
    monkeypatch.setattr(jobs, "atomic_path", atomic_path)
    store.change(second, state="failed")
    again = JobStore(tmp_path)
    assert [again.get(name * 32).state for name in "ab"] == ["done", "failed"]


def test_an_upload_leaves_the_reserve_however_it_comes(client, monkeypatch, tmp_path):
    usage = namedtuple("usage", "total used free")
    free = [3 << 30]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, free[0]))
    monkeypatch.setattr(uploads, "_LOOK_AT_DISK", 1000)

    def blocks():
        yield b"x" * 2000
        free[0] = 1 << 29
        yield b"x" * 2000

    for content in (blocks(), b"x" * 2000):
        answer = client.post("/api/videos", content=content)
        assert answer.status_code == 507 and "not enough room" in answer.json()["detail"]
    assert list((tmp_path / "jobs").iterdir()) == []


def test_an_upload_that_stops_coming_is_given_up(
    start_server, tmp_path, styles, options, monkeypatch
):
    monkeypatch.setattr(uploads, "_LONGEST_PAUSE", 0.2)
    address, stop = start_server(create_app(tmp_path / "jobs", styles, options))
    with socket.create_connection(("127.0.0.1", int(address.rsplit(":", 1)[1]))) as upload:
        upload.sendall(
            b"POST /api/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\nx"
        )
        assert b" 408 " in upload.recv(1000)
    stop()
    assert list((tmp_path / "jobs").iterdir()) == []


def test_only_the_servers_own_files_are_deleted(tmp_path):
    foreign, cut_off, linked = (tmp_path / (letter * 32) for letter in "abc")
    precious = tmp_path / "precious"
    for folder, name in ((foreign, "thesis.txt"), (cut_off, "source"), (precious, "source")):
        folder.mkdir()
        (folder / name).touch()
    linked.symlink_to(precious)
    store = JobStore(tmp_path)
    assert not cut_off.exists()
    assert (foreign / "thesis.txt").exists() and (precious / "source").exists()
    name, place = store.new_place()
    job = jobs.Job(name, "a", 1, 1)
    store.add(job)
    (place / "thesis.txt").touch()
    (place / "source").touch()
    store.remove(job)
    assert [path.name for path in place.iterdir()] == ["thesis.txt"]


def jpeg(frame):
    return cv2.imencode(".jpg", frame)[1].tobytes()


def test_idle_cameras_keep_nobody_out(client, drifting, monkeypatch):
    monkeypatch.setattr(camera, "_PATIENCE", 1000.0)
    frame = jpeg(drifting(1)[0])
    idle = [client.websocket_connect(CAMERA) for _ in range(camera.MOST_CAMERAS + 1)]
    sockets = [each.__enter__() for each in idle]
    busy, last = sockets[:-1], sockets[-1]
    with client.websocket_connect(CAMERA) as newcomer:  # those who send nothing take no place
        newcomer.send_bytes(frame)
        assert newcomer.receive_bytes()
    for each in busy:
        each.send_bytes(frame)
        assert each.receive_bytes()
    last.send_bytes(frame)
    assert "Too many cameras" in last.receive_json()["problem"]
    monkeypatch.setattr(camera, "_PATIENCE", 0.0)
    with client.websocket_connect(CAMERA) as newcomer:
        newcomer.send_bytes(frame)
        assert newcomer.receive_bytes()
        assert "taken this place" in busy[0].receive_json()["problem"]
    for each in idle:
        each.__exit__(None, None, None)


def test_silent_cameras_are_sent_away(client, monkeypatch):
    monkeypatch.setattr(camera, "_LONGEST_SILENCE", 0.1)
    with client.websocket_connect(CAMERA) as socket_:
        assert "Nothing has come" in socket_.receive_json()["problem"]


def test_open_connections_are_bounded(start_server, tmp_path, styles, options, monkeypatch):
    monkeypatch.setattr(connections, "MOST", 5)
    monkeypatch.setattr(connections, "LONGEST_IDLE", 1000.0)
    address, stop = start_server(create_app(tmp_path / "jobs", styles, options))
    place = ("127.0.0.1", int(address.rsplit(":", 1)[1]))
    idle = [socket.create_connection(place) for _ in range(12)]
    with socket.create_connection(place) as visitor:
        visitor.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b" 200 " in visitor.recv(1000)
        for each in idle[: 12 - 4]:  # those that were there longest have given way
            with pytest.raises(ConnectionResetError):
                assert each.recv(1) == b""
                raise ConnectionResetError
        idle[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            idle[-1].recv(1)
    for each in idle:
        each.close()
    stop()


def test_a_connection_that_asks_for_nothing_is_closed(
    start_server, tmp_path, styles, options, monkeypatch
):
    monkeypatch.setattr(connections, "LONGEST_IDLE", 0.2)
    look, looks = connections.BoundedConnection._look, []
    monkeypatch.setattr(
        connections.BoundedConnection, "_look", lambda self: (looks.append(self), look(self))
    )
    address, stop = start_server(create_app(tmp_path / "jobs", styles, options))
    place = ("127.0.0.1", int(address.rsplit(":", 1)[1]))
    for begun in (b"", b"GET / HTTP/1.1\r\nHo", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /"):
        with (
            socket.create_connection(place) as idle,
            pytest.raises((ConnectionResetError, BrokenPipeError)),
        ):
            idle.sendall(begun)
            while idle.recv(1 << 16):
                pass
            raise ConnectionResetError
    stop()
    # Nobody looks before it is time: once, and again for who has asked for something meanwhile.
    assert 3 <= len(looks) <= 9


@pytest.mark.apart
@pytest.mark.slow
def test_it_is_really_done_in_other_processes(client, clip, monkeypatch):
    monkeypatch.setattr(apart, "_SPAWN", warm.context())
    place = hand_in(client, clip.read_bytes())
    assert client.get(f"{place}/styles/tiny").status_code == 200
    view = paint(client, place)
    assert view["state"] == "done", view
    assert client.get(f"{place}/painted.mp4").status_code == 200
