"""EPE and Fl by hand, and the layouts of the datasets."""

import math

import cv2
import numpy as np
import pytest

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.evaluation.datasets import find_pairs
from brushflow.evaluation.flow_accuracy import end_point_error, flow_accuracy, outliers
from brushflow.flow import write_flo, write_kitti

SIZE = (6, 8)


def constant(u, v):
    return np.broadcast_to(np.float32([u, v]), (*SIZE, 2)).copy()


def picture(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*SIZE, 3), value, np.uint8))


def mask(path, columns):
    values = np.zeros(SIZE, np.uint8)
    values[:, columns] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), values)


def test_errors_and_outliers_by_hand():
    truth = constant(100, 0)
    errors = end_point_error(constant(103, 4), truth)
    assert errors == pytest.approx(5)
    assert not outliers(errors, truth).any()  # 5 of 100 is not more than 5 %
    assert outliers(errors + 0.01, truth).all()
    assert not outliers(np.full(SIZE, 2.9, np.float32), constant(1, 0)).any()


def estimator(frame, other):
    return constant(4, 0)


def test_sintel(tmp_path):
    for number in (1, 2, 3):
        picture(tmp_path / f"training/final/alley/frame_{number:04d}.png")
    (tmp_path / "training/flow/alley").mkdir(parents=True)
    for number in (1, 2):
        write_flo(tmp_path / f"training/flow/alley/frame_{number:04d}.flo", constant(-1, 0))
    mask(tmp_path / "training/occlusions/alley/frame_0001.png", slice(4, 8))
    mask(tmp_path / "training/invalid/alley/frame_0001.png", slice(6, 8))
    pairs = find_pairs(tmp_path)
    assert [pair.name for pair in pairs] == ["alley/frame_0001", "alley/frame_0002"]
    truth = pairs[0].read()
    assert truth.known.sum() == 36
    assert truth.visible[:, 1:4].all() and truth.visible.sum() == 18  # column 0 leaves the picture
    found = flow_accuracy(estimator, pairs)
    assert found.pairs == 2 and found.epe() == pytest.approx(5) and found.fl() == 100
    assert found.per_pair[0] == ("alley/frame_0001", pytest.approx(5))
    assert pairs[1].occluded is None


def test_a_frame_of_sintel_that_is_missing_is_named(tmp_path):
    picture(tmp_path / "final/alley/frame_0002.png")
    (tmp_path / "flow/alley").mkdir(parents=True)
    write_flo(tmp_path / "flow/alley/frame_0001.flo", constant(-1, 0))
    with pytest.raises(UsageError, match="frame_0001 is missing"):
        find_pairs(tmp_path)


def test_kitti(tmp_path):
    for number in (10, 11):
        picture(tmp_path / f"image_2/000000_{number}.png")
    known = np.ones(SIZE, bool)
    known[0] = False
    visible = known.copy()
    visible[:, 4:] = False
    flow = constant(4, 0)
    flow[:, 4:] = (4, 4)
    for name, valid in (("flow_occ", known), ("flow_noc", visible)):
        (tmp_path / name).mkdir()
        write_kitti(tmp_path / name / "000000_10.png", flow, valid)
    found = flow_accuracy(estimator, find_pairs(tmp_path))
    assert found.epe() == pytest.approx(2) and found.fl() == 50
    assert found.epe("visible") == 0 == found.fl("visible")


@pytest.mark.parametrize(
    "ends", [("-frame10.png", "-frame11.png", "-flow10.flo"), ("-img0.png", "-img1.png", "-gt.flo")]
)
def test_flat_folders(tmp_path, ends):
    for name in ("a", "b"):
        picture(tmp_path / f"{name}{ends[0]}")
        picture(tmp_path / f"{name}{ends[1]}")
        flow = constant(4, 3)
        flow[:3] = 1e10
        write_flo(tmp_path / f"{name}{ends[2]}", flow)
    pairs = find_pairs(tmp_path)
    assert [pair.name for pair in pairs] == ["a", "b"]
    found = flow_accuracy(estimator, pairs)
    assert found.epe() == pytest.approx(3)
    (tmp_path / f"b{ends[1]}").unlink()
    with pytest.raises(UsageError, match="is missing"):
        find_pairs(tmp_path)


@pytest.mark.parametrize("folder", ["", "data"])
@pytest.mark.parametrize("kind", ["auto", "chairs"])
def test_flying_chairs_by_its_own_names(tmp_path, folder, kind):
    for number in ("00001", "00002"):
        for end in ("img1", "img2"):
            picture(tmp_path / folder / f"{number}_{end}.ppm")
        write_flo(tmp_path / folder / f"{number}_flow.flo", constant(4, 3))
    pairs = find_pairs(tmp_path, kind)
    assert [pair.name for pair in pairs] == ["00001", "00002"]
    assert pairs[0].frame.name == "00001_img1.ppm" and pairs[0].other.name == "00001_img2.ppm"
    assert flow_accuracy(estimator, pairs).epe() == pytest.approx(3)


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no folder"):
        find_pairs(tmp_path / "absent")
    with pytest.raises(UsageError, match="no flow dataset"):
        find_pairs(tmp_path)
    assert math.isnan(flow_accuracy(estimator, []).epe())


def test_frames_and_flow_of_unlike_size_are_told(tmp_path):
    picture(tmp_path / "a-img0.png")
    picture(tmp_path / "a-img1.png")
    write_flo(tmp_path / "a-gt.flo", np.zeros((3, 4, 2), np.float32))
    with pytest.raises(BrushflowError, match="8×6 but its flow is 4×3"):
        flow_accuracy(estimator, find_pairs(tmp_path))
