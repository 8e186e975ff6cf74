import numpy as np
import pytest
from skimage import data


@pytest.fixture
def shifted():
    """A photograph and the same one moved by (dx, dy) whole pixels, cut to (height, width)."""

    def make(dx, dy, height=160, width=200):
        photo = data.astronaut()
        top, left = 100, 120
        frame = photo[top : top + height, left : left + width]
        other = photo[top - dy : top - dy + height, left - dx : left - dx + width]
        return np.ascontiguousarray(frame), np.ascontiguousarray(other)

    return make
