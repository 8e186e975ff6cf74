"""What the server does and refuses, without a browser."""

import io
import threading
import time

import av
import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from brushflow.serve import tasks
from brushflow.serve.app import create_app
from brushflow.serve.jobs import shown_name
from brushflow.serve.worker import Worker

LARGEST = 1 << 20
CAMERA = "ws://127.0.0.1:8500/api/camera"
CHOICE = {"style": "tiny", "strength": 0.9}


def client_of(folder, styles, options):
    app = create_app(folder, styles, options, LARGEST)
    return TestClient(app, base_url="http://127.0.0.1:8500")


@pytest.fixture
def client(tmp_path, styles, options):
    with client_of(tmp_path / "jobs", styles, options) as client:
        yield client


def hand_in(client, clip, name="clip.mp4"):
    answer = client.post("/api/videos", params={"name": name}, content=clip.read_bytes())
    assert answer.status_code == 201, answer.text
    return answer.json()


def wait_for(client, job, *states):
    while (view := client.get(f"/api/videos/{job['id']}").json())["state"] not in states:
        assert view["state"] in ("waiting", "painting"), view
        time.sleep(0.05)
    return view


def test_from_a_video_to_its_painting(client, clip, tmp_path, styles, options):
    job = hand_in(client, clip, "C:\\films\\my <b>film.mp4")
    assert (job["name"], job["state"]) == ("my <b>film.mp4", "new")
    for style in styles:
        picture = client.get(f"/api/videos/{job['id']}/styles/{style}")
        decoded = cv2.imdecode(np.frombuffer(picture.content, np.uint8), cv2.IMREAD_COLOR)
        assert decoded.shape[:2] == (64, 94)
    assert client.get(f"/api/videos/{job['id']}/painted.mp4").status_code == 404
    client.post(f"/api/videos/{job['id']}/paint", json=CHOICE)
    view = wait_for(client, job, "done", "failed")
    assert view["state"] == "done", view
    painted = client.get(f"/api/videos/{job['id']}/painted.mp4", params={"download": True})
    assert "attachment" in painted.headers["content-disposition"]
    for content in (painted, client.get(f"/api/videos/{job['id']}/original.mp4")):
        with av.open(io.BytesIO(content.content)) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height) == (94, 64)
            assert stream.codec_context.pix_fmt == "yuv420p"
            assert sum(1 for _ in container.decode(stream)) == 10
    ranged = client.get(f"/api/videos/{job['id']}/painted.mp4", headers={"Range": "bytes=0-9"})
    assert ranged.status_code == 206 and len(ranged.content) == 10
    assert client.delete(f"/api/videos/{job['id']}").status_code == 204
    assert client.get(f"/api/videos/{job['id']}").status_code == 404
    assert list((tmp_path / "jobs").iterdir()) == []


def test_two_are_queued_and_one_is_cancelled(client, clip, gate):
    jobs = [hand_in(client, clip) for _ in range(3)]
    for job in jobs:
        assert client.post(f"/api/videos/{job['id']}/paint", json=CHOICE).status_code == 200
    wait_for(client, jobs[0], "painting")
    assert [wait_for(client, job, "painting", "waiting")["ahead"] for job in jobs] == [0, 1, 2]
    again = client.post(f"/api/videos/{jobs[1]['id']}/paint", json=CHOICE)
    assert again.status_code == 409 and "already" in again.json()["detail"]
    assert client.post(f"/api/videos/{jobs[0]['id']}/cancel").json()["state"] == "cancelled"
    gate.set()
    assert wait_for(client, jobs[2], "done")
    assert client.get(f"/api/videos/{jobs[1]['id']}").json()["state"] == "done"
    assert client.get(f"/api/videos/{jobs[0]['id']}").json()["state"] == "cancelled"
    videos = [name for name, output in gate.begun if output == "painted.mp4"]
    assert videos == [job["id"] for job in jobs]


