"""The list is one that --cuts reads, the sheet shows a row for every change."""

import signal

import numpy as np
import pytest

from brushflow.scripts import find_cuts
from brushflow.scripts.lab import evaluate_cuts
from brushflow.shots.cuts import read_cuts
from brushflow.shots.gradual_transitions import Transition
from brushflow.video import read_image


@pytest.fixture
def run(exit_code_of, capsys):
    return lambda script, *arguments: (exit_code_of(script, *arguments), *capsys.readouterr())


def test_a_list_and_a_sheet(run, make_clip, drifting, tmp_path):
    clip = make_clip(tmp_path / "clip.mp4", drifting(14) + drifting(14, picture="coffee"))
    code, out, err = run(find_cuts, clip, "--sheet", tmp_path / "sheet.png")
    assert code == 0, err
    assert "2 shots in 28 frames (1 hard cut," in out
    assert read_cuts(tmp_path / "clip.cuts.csv", 28) == [14]
    assert read_image(tmp_path / "sheet.png").shape == (64 + 16, 6 * 98, 3)


def test_a_list_with_corrections_is_not_overwritten(run, make_clip, drifting, tmp_path):
    clip = make_clip(tmp_path / "clip.mp4", drifting(14))
    corrected = tmp_path / "clip.cuts.csv"
    corrected.write_text("7")
    code, _, err = run(find_cuts, clip)
    assert code == 2 and "--restart" in err and corrected.read_text() == "7"
    assert run(find_cuts, clip, "--restart")[0] == 0 and corrected.read_text() != "7"


def test_an_interrupted_search_writes_no_list(run, make_clip, drifting, tmp_path, monkeypatch):
    clip = make_clip(tmp_path / "clip.mp4", drifting(14))
    add = find_cuts.CutDetector.add

    def interrupted(self, frame):
        signal.raise_signal(signal.SIGINT)
        add(self, frame)

    monkeypatch.setattr(find_cuts.CutDetector, "add", interrupted)
    code, _, err = run(find_cuts, clip)
    assert code == 130 and "no list was written" in err
    assert not (tmp_path / "clip.cuts.csv").exists()


def test_a_sheet_of_many_cuts_has_columns(monkeypatch):
    monkeypatch.setattr(find_cuts, "_TALLEST", 3 * (20 + 16))
    frames = [np.full((20, 30), i, np.uint8) for i in range(40)]
    found = [Transition("cut", at, at, at) for at in (10, 15, 20, 25, 30)]
    sheet = find_cuts._sheet(frames, found)
    assert sheet.shape == (3 * (20 + 16), 2 * 6 * 32, 3)
    assert sheet[-1, -10, 0] == 255 and (sheet[20, 6 * 32 + 3 * 32 + 5] == 25).all()


def test_joined_clips_are_scored(run, make_clip, drifting, tmp_path):
    for name in ("astronaut", "coffee", "chelsea"):
        make_clip(tmp_path / f"{name}.mp4", drifting(50, picture=name, speed=1))
    code, out, err = run(evaluate_cuts, tmp_path, "--films", 2)
    assert code == 0, err
    assert out.splitlines()[-1].split()[:2] == ["all", "4"]
    assert float(out.splitlines()[-1].split()[-1]) > 0.8
    code, _, err = run(evaluate_cuts, tmp_path, "--without", "coffee", "--without", "chelsea")
    assert code == 2 and "fewer than two" in err
