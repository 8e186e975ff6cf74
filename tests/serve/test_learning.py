"""A painting that is handed in becomes a style of the page."""

import io
import threading
import time

import pytest
import torch
from PIL import Image
from skimage import data
from starlette.testclient import TestClient

from brushflow.models import learned_styles
from brushflow.serve import lessons, tasks
from brushflow.serve.apart import Apart, Died
from brushflow.serve.app import create_app

CHOICE = {"style": "tiny", "strength": 0.9}


@pytest.fixture
def open_client(tmp_path, styles, options, loss_weights):
    def opened(judge=str(loss_weights)):
        app = create_app(tmp_path / "jobs", styles, options, 1 << 20, "127.0.0.1", judge)
        return TestClient(app, base_url="http://127.0.0.1:8500")

    return opened


@pytest.fixture
def client(open_client, quickly):
    with open_client() as client:
        yield client


@pytest.fixture(scope="module")
def waves():
    file = io.BytesIO()
    Image.fromarray(data.chelsea()[:160, :200]).save(file, "JPEG", quality=95)
    return file.getvalue()


@pytest.fixture
def held(monkeypatch):
    """Learning stops before its third step until this is set."""
    go_on, learned = threading.Event(), tasks.learn

    def waits(*arguments, tell):
        def slowly(what, *values):
            stopping = tell(what, *values)
            while what == "progress" and values[0] == 2 and not stopping and not go_on.wait(0.02):
                stopping = tell(what, *values)
            return stopping

        return learned(*arguments, tell=slowly)

    monkeypatch.setattr(tasks, "learn", waits)
    return go_on


def hand_in(client, painting, name="waves.jpg", video=""):
    parameters = {"name": name, "video": video}
    answer = client.post("/api/paintings", params=parameters, content=painting)
    assert answer.status_code == 201, answer.text
    return f"/api/paintings/{answer.json()['id']}"


def until(client, place, condition):
    while not condition(view := client.get(place).json()):
        time.sleep(0.02)
    return view


def ended(view):
    return view["state"] in ("done", "failed")


def test_a_painting_is_learned_from_a_video_and_offered(client, waves, clip, held, tmp_path):
    answer = client.post("/api/videos", params={"name": "a.mp4"}, content=clip.read_bytes())
    video = answer.json()["id"]
    place = hand_in(client, waves, "my waves.jpg", video)
    assert Image.open(io.BytesIO(client.get(f"{place}/painting").content)).size == (400, 320)
    view = until(client, place, lambda view: view["look"] > 0 and view["progress"])
    assert (view["state"], view["video"], view["progress"]["total"]) == ("learning", video, 4)
    assert Image.open(io.BytesIO(client.get(f"{place}/look").content)).size[0] > 64
    until(client, place, lambda view: view["progress"]["seconds_left"] is not None)
    held.set()
    assert until(client, place, ended)["style"] == "my waves"
    about = client.get("/api/about").json()
    assert about["learned"] == ["my waves"] and "my waves" in about["styles"]
    assert client.get(f"/api/videos/{video}/styles/my waves").status_code == 200
    paint = client.post(f"/api/videos/{video}/paint", json={**CHOICE, "style": "my waves"})
    assert paint.status_code == 200
    assert until(client, f"/api/videos/{video}", ended)["state"] == "done"
    # Forgetting how it was learned leaves the style; handed in again, it is known at once.
    assert client.delete(place).status_code == 204
    assert not list((tmp_path / "jobs" / lessons.FOLDER).iterdir())
    again = hand_in(client, waves, "other name.jpg")
    assert until(client, again, ended)["style"] == "my waves"


def test_a_style_is_renamed_and_deleted(client, waves):
    place = hand_in(client, waves)
    assert until(client, place, ended)["state"] == "done"
    renamed = client.post("/api/styles/waves/rename", json={"name": " Sea "})
    assert renamed.json() == {"style": "Sea"} and list(learned_styles()) == ["Sea"]
    for style, name in (("Sea", "great-wave"), ("Sea", "../x"), ("tiny", "y"), ("none", "y")):
        answer = client.post(f"/api/styles/{style}/rename", json={"name": name})
        assert answer.status_code == 400 and answer.json()["detail"].endswith(".")
    assert client.delete("/api/styles/tiny").status_code == 400
    assert client.delete("/api/styles/Sea").status_code == 204
    assert client.get("/api/about").json()["learned"] == []


def test_a_restart_goes_on_with_what_was_being_learned(
    open_client, quickly, waves, monkeypatch, held, tmp_path
):
    with open_client() as client:
        place = hand_in(client, waves)
        until(client, place, lambda view: view["progress"] and view["progress"]["done"] == 2)
    half = tmp_path / "jobs" / lessons.FOLDER / ("0" * 32)  # one that never arrived
    half.mkdir()
    (half / "painting").touch()
    held.set()
    steps, told = [], lessons.Lessons._told
    monkeypatch.setattr(
        lessons.Lessons, "_told", lambda self, *what: steps.append(what) or told(self, *what)
    )
    with open_client() as client:
        assert until(client, place, ended)["style"] == "waves"
    assert not half.exists()
    assert [values[0] for what, *values in steps if what == "progress"] == [3, 4]


def test_one_is_cancelled_and_the_next_is_learned(client, waves, held):
    first = hand_in(client, waves)
    until(client, first, lambda view: view["progress"])
    second = hand_in(client, waves[:-2] + b"\xff\xd9\n", "second.jpg")
    assert client.get(second).json()["ahead"] == 1
    held.set()
    assert client.delete(first).status_code == 204
    assert client.get(first).status_code == 404
    assert until(client, second, ended)["state"] == "done"


@pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8\xff\xe0 damaged"])
def test_what_is_no_painting_is_refused_in_a_sentence(client, content, tmp_path):
    answer = client.post("/api/paintings", params={"name": "x.jpg"}, content=content)
    assert answer.status_code == 400
    assert "x.jpg is not a readable picture" in answer.json()["detail"]
    assert not list((tmp_path / "jobs" / lessons.FOLDER).iterdir())


def test_where_no_judge_can_be_had_that_is_said(open_client, quickly, waves, monkeypatch, tmp_path):
    def offline(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with open_client("vgg16") as client:
        view = until(client, hand_in(client, waves), ended)
    assert view["state"] == "failed"
    assert view["problem"].startswith("The network that judges paintings is not on the server")


def test_a_painting_that_ends_the_process_is_not_tried_for_ever(client, waves, monkeypatch):
    call, times = Apart.call, []

    def dies(self, task, *arguments, **named):
        if task is tasks.learn:
            times.append(task)
            raise Died
        return call(self, task, *arguments, **named)

    monkeypatch.setattr(Apart, "call", dies)
    view = until(client, hand_in(client, waves), ended)
    assert "twice" in view["problem"] and len(times) == 2
