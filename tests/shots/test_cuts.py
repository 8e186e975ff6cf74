"""Cuts are found where they are, and neither motion nor flashes pass for one."""

import cv2
import numpy as np
import pytest

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.shots.cuts import CutDetector, detect_cuts, read_cuts, scan_size, write_cuts
from brushflow.shots.gradual_transitions import Transition
from brushflow.video import open_source


def small(frames):
    return [cv2.resize(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), (96, 64)) for f in frames]


def test_hard_cuts_are_found_at_their_frame(drifting):
    frames = drifting(20) + drifting(15, picture="coffee") + drifting(12, picture="chelsea")
    assert detect_cuts(small(frames)) == [20, 35]


def test_cuts_close_together_do_not_hide_each_other(drifting):
    frames = drifting(10) + drifting(3, picture="coffee") + drifting(10, picture="chelsea")
    assert detect_cuts(small(frames)) == [10, 13]


def test_a_fast_camera_is_no_cut(drifting):
    assert detect_cuts(small(drifting(20, speed=15))) == []


def test_a_flash_and_a_fade_are_no_cuts(drifting):
    frames = small(drifting(20))
    frames[8] = np.clip(frames[8].astype(int) + 60, 0, 255).astype(np.uint8)
    for i in range(12, 20):
        frames[i] = (frames[i] * ((20 - i) / 9)).astype(np.uint8)
    assert detect_cuts(frames) == []


def test_few_or_still_frames_have_no_cuts():
    black = np.zeros((64, 96), np.uint8)
    assert detect_cuts([]) == detect_cuts([black]) == detect_cuts([black] * 9) == []


def test_lists_of_cuts_are_read(tmp_path):
    path = tmp_path / "cuts.txt"
    path.write_text("0\n12\n30, 31\n")
    assert read_cuts(path, 100) == [12, 30, 31]
    path.write_text(
        "Timecode List:,00:00:01.000\nScene Number,Start Frame,Start Timecode,End Frame\n"
        "1,1,00:00:00.000,25\n2,26,00:00:01.000,50\n"
    )
    assert read_cuts(path, 100) == [25]


def test_wrong_lists_of_cuts_are_refused(tmp_path):
    path = tmp_path / "cuts.txt"
    with pytest.raises(UsageError, match="no list of cuts"):
        read_cuts(path, 10)
    path.write_text("ten")
    with pytest.raises(BrushflowError, match="something else"):
        read_cuts(path, 10)
    path.write_text("12")
    with pytest.raises(BrushflowError, match="frame 12, but the video has frames 0 to 9"):
        read_cuts(path, 10)


@pytest.mark.slow
def test_real_clips_joined_are_parted_again(data_folder):
    frames, true_cuts = [], []
    for path in sorted((data_folder / "clips" / "val").glob("*.mp4")):
        source = open_source(path)
        shot = [cv2.resize(f.pixels, (96, 54)) for f in source.read(size=(96, 54), gray=True)]
        true_cuts.append(len(frames))
        frames += shot[:60]
    assert detect_cuts(frames) == true_cuts[1:]


def test_scans_are_small():
    assert scan_size(1920, 1080) == (96, 54)
    assert scan_size(40, 30) == (40, 30)


def kinds(frames):
    detector = CutDetector()
    for frame in frames:
        detector.add(frame)
    return [(one.kind, one.at) for one in detector.transitions()]


def mixed(before, after, length):
    """The last ``length`` frames of one shot mixed with the first of another."""
    shares = [(i + 1) / (length + 1) for i in range(length)]
    middle = [
        (a * (1 - share) + b * share).astype(np.uint8)
        for a, b, share in zip(before[-length:], after[:length], shares, strict=True)
    ]
    return before[:-length] + middle + after[length:]


@pytest.mark.parametrize("level", [0, 255])
def test_a_fade_through_a_flat_picture_is_one_cut(drifting, level):
    flat = [np.full((64, 96), level, np.uint8)] * 12
    before, after = small(drifting(30)), small(drifting(30, picture="coffee"))
    found = kinds(mixed(mixed(before, flat[:9] + flat, 9), after, 9))
    assert [kind for kind, _ in found] == ["fade"]
    assert abs(found[0][1] - 33) <= 4


def test_a_dissolve_is_one_cut_in_its_middle(drifting):
    frames = mixed(small(drifting(40)), small(drifting(40, picture="coffee")), 16)
    found = kinds(frames)
    assert [kind for kind, _ in found] == ["dissolve"]
    assert abs(found[0][1] - 32) <= 5


def test_a_jerk_of_the_camera_is_no_cut(drifting):
    before, after = small(drifting(2, speed=10))
    assert kinds([before] * 16 + [after] * 16) == []


def test_a_shot_that_fades_out_and_in_again_goes_on(drifting):
    flat = [np.zeros((64, 96), np.uint8)] * 20
    shot = small(drifting(40, speed=0))
    assert kinds(mixed(mixed(shot[:20], flat, 8), shot[:20], 8)) == []


def test_a_written_list_is_read_again(tmp_path):
    found = [Transition("cut", 12, 12, 12), Transition("dissolve", 20, 30, 25)]
    write_cuts(tmp_path / "cuts.csv", found, [i / 25 for i in range(40)])
    assert read_cuts(tmp_path / "cuts.csv", 40) == [12, 25]


def test_a_slow_pan_over_something_smooth_is_no_dissolve(drifting):
    frames = drifting(60, 320, 64)
    small = [
        cv2.cvtColor(
            cv2.resize(frame, scan_size(320, 64), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY
        )
        for frame in frames
    ]
    assert detect_cuts(small) == []
