"""The original tool's evaluation: each value is what its formula says, under its own name."""

import csv

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from brushflow.common.errors import BrushflowError
from brushflow.evaluation.frame_scores import FrameScores
from brushflow.models import preprocess
from brushflow.models.loss_network import LossNetwork, gram_matrix
from brushflow.occlusion.motion import Motion
from brushflow.pipeline.stylizer import Stylized
from brushflow.training.losses import PerceptualLoss

CPU = torch.device("cpu")


@pytest.fixture
def frames():
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (24, 32, 3), np.uint8) for _ in range(3)]


@pytest.fixture
def outputs(frames):
    return [preprocess(255 - frame) * 1.1 for frame in frames]


@pytest.fixture
def network(loss_weights):
    return LossNetwork(loss_weights, ["relu1_2", "relu2_2", "relu3_3"]).eval()


@pytest.fixture
def losses(network, frames):
    content, style = {("relu3_3", 1): 2.0}, {("relu1_2", 1): 1.0, ("relu2_2", 1): 0.5}
    return PerceptualLoss(network, content, style, [preprocess(frames[2])], [1.0])


def shifted_by_two(frame, previous, index, executor):
    """Everything has moved two pixels to the right; half of it is certain."""
    flow = np.zeros((24, 32, 2), np.float32)
    flow[..., 0] = -2
    certainty = np.zeros((24, 32), np.float32)
    certainty[:, 16:] = 1
    return Motion(flow, certainty)


def scored(path, losses, frames, outputs, order=(1, 2, 3), forward=False):
    scores = FrameScores(path, losses, shifted_by_two, forward, CPU)
    for index in order:
        scores.add(Stylized(index, frames[index - 1], outputs[index - 1], None))
    return table(path)


def table(path):
    with path.open(newline="") as file:
        return {row.pop("frame"): row for row in csv.DictReader(file, delimiter=";")}


def test_values_are_those_of_the_formulas(tmp_path, losses, network, frames, outputs):
    rows = scored(tmp_path / "scores.txt", losses, frames, outputs)
    found, wanted, painting = (
        network(x) for x in (outputs[1], preprocess(frames[1]), preprocess(frames[2]))
    )
    content = 2 * F.mse_loss(found["relu3_3"], wanted["relu3_3"])
    style = sum(
        weight * F.mse_loss(gram_matrix(found[name]), gram_matrix(painting[name]))
        for name, weight in (("relu1_2", 1.0), ("relu2_2", 0.5))
    )
    # An integer shift is a slice; hidden pixels count as 0 in a mean over all.
    y, z = (x[0, :, :, :].double() / 255 for x in (outputs[0], outputs[1]))
    mean = preprocess(np.zeros((1, 1, 3), np.uint8))[0].double() / 255
    difference = (y - mean)[:, :, 14:30] - (z - mean)[:, :, 16:]
    temporal = difference.square().sum() / (3 * 24 * 32)
    assert float(rows["2"]["content"]) == pytest.approx(float(content), rel=1e-5)
    assert float(rows["2"]["style"]) == pytest.approx(float(style), rel=1e-5)
    assert float(rows["2"]["temporal"]) == pytest.approx(float(temporal), rel=1e-5)


def test_means_are_over_the_frames_that_have_a_value(tmp_path, losses, frames, outputs):
    rows = scored(tmp_path / "scores.txt", losses, frames, outputs)
    assert rows["1"]["temporal"] == ""
    pairs = [float(rows[frame]["temporal"]) for frame in ("2", "3")]
    assert float(rows["mean"]["temporal"]) == pytest.approx(sum(pairs) / 2)
    three = [float(rows[frame]["style"]) for frame in ("1", "2", "3")]
    assert float(rows["mean"]["style"]) == pytest.approx(sum(three) / 3)


def test_the_order_of_painting_does_not_matter(tmp_path, losses, frames, outputs):
    forward = scored(tmp_path / "a.txt", losses, frames, outputs)
    backward = scored(tmp_path / "b.txt", losses, frames, outputs, (3, 2, 1))
    assert forward == backward


def test_forward_flow_moves_the_later_frame(tmp_path, losses, frames, outputs):
    as_backward = scored(tmp_path / "a.txt", losses, frames, outputs)
    as_forward = scored(tmp_path / "b.txt", losses, frames, outputs, forward=True)
    exchanged = scored(tmp_path / "c.txt", losses, frames, [*outputs[1::-1], outputs[2]])
    assert as_forward["2"]["temporal"] != as_backward["2"]["temporal"]
    assert as_forward["2"]["temporal"] == exchanged["2"]["temporal"]


def test_a_run_that_goes_on_completes_the_table(tmp_path, losses, frames, outputs):
    whole = scored(tmp_path / "whole.txt", losses, frames, outputs)
    path = tmp_path / "parts.txt"
    scored(path, losses, frames, outputs, (1, 2))
    scores = FrameScores(path, losses, shifted_by_two, False, CPU)
    scores.previous = Stylized(2, frames[1], outputs[1], None)
    scores.add(Stylized(3, frames[2], outputs[2], None))
    assert table(path) == whole


def test_another_file_is_not_written_over(tmp_path, losses):
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n")
    with pytest.raises(BrushflowError, match="no table of this command's scores"):
        FrameScores(path, losses, shifted_by_two, False, CPU)
    assert path.read_text() == "my notes\n"


def test_a_run_that_begins_anew_forgets_the_table(tmp_path, losses, frames, outputs):
    path = tmp_path / "scores.txt"
    scored(path, losses, frames, outputs)
    scores = FrameScores(path, losses, None, False, CPU)
    scores.begin()
    scores.add(Stylized(1, frames[0], outputs[0], None))
    assert set(table(path)) == {"1", "mean"}
