"""Masks, all styles, other kinds of files: what is made of a choice, and what is refused."""

import io
import time

import av
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from brushflow.serve.app import create_app
from brushflow.tests.pipeline.test_masks import disc, grey, lossless, transparent
from brushflow.tests.serve.conftest import NASTY
from brushflow.video import open_source

LARGEST = 1 << 20


@pytest.fixture
def client(tmp_path, styles, options):
    app = create_app(tmp_path / "jobs", styles, options, LARGEST)
    with TestClient(app, base_url="http://127.0.0.1:8500") as client:
        yield client


def hand_in(client, content, name="film.mp4"):
    answer = client.post("/api/videos", params={"name": name}, content=content)
    assert answer.status_code == 201, answer.text
    return f"/api/videos/{answer.json()['id']}"


def give_mask(client, place, content, name="my mask.png"):
    return client.post(f"{place}/mask", params={"name": name}, content=content)


def paint(client, place, **choice):
    answer = client.post(f"{place}/paint", json={"style": "tiny", **choice})
    assert answer.status_code == 200, answer.text
    while (view := client.get(place).json())["state"] in ("waiting", "painting"):
        time.sleep(0.02)
    return view


def png(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def picture_of(client, place, kind="painted"):
    return np.asarray(Image.open(io.BytesIO(client.get(f"{place}/{kind}.png").content)))


def files_in(tmp_path):
    return sorted(path.name for path in (tmp_path / "jobs").glob("*/*"))


def test_a_photograph_is_painted_where_its_mask_is_white(client, drifting, tmp_path):
    photograph, mask = drifting(1)[0], disc(5)
    place = hand_in(client, png(photograph), "cat.png")
    whole = paint(client, place) and picture_of(client, place)
    assert client.get(place).json()["mask"] == ""
    for name in ("an older one", "../my <i>mask.png"):
        assert give_mask(client, place, png(grey(mask)), name).status_code == 201
    view = client.get(place).json()
    assert view["mask"] == "my <i>mask.png"
    assert "mask_file" not in view
    assert sum(name.startswith("mask-") for name in files_in(tmp_path)) == 1
    assert paint(client, place, mask="file")["state"] == "done"
    inside = picture_of(client, place)
    assert np.array_equal(inside[mask == 0], photograph[mask == 0])
    assert np.array_equal(inside[mask == 255], whole[mask == 255])
    assert np.array_equal(picture_of(client, place, "original"), photograph)
    paint(client, place, mask="file", mask_invert=True)
    inverted = picture_of(client, place)
    assert np.array_equal(inverted[mask == 255], photograph[mask == 255])
    paint(client, place, mask="file", outside=NASTY)  # the same model: all of it is painted
    assert np.array_equal(picture_of(client, place), whole)
    client.delete(place)
    assert files_in(tmp_path) == []


def test_a_mask_may_move_and_must_last(client, clip, tmp_path):
    halves = np.zeros((64, 94, 3), np.uint8)
    halves[:, :40] = 255
    masks = {count: lossless(tmp_path / f"{count}.mkv", [halves] * count) for count in (3, 10)}
    place = hand_in(client, clip.read_bytes())
    assert give_mask(client, place, masks[3].read_bytes(), "short.mkv").status_code == 201
    view = paint(client, place, mask="file")
    assert view["state"] == "failed"
    assert view["problem"].startswith("The mask short.mkv ends after 0.12 s, and film.mp4 goes on")
    assert give_mask(client, place, masks[10].read_bytes(), "right.mkv").status_code == 201
    assert paint(client, place, mask="file")["state"] == "done"
    painted, original = (
        frames_of(client, f"{place}/{kind}.mp4") for kind in ("painted", "original")
    )
    away = np.abs(painted.astype(int) - original)
    assert away[:, :, 50:].mean() < 4 < 15 < away[:, :, :34].mean()


def frames_of(client, address):
    content = client.get(address).content
    with av.open(io.BytesIO(content)) as container:
        return np.array([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "my mask.png is"),
        (b"no picture", "my mask.png is not a video"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "my mask.png is a playlist"),
        (png(np.zeros((96, 64, 3), np.uint8)), "The mask my mask.png is 64×96, another shape than"),
        (b"x" * (LARGEST + 1), "This mask is larger than 1 MB."),
    ],
)
def test_what_is_no_mask_of_it_is_refused_and_leaves_the_one_before(
    client, clip, tmp_path, content, words
):
    place = hand_in(client, clip.read_bytes(), "film.mp4")
    assert give_mask(client, place, png(grey(disc(1))), "good.png").status_code == 201
    before = files_in(tmp_path)
    answer = give_mask(client, place, content)
    assert answer.status_code == (413 if "larger" in words else 400)
    detail = answer.json()["detail"]
    assert detail.startswith(words)
    assert "mask-" not in detail and str(tmp_path) not in detail
    assert files_in(tmp_path) == before
    assert client.get(place).json()["mask"] == "good.png"
    assert give_mask(client, f"/api/videos/{'0' * 32}", content).status_code == 404


