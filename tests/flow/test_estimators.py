"""What every flow estimator promises, and how one is chosen."""

import importlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from brushflow.cli.advice import RESTORE_OPENCV, advised
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.flow import bidirectional, estimators, load_estimator, resize_flow
from brushflow.flow.opencv import ALGORITHMS
from brushflow.flow.resize import CappedSize


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_known_shift_is_found(name, dtype, shifted):
    frame, other = shifted(3, -2)
    if dtype == np.uint16:
        frame, other = (each.astype(np.uint16) * 257 for each in (frame, other))
    flow = load_estimator(name)(frame, other)
    assert flow.shape == (160, 200, 2) and flow.dtype == np.float32
    assert np.median(np.linalg.norm(flow - (3, -2), axis=2)) < 0.5


@pytest.mark.parametrize("shift", [(0, 0), (3, 1)])
def test_noise_on_a_plain_wall_is_no_motion(shift):
    """Strokes there would wander: as the texture around it moves, so does the wall.

    OpenCV's own presets find 0.6 to 1.5 pixels of motion in the noise.
    """
    texture = np.random.default_rng(0).uniform(0, 255, (300, 400)).astype(np.float32)
    scene = 128 + 4 * (cv2.GaussianBlur(texture, (0, 0), 3) - 127.5)
    scene[90:210, 110:290] = np.linspace(140, 160, 180)

    def seen(x, y, seed):
        noise = np.random.default_rng(seed).normal(0, 2, (240, 340))
        frame = np.clip(scene[30 - y : 270 - y, 30 - x : 370 - x] + noise, 0, 255)
        return frame.astype(np.uint8)[..., None].repeat(3, -1)

    flow = load_estimator("dis")(seen(0, 0, 1), seen(*shift, 2))
    error = np.linalg.norm(flow - np.float32(shift), axis=-1)
    assert error[70:170, 90:250].mean() < 0.45
    assert np.median(error) < 0.05


@pytest.mark.parametrize("name", ALGORITHMS)
def test_equal_frames_have_no_motion_at_all(name, shifted):
    frame, _ = shifted(0, 0)
    assert not load_estimator(name)(frame, frame.copy()).any()


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("size", [(2, 2), (1, 1), (3, 50), (50, 3), (11, 13)])
def test_tiny_frames_work(name, size):
    random = np.random.default_rng(0)
    frame, other = random.integers(0, 256, (2, *size, 3), dtype=np.uint8)
    flow = load_estimator(name)(frame, other)
    assert flow.shape == (*size, 2) and np.isfinite(flow).all()


def test_frames_are_left_as_they_are(shifted):
    frame, other = shifted(3, -2)
    before = frame.copy(), other.copy()
    load_estimator("dis", max_size=100)(frame, other)
    assert np.array_equal(frame, before[0]) and np.array_equal(other, before[1])


