import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def save_frames():
    """Write frames as PNGs into a folder, frame_0001.png and on; return the folder."""

    def save(folder, frames):
        folder.mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(frames, 1):
            cv2.imwrite(str(folder / f"frame_{number:04d}.png"), frame[..., ::-1])
        return folder

    return save


@pytest.fixture
def uniform():
    """A picture of one grey level, uint8 (H, W, 3)."""

    def make(level, height=8, width=10):
        return np.full((height, width, 3), level, np.uint8)

    return make
