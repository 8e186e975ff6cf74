"""Prepared sequences hold what the videos show, and training draws from them."""

import json
import shutil

import numpy as np
import pytest
import torch

from brushflow.common.errors import BrushflowError
from brushflow.flow import read_kitti, warp, write_flo
from brushflow.scripts import make_video_dataset
from brushflow.tests import warm
from brushflow.training.data.prepare import (
    PrepareSettings,
    part_of,
    place_for,
    prepare_video,
    read_flowlist,
)
from brushflow.training.data.prepared import PreparedClips, find_sequences, is_prepared, read_strip
from brushflow.video import read_image, write_image

SETTINGS = PrepareSettings(length=3, side=64, per_video=2, flow="dis")


@pytest.fixture(scope="module")
def videos(tmp_path_factory, make_clip, drifting):
    folder = tmp_path_factory.mktemp("videos")
    make_clip(folder / "moving.mp4", drifting(9))
    make_clip(folder / "cut.mp4", drifting(4) + drifting(5, picture="coffee"))
    make_clip(folder / "still.mp4", drifting(9, speed=0))
    return folder


@pytest.fixture
def run(exit_code_of, monkeypatch, capsys):
    monkeypatch.setattr(make_video_dataset, "get_context", lambda _: warm.context())
    return lambda *arguments: (exit_code_of(make_video_dataset, *arguments), *capsys.readouterr())


def test_flow_carries_one_frame_to_the_next(videos, tmp_path):
    assert prepare_video(videos / "moving.mp4", tmp_path / "moving", SETTINGS) == 2
    for folder in tmp_path.glob("moving/0*"):
        strip = read_strip(folder, 0, 2)
        for before, frame, flow, certain in zip(
            strip.frames, strip.frames[1:], strip.flows, strip.maps, strict=False
        ):
            image = torch.from_numpy(before).permute(2, 0, 1)[None].float()
            warped = warp(image, torch.from_numpy(flow)[None])[0].permute(1, 2, 0).numpy()
            mask = certain > 0
            assert mask.mean() > 0.5
            assert (
                np.abs(warped - frame)[mask].mean()
                < 0.5 * np.abs(before.astype(float) - frame)[mask].mean()
            )


def test_sequences_do_not_cross_cuts_and_still_ones_are_left_out(videos, tmp_path):
    prepare_video(videos / "cut.mp4", tmp_path / "cut", SETTINGS)
    starts = sorted(int(folder.name) for folder in (tmp_path / "cut").glob("0*"))
    assert starts == [0, 4]
    assert prepare_video(videos / "still.mp4", tmp_path / "still", SETTINGS) == 0


def test_finished_videos_are_not_done_again_unless_settings_change(videos, tmp_path, monkeypatch):
    prepare_video(videos / "moving.mp4", tmp_path / "moving", SETTINGS)
    before = sorted(p.stat().st_mtime_ns for p in tmp_path.rglob("*.png"))
    prepare_video(videos / "moving.mp4", tmp_path / "moving", SETTINGS)
    assert sorted(p.stat().st_mtime_ns for p in tmp_path.rglob("*.png")) == before
    longer = PrepareSettings(length=4, side=64, per_video=1)
    assert prepare_video(videos / "moving.mp4", tmp_path / "moving", longer) == 1
    assert len(list(tmp_path.rglob("3.flow.png"))) == 1
    assert len(list(tmp_path.rglob("0.png"))) == 1