def test_the_mask_of_what_is_being_painted_stays(client, clip, gate):
    place = hand_in(client, clip.read_bytes())
    client.post(f"{place}/paint", json={"style": "tiny"})
    answer = give_mask(client, place, png(grey(disc(1))))
    assert answer.status_code == 409
    assert "being painted" in answer.json()["detail"]
    gate.set()


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"mask": "file"}, "Hand in a mask first."),
        ({"mask": "alpha"}, "This video has no transparent parts."),
        ({"outside": "tiny"}, "Only a mask that was handed in has another side."),
        ({"mask_invert": True}, "Only a mask that was handed in has another side."),
        ({"outside": "nope"}, "There is no such style here."),
        ({"turns": [[1, ""]]}, "There is no such style here."),
        ({"style": "", "turns": [[1, "tiny"]]}, "All styles are painted each by itself"),
        ({"form": "exe"}, "The request is not one that this server knows."),
        ({"mask": "/etc/passwd"}, "The request is not one that this server knows."),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_sentence(client, clip, choice, words):
    place = hand_in(client, clip.read_bytes())
    answer = client.post(f"{place}/paint", json={"style": "tiny", **choice})
    assert answer.status_code in (400, 422)
    assert answer.json()["detail"].startswith(words)
    assert client.get(place).json()["state"] == "new"


def test_a_picture_becomes_no_video(client, drifting):
    place = hand_in(client, png(drifting(1)[0]), "cat.png")
    answer = client.post(f"{place}/paint", json={"style": "tiny", "form": "gif"})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "A picture does not become a video."


@pytest.mark.parametrize("form", ["gif", "apng", "webp", "webm", "mov"])
def test_what_is_transparent_stays_so_in_files_that_can_hold_it(client, tmp_path, form):
    source = lossless(tmp_path / "source.mkv", transparent(3), alpha=True)
    place = hand_in(client, source.read_bytes(), "sprite.mkv")
    assert client.get(place).json()["transparent"]
    view = paint(client, place, mask="alpha", form=form)
    assert view["state"] == "done", view
    answer = client.get(f"{place}/painted.{form}", params={"download": True})
    assert f"sprite.tiny.{form}" in answer.headers["content-disposition"]
    made = tmp_path / f"made.{form}"
    made.write_bytes(answer.content)
    frames = [frame.pixels for frame in open_source(made).read(alpha=True)]
    assert len(frames) == 3
    for index, frame in enumerate(frames):
        mask, alpha = disc(index), frame[..., 3].astype(int)
        assert (alpha[mask == 0] < 40).all() and (alpha[mask == 255] > 215).all()
    assert client.get(f"{place}/painted.mp4").status_code == 404
    for kind in ("shown", "original"):
        assert frames_of(client, f"{place}/{kind}.mp4").shape == (3, 64, 96, 3)
    assert paint(client, place)["state"] == "done"  # takes the place of all that
    assert sum(name.startswith(("painted", "shown")) for name in files_in(tmp_path)) == 1


def test_a_picture_keeps_its_transparency(client, tmp_path):
    (picture,) = transparent(1)
    place = hand_in(client, png(picture), "sprite.png")
    assert paint(client, place, mask="alpha")["state"] == "done"
    for kind in ("painted", "original"):
        assert np.array_equal(picture_of(client, place, kind)[..., 3], picture[..., 3])


def test_every_style_makes_a_file_of_its_own(client, clip):
    place = hand_in(client, clip.read_bytes(), "film.mp4")
    view = paint(client, place, style="", form="gif")
    assert view["state"] == "done", view
    assert view["choice"]["styles"] == ["tiny", NASTY]
    made = [
        client.get(f"{place}/painted.gif", params={"number": n, "download": True}) for n in (0, 1)
    ]
    assert "film.tiny.gif" in made[0].headers["content-disposition"]
    assert "onerror" in made[1].headers["content-disposition"]
    assert client.get(f"{place}/painted.gif", params={"number": 2}).status_code == 404
    assert client.get(f"{place}/painted.gif", params={"number": -1}).status_code == 422
    for number in (0, 1):
        assert len(frames_of(client, f"{place}/shown.mp4?number={number}")) == 10
    alone = hand_in(client, clip.read_bytes(), "film.mp4")
    paint(client, alone, form="gif")
    assert np.array_equal(*(frames_of(client, f"{each}/painted.gif") for each in (place, alone)))


def test_a_picture_in_every_style(client, drifting):
    place = hand_in(client, png(drifting(1)[0]), "cat.png")
    assert paint(client, place, style="")["state"] == "done"
    for number in (0, 1):
        assert client.get(f"{place}/painted.png", params={"number": number}).status_code == 200


def test_several_styles_at_once_need_more_memory(client, clip, monkeypatch):
    from brushflow.pipeline.resources import memory_to_paint
    from brushflow.serve import worker

    monkeypatch.setattr(worker, "_LEAST_SIDE", 32)
    monkeypatch.setattr(worker, "available_memory", lambda: memory_to_paint(95 * 64))
    place = hand_in(client, clip.read_bytes())
    assert paint(client, place)["notes"] == []
    assert "not enough memory" in paint(client, place, style="")["notes"][-1]
