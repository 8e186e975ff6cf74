"""Plain pixels come back as they were, in the order of the video, and all of them or none."""

import errno

import numpy as np
import pytest

from brushflow.common.errors import BrushflowError
from brushflow.video import read_pixels, writing_pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("backward", [False, True])
def test_frames_come_back_in_the_order_of_the_video(tmp_path, dtype, backward):
    random = np.random.default_rng(0)
    frames = list(random.integers(0, 256, (3, 4, 5, 3)).astype(dtype))
    path = tmp_path / "a.rgb"
    with writing_pixels(path, len(frames), backward) as write:
        for frame in frames[::-1] if backward else frames:
            write(frame)
    back = list(read_pixels(path, (4, 5, 3), np.dtype(dtype)))
    assert np.array_equal(back, frames)


def test_what_fails_inside_is_told_as_it_is_and_leaves_nothing(tmp_path):
    failure = OSError(errno.ENOSPC, "somebody else's disk")
    with (
        pytest.raises(OSError, match="somebody else's") as caught,
        writing_pixels(tmp_path / "a.rgb", 1),
    ):
        raise failure
    assert caught.value is failure
    assert not list(tmp_path.iterdir())


def test_a_place_that_does_not_exist_is_a_sentence(tmp_path):
    path = tmp_path / "none" / "a.rgb"
    with (
        pytest.raises(BrushflowError, match=f"{path} could not be written"),
        writing_pixels(path, 1),
    ):
        raise AssertionError
