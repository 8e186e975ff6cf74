"""Which frames are compared: of whole results, and of those of a part."""

import numpy as np
import pytest

from brushflow.common.errors import UsageError
from brushflow.evaluation.video_pairs import Inputs

COUNT = 20


@pytest.fixture
def clips(save_frames, tmp_path):
    """Folders of frames that are numbered by their brightness; results are one level brighter."""
    frames = [np.full((16, 16, 3), 10 * number, np.uint8) for number in range(COUNT)]
    save_frames(tmp_path / "source", frames)
    for name, part in (
        ("whole", frames),
        ("from-5", frames[5:]),
        ("to-10", frames[:10]),
        ("part", frames[5:10]),
    ):
        save_frames(tmp_path / name, [frame + 1 for frame in part])
    return tmp_path


def numbers(clips, name, **trim):
    inputs = Inputs(clips / "source", {name: clips / name}, **trim)
    read = [[int(frame[0, 0, 0]) for frame in frames] for frames in inputs.read()]
    assert all(result == source + 1 for source, result in read)
    assert inputs.expected_frames == len(read)
    return [source // 10 for source, _ in read], inputs.first


@pytest.mark.parametrize("name", ["whole", "to-10", "part"])
def test_a_part_is_compared_with_that_part(clips, name):
    assert numbers(clips, name, start=0.2, end=0.4) == ([5, 6, 7, 8, 9], 5)


@pytest.mark.parametrize("name", ["whole", "from-5"])
def test_what_has_a_start_only_goes_on_to_the_end(clips, name):
    assert numbers(clips, name, start=0.2) == (list(range(5, COUNT)), 5)


def test_without_a_start_all_is_as_it_was(clips):
    assert numbers(clips, "whole") == (list(range(COUNT)), 0)
    assert numbers(clips, "to-10", end=0.4) == (list(range(10)), 0)


def test_a_result_of_another_length_is_told(clips):
    with pytest.raises(UsageError, match="has 10 frames but"):
        numbers(clips, "to-10")
    with pytest.raises(UsageError, match="must show frame k") as caught:
        numbers(clips, "to-10", start=0.2)
    assert caught.value.about == "part"
