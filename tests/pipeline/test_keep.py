"""What is kept of a frame lies on the frame's grid, whatever size motion was found at."""

import numpy as np

from brushflow.flow import read_flo
from brushflow.pipeline.keep import keep
from brushflow.pipeline.motion import EstimatedMotion
from brushflow.pipeline.stylizer import Stylized


def test_both_directions_are_kept_in_the_frames_size(tmp_path):
    def estimator(frame, other):
        return np.full((*frame.shape[:2], 2), frame.mean(), np.float32)

    frame, previous = (np.full((400, 640, 3), level, np.uint8) for level in (2, 3))
    motion = EstimatedMotion(estimator)(frame, previous, 1, None)
    keep(tmp_path, ["flow", "reliability"], Stylized(1, frame, None, motion), frame, 1)
    for name, value in (("backward_2_1.flo", 4), ("forward_1_2.flo", 6)):
        flow = read_flo(tmp_path / name)
        assert flow.shape == (400, 640, 2)
        assert np.all(
            flow[8:-8, 8:-8] == value
        )  # pixels of a frame twice the size that motion was found at