def test_a_video_is_deleted_when_its_cancelled_run_has_ended(client, clip, monkeypatch, tmp_path):
    begun, ends = threading.Event(), threading.Event()

    def slow_to_stop(*_, tell):
        begun.set()
        ends.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(tasks, "paint", slow_to_stop)
    job = hand_in(client, clip)
    place = f"/api/videos/{job['id']}"
    client.post(f"{place}/paint", json=CHOICE)
    assert begun.wait(60)
    threads = []
    for ask in (lambda: client.post(f"{place}/cancel"), lambda: client.delete(place)):
        threads.append(threading.Thread(target=ask))
        threads[-1].start()
        threads[-1].join(0.3)
    kept = (tmp_path / "jobs" / job["id"]).exists()
    ends.set()
    for thread in threads:
        thread.join()
    assert kept
    assert not (tmp_path / "jobs" / job["id"]).exists()


def test_a_restart_goes_on_with_the_queue(tmp_path, styles, options, clip, gate):
    with client_of(tmp_path, styles, options) as client:
        jobs = [hand_in(client, clip) for _ in range(2)]
        for job in jobs:
            client.post(f"/api/videos/{job['id']}/paint", json=CHOICE)
        wait_for(client, jobs[0], "painting")
    gate.set()
    (tmp_path / ("0" * 32)).mkdir()  # an upload that a power cut ended
    with client_of(tmp_path, styles, options) as client:
        for job in jobs:
            assert wait_for(client, job, "done", "failed")["state"] == "done"
    assert not (tmp_path / ("0" * 32)).exists()


def test_what_is_too_large_is_refused_and_leaves_nothing(client, tmp_path):
    answer = client.post("/api/videos", content=b"x" * (LARGEST + 1))
    assert answer.status_code == 413 and "larger than 1 MB" in answer.json()["detail"]

    def unannounced():
        for _ in range(40):
            yield b"x" * (LARGEST // 32)

    assert client.post("/api/videos", content=unannounced()).status_code == 413
    assert list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no video", b"#EXTM3U\nfile:///etc/passwd\n"])
def test_what_is_no_video_is_refused_in_a_sentence(client, tmp_path, content):
    answer = client.post("/api/videos", params={"name": "a.mp4"}, content=content)
    assert answer.status_code == 400
    detail = answer.json()["detail"]
    assert detail.startswith("a.mp4 is") and str(tmp_path) not in detail
    assert list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.parametrize(
    "path",
    [
        "/api/videos/" + "0" * 32,
        "/api/videos/..%2f..%2fetc%2fpasswd",
        "/api/videos/../../etc/passwd",
        "/page/../jobs.py",
        "/page/..%2fjobs.py",
        "/page/%2e%2e/jobs.py",
        "/api/videos",
        "/docs",
        "/openapi.json",
    ],
)
def test_nothing_else_can_be_read(client, path):
    answer = client.get(path)
    assert answer.status_code in (404, 405)
    assert "root:" not in answer.text and "import" not in answer.text


def test_styles_and_settings_are_checked(client, clip):
    job = hand_in(client, clip)
    place = f"/api/videos/{job['id']}"
    assert client.get(f"{place}/styles/..%2f..%2fx").status_code == 404
    assert client.get(f"{place}/styles/nope").status_code == 404
    for wrong in ({"style": "/etc/passwd"}, {"style": "tiny", "max_size": 9}, {"style": "tiny",
                  "strength": 2}, {}, []):  # fmt: skip
        answer = client.post(f"{place}/paint", json=wrong)
        assert answer.status_code in (400, 422)
        assert isinstance(answer.json()["detail"], str)
    assert client.get(place).json()["state"] == "new"


def test_videos_that_cannot_be_understood_are_left_alone(tmp_path, styles, options, clip):
    with client_of(tmp_path, styles, options) as client:
        jobs = [hand_in(client, clip) for _ in range(2)]
    newer, damaged = (tmp_path / job["id"] / "job.json" for job in jobs)
    newer.write_text(newer.read_text().replace("{", '{"mood": "good", ', 1))
    damaged.write_text("[]")
    with client_of(tmp_path, styles, options) as client:
        assert client.get(f"/api/videos/{jobs[0]['id']}").json()["state"] == "new"
        assert client.get(f"/api/videos/{jobs[1]['id']}").status_code == 404
    assert damaged.exists() and (damaged.parent / "source").exists()


def test_a_cancelled_run_has_ended_before_the_next_begins(client, clip, monkeypatch):
    begun, end = threading.Event(), threading.Event()

    def lingering(self, job):
        begun.set()
        end.wait()
        return "waiting", {}

    monkeypatch.setattr(Worker, "_paint", lingering)
    place = f"/api/videos/{hand_in(client, clip)['id']}"
    assert client.post(f"{place}/paint", json=CHOICE).status_code == 200
    begun.wait()
    cancelling = threading.Thread(target=client.post, args=(f"{place}/cancel",))
    cancelling.start()
    while client.get(place).json()["state"] != "cancelled":
        time.sleep(0.02)
    assert client.post(f"{place}/paint", json=CHOICE).status_code == 409
    end.set()
    cancelling.join()
    assert client.post(f"{place}/paint", json=CHOICE).status_code == 200


@pytest.mark.parametrize(
    "headers, allowed",
    [
        ({}, True),
        ({"Origin": "http://127.0.0.1:8500"}, True),
        ({"Host": "localhost:8500", "Origin": "http://localhost:8500"}, True),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "http://127.0.0.1:9999"}, False),
        ({"Origin": "null"}, False),
        ({"Host": "evil.example"}, False),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, False),
        ({"Host": "127.0.0.1.evil.example"}, False),
        ({"Host": "[::1"}, False),
        ({"Origin": "http://[::1"}, False),
    ],
)
def test_other_sites_are_kept_out(client, headers, allowed):
    answer = client.post("/api/videos", content=b"", headers=headers)
    assert answer.status_code == (400 if allowed else 403)
    if allowed:
        with client.websocket_connect(CAMERA, headers=headers) as socket:
            socket.send_text("{}")
            assert "problem" in socket.receive_json()
        return
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect(CAMERA, headers=headers),
    ):
        pass


