"""What is shown is the flow and the reliability of the video's own frames."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from brushflow.scripts import view_flow
from brushflow.video import open_source, read_image, write_image


@pytest.fixture
def run(exit_code_of, capsys):
    def start(*arguments):
        code = exit_code_of(view_flow, *arguments)
        said = capsys.readouterr()
        start.out = said.out
        return code, said.err

    return start


@pytest.fixture
def clip(tmp_path, make_clip, drifting):
    return make_clip(tmp_path / "clip.mp4", drifting(5))


def test_a_video_of_three_panels_with_the_clips_timestamps(run, clip, tmp_path):
    assert run(clip, "-o", tmp_path / "flow.mp4")[0] == 0
    assert run.out == f"Wrote {tmp_path / 'flow.mp4'}: 4 frames.\n"
    shown = list(open_source(tmp_path / "flow.mp4").read())
    source = list(open_source(clip).read())
    assert [f.pixels.shape for f in shown] == [(64, 3 * 96, 3)] * 4
    assert len({b.pts - a.pts for a, b in pairwise(shown)}) == 1
    assert np.abs(shown[0].pixels[:, :96].astype(float) - source[1].pixels).mean() < 5
    assert not list(tmp_path.glob(".*"))


def test_a_camera_that_drifts_right_is_one_colour_and_its_right_edge_unreliable(
    run, clip, tmp_path
):
    assert run(clip, "-o", tmp_path / "sheet.png", "--moments", 2)[0] == 0
    assert run.out == f"Wrote {tmp_path / 'sheet.png'}: 2 moments.\n"
    sheet = read_image(tmp_path / "sheet.png").astype(int)
    assert sheet.shape == (128, 3 * 96, 3)
    # What lies to the right now was further right before: backward flow +x, which is red.
    flow = sheet[10:50, 96 + 10 : 96 + 60]
    assert np.median(flow[..., 0]) > 200
    assert np.median(flow[..., 1]) < 150 and np.median(flow[..., 2]) < 150
    change = np.abs(sheet[:64, 192:] - sheet[:64, :96]).sum(axis=2)
    assert np.median(change[:, -2:]) > 100  # marked red
    assert np.median(change[10:50, 10:80]) == 0


def test_a_part_is_shown_from_its_beginning(run, make_clip, drifting, tmp_path):
    clip = make_clip(tmp_path / "clip.mp4", drifting(12))
    source = [frame.pixels.astype(float) for frame in open_source(clip).read()]
    part = ("--start", "0.2", "--end", "0.36")
    assert run(clip, "-o", tmp_path / "flow.mkv", *part)[0] == 0
    shown = open_source(tmp_path / "flow.mkv")
    frames = list(shown.read())
    assert len(frames) == 3
    assert float(frames[0].pts * shown.info.time_base) == pytest.approx(0.04, abs=0.001)
    for number, frame in enumerate(frames, 6):
        assert np.abs(frame.pixels[:, :96] - source[number]).mean() < 5
    assert run(clip, "-o", tmp_path / "sheet.png", *part, "--moments", 1)[0] == 0
    sheet = read_image(tmp_path / "sheet.png")
    assert np.abs(sheet[:, :96] - source[7]).mean() < 5
    for wrong in (("--start", "0.44"), ("--start", "9"), ("--end", "0.04")):
        for name in ("none.mkv", "none.png"):
            code, error = run(clip, "-o", tmp_path / name, *wrong)
            assert code == 2 and "fewer than two frames" in error
    assert not list(tmp_path.glob("*none*"))


def test_a_frame_rate_that_nobody_knows_is_not_needed(run, clip, tmp_path, monkeypatch):
    source = open_source(clip)
    source.info = replace(source.info, frame_rate=None)
    monkeypatch.setattr(view_flow, "open_source", lambda path: source)
    assert run(clip, "-o", tmp_path / "flow.mp4")[0] == 0
    assert len(list(open_source(tmp_path / "flow.mp4").read())) == 4


def test_one_frame_has_no_motion(run, tmp_path):
    write_image(tmp_path / "a.png", np.zeros((40, 40, 3), np.uint8))
    code, error = run(tmp_path / "a.png", "-o", tmp_path / "sheet.png")
    assert code == 2 and "one frame only" in error


def test_the_source_is_not_overwritten(run, clip):
    before = clip.read_bytes()
    code, err = run(clip, "-o", clip)
    assert code == 2 and "is the source itself" in err
    assert clip.read_bytes() == before