@pytest.mark.parametrize(
    ("frame", "other"),
    [
        (np.zeros((8, 9, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)),
        (np.zeros((8, 9, 3), np.uint8), np.zeros((8, 9, 3), np.uint16)),
        (np.zeros((8, 9), np.uint8), np.zeros((8, 9), np.uint8)),
        (np.zeros((8, 9, 3), np.float32), np.zeros((8, 9, 3), np.float32)),
    ],
)
def test_frames_that_do_not_fit_are_refused(frame, other):
    with pytest.raises(ValueError, match="frame"):
        load_estimator("dis")(frame, other)


def test_threads_do_not_disturb_each_other(shifted):
    estimator = load_estimator("dis")
    pairs = [shifted(dx, dy) for dx in (-3, 0, 4) for dy in (-2, 1)] * 3
    alone = [load_estimator("dis")(*pair) for pair in pairs]
    with ThreadPoolExecutor(4) as executor:
        together = list(executor.map(lambda pair: estimator(*pair), pairs))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_a_capped_size_gives_vectors_of_the_full_one(shifted):
    frame, other = shifted(8, -6)
    seen = []

    def spy(frame, other):
        seen.append(frame.shape)
        return load_estimator("dis")(frame, other)

    flow = CappedSize(spy, 100)(frame, other)
    assert seen == [(80, 100, 3)] and flow.shape == (160, 200, 2)
    assert np.median(np.linalg.norm(flow - (8, -6), axis=2)) < 0.5
    full = load_estimator("dis")(frame, other)
    assert np.array_equal(load_estimator("dis", max_size=200)(frame, other), full)


def test_a_resized_field_points_at_the_same_places():
    rows, columns = np.mgrid[:40, :60].astype(np.float32)
    flow = np.stack([columns / 60, rows / 40], axis=2)
    larger = resize_flow(flow, (80, 180))
    assert larger.shape == (80, 180, 2) and larger.dtype == np.float32
    assert larger[41, 92].tolist() == pytest.approx(
        (3 * flow[20, 30, 0], 2 * flow[20, 30, 1]), 0.05
    )
    assert np.abs(resize_flow(larger, (40, 60)) - flow).max() < 0.05


def test_names_close_to_a_known_one_are_suggested():
    with pytest.raises(UsageError, match="did you mean 'raft-small'"):
        load_estimator("raft_small")
    with pytest.raises(UsageError, match="choose one of dis, dis-fast"):
        load_estimator("hornschunck")


def test_options_that_do_not_apply_are_refused(tmp_path):
    with pytest.raises(UsageError, match="takes no weights"):
        load_estimator("dis", weights=tmp_path / "raft.pth")
    with pytest.raises(UsageError, match="flow size"):
        load_estimator("dis", max_size=0)


def test_both_directions_with_and_without_helpers(shifted):
    frame, other = shifted(3, -2)
    estimator = load_estimator("dis")
    flow, reverse = bidirectional(estimator, frame, other)
    assert np.array_equal(flow, estimator(frame, other))
    assert np.array_equal(reverse, estimator(other, frame))
    with ThreadPoolExecutor(1) as executor:
        pair = bidirectional(estimator, frame, other, executor)
        # The only worker is the one this runs on.
        nested = executor.submit(bidirectional, estimator, frame, other, executor).result()
    for each in (pair, nested):
        assert np.array_equal(each[0], flow) and np.array_equal(each[1], reverse)


def test_directions_run_at_the_same_time():
    meeting = threading.Barrier(2)

    def estimator(frame, other):
        meeting.wait()
        return frame

    with ThreadPoolExecutor(1) as executor:
        assert bidirectional(estimator, 1, 2, executor) == (1, 2)


@pytest.fixture
def ptlflow(monkeypatch):
    """A stand-in for the package: its one model measures the shift of mean blue."""

    class Model(torch.nn.Module):
        pretrained_checkpoints = {"chairs": "url", "things": "url"}  # noqa: RUF012

        def forward(self, inputs):
            images = inputs["images"]
            assert images.shape[:3] == (1, 2, 3) and images.max() <= 1
            blue = images[0, :, 0].mean((1, 2))
            return {"flows": blue[None, None, :, None, None].expand(1, 1, 2, *images.shape[3:])}

    def model_of(name, *checkpoint):
        if name != "sea_raft":
            raise ValueError(f"Unknown model name: {name}")
        package.asked.append(checkpoint)
        return Model()

    package = ModuleType("ptlflow")
    package.asked = []
    package.get_model = model_of
    package.get_model_reference = lambda name: Model if model_of(name) else None
    monkeypatch.setitem(sys.modules, "ptlflow", package)
    return package


def test_ptlflow_gets_blue_first_in_unit_range(ptlflow):
    frame, other = np.zeros((2, 6, 7, 3), np.uint8)
    frame[..., 2], other[..., 2] = 51, 255
    flow = load_estimator("ptlflow:sea_raft")(frame, other)
    assert flow.shape == (6, 7, 2) and flow.dtype == np.float32
    assert flow[3, 3].tolist() == pytest.approx([0.2, 1])
    deep = load_estimator("ptlflow:sea_raft")(frame * np.uint16(257), other * np.uint16(257))
    assert np.allclose(deep, flow)


def test_ptlflow_weights_are_chosen(ptlflow):
    load_estimator("ptlflow:sea_raft")
    assert ptlflow.asked[-1] == ("things",)
    load_estimator("ptlflow:sea_raft", weights="sintel")
    assert ptlflow.asked[-1] == ("sintel",)


def test_ptlflow_troubles_are_sentences(ptlflow, monkeypatch):
    with pytest.raises(UsageError, match="Unknown model name: raftt"):
        load_estimator("ptlflow:raftt")
    monkeypatch.setattr(ptlflow, "get_model_reference", lambda name: SimpleNamespace)
    with pytest.raises(UsageError, match="no published weights"):
        load_estimator("ptlflow:sea_raft")
    monkeypatch.setitem(sys.modules, "ptlflow", None)
    with pytest.raises(UsageError, match="needs the package ptlflow") as caught:
        load_estimator("ptlflow:sea_raft")
    assert "pip install ptlflow" in advised(caught.value)


def test_a_broken_ptlflow_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "ptlflow.py").write_text("raise RuntimeError('built for another torch')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BrushflowError, match=r"does not work here \(built for another torch\)"):
        load_estimator("ptlflow:sea_raft")


@pytest.mark.parametrize("name", ["deepflow", "tvl1"])
def test_another_packages_opencv_is_told_of(name, monkeypatch):
    """opencv-python, which others bring along, is installed over opencv-contrib-python."""
    monkeypatch.delattr(cv2, "optflow")
    with pytest.raises(UsageError, match=f"'{name}' needs OpenCV's contributed modules") as caught:
        load_estimator(name)
    assert RESTORE_OPENCV in advised(caught.value)
    load_estimator("dis")


def test_an_estimator_is_a_row_and_a_module(monkeypatch):
    """That is all: the registry decides which names there are, and what loads them."""
    still = ModuleType("brushflow.flow.still")
    still.load = lambda name, device, weights: (
        lambda frame, other: np.full((*frame.shape[:2], 2), len(name), np.float32)
    )
    monkeypatch.setitem(sys.modules, "brushflow.flow.still", still)
    monkeypatch.setitem(estimators._MODULES, "still", "still")
    frame = np.zeros((8, 8, 3), np.uint8)
    assert (load_estimator("still")(frame, frame + 1) == 5).all()
    for name, module in estimators._MODULES.items():
        assert callable(importlib.import_module(f"brushflow.flow.{module}").load)
        assert estimators.is_network(name) == (module != "opencv")
    opencv = {name for name, module in estimators._MODULES.items() if module == "opencv"}
    assert opencv == set(ALGORITHMS)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("size", [(32, 43), (45, 40), (33, 33), (40, 40), (30, 46), (47, 36)])
def test_what_was_asked_before_changes_no_answer(name, size):
    """Threads take whichever pair is next, so a video would become another one every time."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (3, *size, 3), dtype=np.uint8)
    first, second, third = (cv2.GaussianBlur(frame, (0, 0), 2) for frame in frames)
    fresh = load_estimator(name)(first, second)
    used = load_estimator(name)
    used(third, second), used(second, third)
    assert np.array_equal(used(first, second), fresh)
