"""Flow files of a clip: complete, named as in the original, kept when there already."""

from functools import partial

import cv2
import numpy as np
import pytest
from skimage import data

from brushflow.flow import read_flo
from brushflow.occlusion import read_pgm, reliability
from brushflow.scripts.original import compute_flow

SHIFT = (3, -2)


@pytest.fixture
def run(exit_code_of):
    """Run the command; returns its exit code."""
    return partial(exit_code_of, compute_flow)


@pytest.fixture
def clip(tmp_path):
    """Four frames of a photograph that moves by SHIFT, frame_00001.png and on."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(4):
        top, left = 100 - SHIFT[1] * i, 120 - SHIFT[0] * i
        picture = data.astronaut()[top : top + 96, left : left + 128, ::-1]
        cv2.imwrite(str(folder / f"frame_{i + 1:05d}.png"), picture)
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


EXPECTED = sorted(
    name
    for i, j in [(2, 1), (3, 2), (4, 3)]
    for name in (
        f"backward_{i}_{j}.flo",
        f"forward_{j}_{i}.flo",
        f"reliable_{i}_{j}.pgm",
        f"reliable_{j}_{i}.pgm",
    )
)


def test_every_pair_gets_its_four_files(run, clip, tmp_path):
    out = tmp_path / "new" / "flow"
    assert run(clip, out) == 0
    assert names(out) == EXPECTED
    forward, backward = read_flo(out / "forward_1_2.flo"), read_flo(out / "backward_2_1.flo")
    assert np.median(np.linalg.norm(forward - SHIFT, axis=2)) < 0.5
    assert np.median(np.linalg.norm(backward + np.array(SHIFT), axis=2)) < 0.5
    for flow, reverse, name, picture in (
        (backward, forward, "reliable_2_1.pgm", "frame_00002.png"),
        (forward, backward, "reliable_1_2.pgm", "frame_00001.png"),
    ):
        frame = cv2.imread(str(clip / picture))[..., ::-1]
        assert np.array_equal(read_pgm(out / name), reliability(flow, reverse, frame))


def test_a_pattern_keeps_the_numbers_of_the_frames(run, clip, tmp_path):
    (clip / "frame_00001.png").unlink()
    (clip / "frame_7.png").write_bytes(b"of no interest: not padded")
    assert run(clip / "frame_%05d.png", tmp_path / "flow", "--occlusion", "slow") == 0
    assert names(tmp_path / "flow") == [name for name in EXPECTED if "1" not in name]
    soft = read_pgm(tmp_path / "flow" / "reliable_3_2.pgm")
    assert ((soft > 0) & (soft < 1)).any()


def test_the_result_does_not_depend_on_the_number_of_jobs(run, clip, tmp_path):
    for jobs in (1, 3):
        assert run(clip, tmp_path / f"flow{jobs}", "--jobs", jobs) == 0
    for name in EXPECTED:
        one, three = (tmp_path / f"flow{jobs}" / name for jobs in (1, 3))
        assert one.read_bytes() == three.read_bytes()


def test_files_that_are_there_are_kept(run, clip, tmp_path):
    out = tmp_path / "flow"
    assert run(clip, out) == 0
    content = {name: (out / name).read_bytes() for name in EXPECTED}
    lost = ["forward_2_3.flo", "reliable_2_1.pgm"]
    for name in lost:
        (out / name).unlink()
    times = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert run(clip, out) == 0
    assert {name: (out / name).read_bytes() for name in names(out)} == content
    for name in times:
        assert (out / name).stat().st_mtime_ns == times[name]


def test_flow_of_other_frames_is_not_used(run, clip, tmp_path, capsys):
    out = tmp_path / "flow"
    assert run(clip, out) == 0
    (out / "reliable_2_1.pgm").unlink()
    for path in clip.iterdir():
        cv2.imwrite(str(path), cv2.imread(str(path))[:80])
    assert run(clip, out) == 1
    assert "backward_2_1.flo is 128×96 but the frames are 128×80" in capsys.readouterr().err


def test_a_capped_size_gives_full_fields(run, clip, tmp_path):
    assert run(clip, tmp_path / "flow", "--flow-size", 64, "--flow", "dis-fast") == 0
    assert read_flo(tmp_path / "flow" / "forward_1_2.flo").shape == (96, 128, 2)


def test_a_missing_frame_is_named(run, clip, tmp_path, capsys):
    (clip / "frame_00002.png").unlink()
    assert run(clip / "frame_%05d.png", tmp_path / "flow") == 1
    assert "frame_00002.png is missing" in capsys.readouterr().err
    assert not (tmp_path / "flow").exists()


def test_a_broken_frame_is_named(run, clip, tmp_path, capsys):
    broken = clip / "frame_00003.png"
    broken.write_bytes(broken.read_bytes()[:20])
    assert run(clip, tmp_path / "flow", "--jobs", 1) == 1
    assert "frame_00003.png" in capsys.readouterr().err
    assert set(names(tmp_path / "flow")) < set(EXPECTED)


def test_a_frame_of_another_size_is_named(run, clip, tmp_path, capsys):
    cv2.imwrite(str(clip / "frame_00003.png"), np.zeros((90, 128, 3), np.uint8))
    assert run(clip, tmp_path / "flow", "--jobs", 1) == 1
    assert "frame_00003.png is 128×90" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["absent_%05d.png", "flow"], "stands for no pictures"),
        (["frames/frame_00001.png", "flow"], "single frame"),
        (["frames", "flow", "--flow", "diss"], "did you mean 'dis'"),
        (["frames", "frames/frame_00001.png"], "is a file"),
        (["frames", "flow", "--flow-weights", "a.pth"], "takes no weights"),
    ],
)
def test_wrong_requests_exit_with_2(run, clip, tmp_path, capsys, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    assert sentence in capsys.readouterr().err
