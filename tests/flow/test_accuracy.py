"""How far estimated flow is from the truth, on real data that is not part of the project."""

import cv2
import numpy as np
import pytest

from brushflow.flow import load_estimator, read_flo


def error_on_chairs(estimator, data_folder):
    """Mean end-point error in pixels over the FlyingChairs pairs."""
    folder = data_folder / "flow/chairs"
    errors = []
    for truth in sorted(folder.glob("*-gt.flo")):
        frame, other = (
            cv2.cvtColor(cv2.imread(str(truth).replace("gt.flo", name)), cv2.COLOR_BGR2RGB)
            for name in ("img0.png", "img1.png")
        )
        difference = estimator(frame, other) - read_flo(truth)
        errors.append(np.linalg.norm(difference, axis=2).mean())
    assert errors
    return np.mean(errors)


@pytest.mark.parametrize(("name", "most"), [("dis", 3.0), ("dis-fast", 4.0)])
def test_dis_on_chairs(name, most, data_folder):
    assert error_on_chairs(load_estimator(name), data_folder) < most


@pytest.mark.slow
def test_raft_with_the_authors_weights_on_chairs(data_folder):
    estimator = load_estimator("raft-small", weights=data_folder / "weights/raft-small.pth")
    assert error_on_chairs(estimator, data_folder) < 1.7