def test_an_interrupted_video_is_finished_by_the_next_run(videos, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    prepare_video(videos / "moving.mp4", whole, SETTINGS)
    shutil.copytree(whole, broken)
    (broken / "done.json").unlink()
    shutil.rmtree(next(broken.glob("0*")))
    prepare_video(videos / "moving.mp4", broken, SETTINGS)
    for path in whole.rglob("*.png"):
        assert path.read_bytes() == (broken / path.relative_to(whole)).read_bytes()


def test_the_part_is_decided_by_the_name():
    parts = [part_of(f"video{i}", 10) for i in range(500)]
    assert 25 < parts.count("val") < 80
    assert parts == [part_of(f"video{i}", 10) for i in range(500)]


def test_what_was_prepared_moves_when_the_share_for_validation_changes(tmp_path):
    name = next(f"video{i}" for i in range(500) if part_of(f"video{i}", 50) == "val")
    strip = place_for(name, tmp_path, 0) / "0000"
    strip.mkdir(parents=True)
    assert strip.parent == tmp_path / "train" / name
    assert place_for(name, tmp_path, 50) == tmp_path / "val" / name
    assert (tmp_path / "val" / name / "0000").is_dir()
    assert not (tmp_path / "train" / name).exists()
    place_for(name, tmp_path, 0)
    assert strip.is_dir() and not (tmp_path / "val" / name).exists()


@pytest.mark.slow
def test_the_command_names_bad_files_and_prepares_the_others(run, videos, tmp_path):
    sources, out = tmp_path / "sources", tmp_path / "out"
    shutil.copytree(videos, sources)
    (sources / "bad.mp4").write_bytes(b"no video")
    code, output, errors = run(
        sources, out, "--length", 3, "--side", 64, "--per-video", 2, "--val-percent", 0
    )
    assert code == 0 and "4 sequences" in output
    assert "bad.mp4" in output + errors and "1 of 4 videos" in errors
    assert is_prepared(out) and len(find_sequences(out, "train")) == 4
    sequence = PreparedClips(find_sequences(out, "train")).sequence(
        (48, 48), 2, np.random.default_rng(0)
    )
    assert [frame.shape for frame in sequence.frames] == [(3, 48, 48)] * 3


@pytest.fixture
def flowlist(tmp_path):
    """The layout of the original scripts: a tuple of three frames and one of two."""
    root = tmp_path / "lists"
    (root / "clip" / "flow").mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in (1, 2, 3, 7, 8):
        picture = random.integers(0, 255, (70, 90, 3)).astype(np.uint8)
        write_image(root / "clip" / f"frame_{number:04d}.png", picture)
    lines = []
    for a, b, prefix in ((1, 2, "s_"), (2, 3, ""), (7, 8, "s_")):
        for first, second in ((a, b), (b, a)):
            name = f"clip/flow/{prefix}{first:04d}_{second:04d}.flo"
            flow = np.full((70, 90, 2), second - first, np.float32)
            write_flo(root / name, flow)
            lines.append(f"clip/frame_{first:04d}.png clip/frame_{second:04d}.png {name}")
    (root / "flowlist.txt").write_text("\n".join(lines) + "\n")
    return root / "flowlist.txt"


def test_flow_lists_of_the_originals_are_read(run, flowlist, tmp_path):
    assert [len(pairs) for pairs in read_flowlist(flowlist)] == [2, 1]
    code, output, _ = run(flowlist, tmp_path / "out", "--from-flowlist", "--val-percent", 0)
    assert code == 0 and "2 sequences" in output
    folder = tmp_path / "out" / "train" / "clip" / "frame_0001"
    flow, valid = read_kitti(folder / "1.flow.png")
    assert (flow[valid] == -1).all()  # from the later frame to the earlier one
    assert valid[30, 40] and not valid[0, 0]
    later = read_image(folder / "1.png")
    assert np.array_equal(later, read_image(flowlist.parent / "clip" / "frame_0002.png"))


def test_wrong_lists_are_explained(run, tmp_path):
    (tmp_path / "flowlist.txt").write_text("only two\n")
    code, _, errors = run(tmp_path / "flowlist.txt", tmp_path / "out", "--from-flowlist")
    assert code == 1 and "line 1" in errors
    with pytest.raises(BrushflowError, match="cannot be read"):
        list(read_flowlist(tmp_path / "absent.txt"))
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty", tmp_path / "out")[0] == 2


def test_folders_of_frames_are_prepared_like_files(run, videos, drifting, tmp_path):
    frames = tmp_path / "frames"
    for name, speed in (("bear", 2), ("swan", 1)):
        (frames / name).mkdir(parents=True)
        for number, frame in enumerate(drifting(9, speed=speed)):
            write_image(frames / name / f"{number:05d}.png", frame)
    arguments = ("--side", 64, "--length", 3, "--per-video", 2, "--val-percent", 0, "--jobs", 1)
    assert run(frames, tmp_path / "out", *arguments)[0] == 0
    assert sorted(path.name for path in (tmp_path / "out" / "train").iterdir()) == ["bear", "swan"]
    code, out, _ = run(frames / "bear", tmp_path / "one", *arguments)
    assert code == 0 and out.startswith("2 sequences")
    one, of_many = (tmp_path / place / "train" / "bear" for place in ("one", "out"))
    assert {p.relative_to(one) for p in one.rglob("*")} == {
        p.relative_to(of_many) for p in of_many.rglob("*")
    }
    assert np.array_equal(read_image(one / "000000" / "0.png"), drifting(9)[0])


def test_the_marker_names_the_video(videos, tmp_path):
    prepare_video(videos / "moving.mp4", tmp_path / "moving", SETTINGS)
    assert json.loads((tmp_path / "moving" / "done.json").read_text())["video"] == "moving.mp4"