def test_the_page_loads_nothing_foreign(client):
    page = client.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "http" not in page.text.replace("http-equiv", "")


def jpeg(frame):
    return cv2.imencode(".jpg", frame)[1].tobytes()


def test_the_camera_paints_frame_by_frame(client, drifting):
    frames = drifting(4)
    with client.websocket_connect(CAMERA) as socket:
        socket.send_json({"style": "tiny", "size": 64})
        for frame in frames:
            socket.send_bytes(jpeg(frame))
            painted = cv2.imdecode(np.frombuffer(socket.receive_bytes(), np.uint8), 1)
            assert painted.shape == (42, 64, 3)
        socket.send_bytes(b"no picture")
        assert "no JPEG" in socket.receive_json()["problem"]
        socket.send_json({"style": "tiny", "size": 1000000})
        assert "not possible" in socket.receive_json()["problem"]
        socket.send_bytes(jpeg(frames[0]))
        assert socket.receive_bytes()


def test_the_camera_drops_what_comes_too_late(client, drifting, monkeypatch):
    from brushflow.serve import camera

    begun, go_on, seen = threading.Event(), threading.Event(), []
    decode = camera.decode_jpeg

    def slow(data):
        seen.append(data)
        begun.set()
        go_on.wait()
        return decode(data)

    monkeypatch.setattr(camera, "decode_jpeg", slow)
    pictures = [jpeg(frame) for frame in drifting(6)]
    with client.websocket_connect(CAMERA) as socket:
        socket.send_bytes(pictures[0])
        begun.wait()
        for picture in pictures[1:]:
            socket.send_bytes(picture)
        socket.send_text("wrong")  # its answer comes when all before it has been taken in
        assert "problem" in socket.receive_json()
        go_on.set()
        assert socket.receive_bytes() and socket.receive_bytes()
    assert seen == [pictures[0], pictures[-1]]


@pytest.mark.parametrize(
    "name, shown",
    [
        ("clip.mp4", "clip.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\y.mp4", "y.mp4"),
        ("a\nb\x1b[2J.mp4", "ab[2J.mp4"),
        ("x" * 300, "x" * 120),
    ],
)
def test_names_are_for_showing_only(name, shown):
    assert shown_name(name) == shown
