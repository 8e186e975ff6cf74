"""The command: reports for videos of any program, accuracy of flow estimators."""

import json

import cv2
import numpy as np
import pytest
from skimage import data

from brushflow.flow import write_flo
from brushflow.scripts import evaluate


@pytest.fixture
def run(exit_code_of, capsys):
    """Run the command: (exit code, stdout, stderr)."""
    return lambda *arguments: (exit_code_of(evaluate, *arguments), *capsys.readouterr())


@pytest.fixture
def clips(drifting, make_clip, tmp_path):
    frames = drifting(10)
    make_clip(tmp_path / "clip.mp4", frames)
    make_clip(tmp_path / "painted.mp4", [255 - frame for frame in frames])
    (tmp_path / "alone").mkdir()
    for i, frame in enumerate(frames):
        brighter = np.clip(frame[..., ::-1].astype(int) + 15 * (i % 2), 0, 255)
        cv2.imwrite(str(tmp_path / f"alone/{i}.png"), brighter)
    return tmp_path


def test_a_report_of_videos_and_folders(run, clips):
    options = ("--ceiling", clips / "alone", "--distances", "1,2", "-o", clips / "report")
    code, out, _ = run("video", clips / "clip.mp4", clips / "painted.mp4", *options)
    assert code == 0
    assert "E_warp, 2 frames apart" in out and "report.html" in out
    sentence, head = out.splitlines()[:2]
    assert sentence.startswith("painted ") and sentence.endswith(".") and "source" in sentence
    assert head.split() == ["clip.mp4", "painted", "alone"]
    stored = json.loads((clips / "report/metrics.json").read_text(encoding="utf-8"))
    assert [video["role"] for video in stored["videos"]] == ["floor", "result", "ceiling"]
    assert stored["frames"] == 10 and stored["settings"]["cuts"] == []
    assert "<video" in (clips / "report/report.html").read_text(encoding="utf-8")


def test_a_part_of_the_videos_is_measured(run, clips):
    arguments = ("video", clips / "clip.mp4", clips / "painted.mp4", "-o", clips / "report")
    code, _, _ = run(*arguments, "--start", "0:00.08", "--end", "0.32", "--distances", "1")
    stored = json.loads((clips / "report/metrics.json").read_text(encoding="utf-8"))
    assert code == 0 and stored["frames"] == 6
    assert (stored["settings"]["start"], stored["settings"]["end"]) == (0.08, 0.32)
    for wrong in (("--start", "1", "--end", "1"), ("--start", "9"), ("--end", "0")):
        code, _, error = run(*arguments, *wrong)
        assert code == 2 and "Traceback" not in error, wrong


def test_the_weights_make_more_rows(run, clips, loss_weights):
    cv2.imwrite(str(clips / "style.png"), data.coffee()[:96, :128])
    code, out, _ = run(
        *("video", clips / "clip.mp4", clips / "painted.mp4", "--distances", "1"),
        *("--style", clips / "style.png", "--loss-weights", loss_weights, "--no-videos"),
        *("--cuts", "none", "--end", "0.2", "-o", clips / "report"),
    )
    assert code == 0
    assert "Content loss" in out and "Style loss" in out


def test_lpips_by_two_files(run, clips, data_folder):
    weights = data_folder / "weights"
    files = [
        weights / name
        for name in ("squeezenet1_1-imagenet-fp16.safetensors", "lpips-v0.1-squeeze-linear.pth")
    ]
    code, out, _ = run(
        *("video", clips / "clip.mp4", clips / "painted.mp4", "--distances", "1", "--no-videos"),
        *("--lpips", ",".join(map(str, files)), "--end", "0.2", "-o", clips / "report"),
    )
    assert code == 0
    (line,) = (line.split() for line in out.splitlines() if line.startswith("LPIPS"))
    assert float(line[-2]) == 0 < float(line[-1])


def test_wrong_use_is_one_sentence(run, clips):
    source, painted = clips / "clip.mp4", clips / "painted.mp4"
    for arguments, message in (
        ((source, clips / "absent.mp4"), "no file"),
        ((source, painted, painted), "named twice"),
        ((source, painted, "--distances", "0"), "frame distances"),
        ((source, painted, "--style", clips / "x.png"), "--loss-weights"),
        ((source, painted, "--fps", "none"), "frame rate"),
        ((source, painted, "--truth", clips), "no true flow of 'clip.mp4'"),
        ((source, clips / "alone/0.png"), "has 1 frame but"),
    ):
        code, _, err = run("video", *arguments, "-o", clips / "report")
        assert code == 2, arguments
        assert message in err and "Traceback" not in err
    assert not (clips / "report").exists()


def test_names_are_short_but_different():
    assert list(evaluate.named_results(["a/x.mp4", "b.y/z"])) == ["x", "z"]
    assert list(evaluate.named_results(["a/x.mp4", "b/x.mp4"])) == ["a/x", "b/x"]
    assert list(evaluate.named_results(["x.mp4", "x.mkv"])) == ["x.mp4", "x.mkv"]
    assert list(evaluate.named_results(["a/x.mp4", "x.mp4"])) == ["a/x", "x"]


def test_accuracy_of_estimators(run, tmp_path):
    photo = data.astronaut()[..., ::-1]
    for i, shift in enumerate((2, 4)):
        cv2.imwrite(str(tmp_path / f"{i}-img0.png"), photo[80:160, 100:220])
        cv2.imwrite(str(tmp_path / f"{i}-img1.png"), photo[80:160, 100 - shift : 220 - shift])
        flow = np.zeros((80, 120, 2), np.float32)
        flow[..., 0] = shift
        write_flo(tmp_path / f"{i}-gt.flo", flow)
    names = ("--flow", "dis", "--flow", "farneback", "-o", tmp_path / "flow.json")
    code, out, _ = run("flow", tmp_path, *names)
    assert code == 0
    lines = {line.split()[0]: line.split() for line in out.splitlines()}
    assert float(lines["dis"][1]) < 0.5 and "2 pairs" in out
    stored = json.loads((tmp_path / "flow.json").read_text(encoding="utf-8"))
    assert set(stored["estimators"]) == {"dis", "farneback"}
    assert stored["estimators"]["dis"]["epe_all"] == pytest.approx(float(lines["dis"][1]), abs=1e-3)
    code, out, _ = run("flow", tmp_path, "--limit", "1")
    assert code == 0 and "1 pair of" in out
    code, _, err = run("flow", tmp_path / "absent")
    assert code == 2 and "no folder" in err
