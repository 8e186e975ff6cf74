"""All styles at once: every file is the one that a run in that style alone makes."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from brushflow.models import StyleModel, build
from brushflow.occlusion.motion import EstimatedMotion
from brushflow.pipeline import StylizeOptions, layers, preview, segments, stylize_video
from brushflow.pipeline.many_runs import stylize_in_styles
from brushflow.video import open_source, read_image, write_image


@pytest.fixture(scope="module")
def models(tiny_model_file, tmp_path_factory):
    torch.manual_seed(1)
    network = build("c3s1-8,d8,R8,U2,c3s1-3", padding_type="replicate").eval()
    path = tmp_path_factory.mktemp("other") / "other.safetensors"
    StyleModel(network, "other").save(path)
    return [str(tiny_model_file), str(path)]


@pytest.fixture(scope="module")
def clip(make_clip, drifting, tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", drifting(12), sound=True)


def stopped_after(clip, outputs, options, frames):
    stop = threading.Event()

    def end_after(stage, done, total):
        if stage == "stylize" and done >= frames:
            stop.set()

    with pytest.raises(KeyboardInterrupt):
        stylize_in_styles(open_source(clip), outputs, options, end_after, stop)


def test_each_file_is_that_of_its_style_also_after_a_stop(clip, models, tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 4)
    options = StylizeOptions(device="cpu", cuts="none")
    outputs = [(style, tmp_path / f"{number}.mp4") for number, style in enumerate(models)]
    stop, looked = threading.Event(), []

    def end_after(stage, done, total):
        if stage == "scan":
            looked.append(done)
        if stage == "stylize" and done >= 6:
            stop.set()

    with pytest.raises(KeyboardInterrupt):
        stylize_in_styles(open_source(clip), outputs, options, end_after, stop)
    reports = stylize_in_styles(open_source(clip), outputs, options, end_after)
    assert looked == list(range(1, 13))
    assert all(0 < report.painted < 12 and report.frames == 12 for report in reports)
    for style, output in outputs:
        alone = tmp_path / f"alone-{output.name}"
        stylize_video(clip, alone, replace(options, style=style))
        assert output.read_bytes() == alone.read_bytes()
    assert not list(tmp_path.glob("*.brushflow"))


def test_a_run_of_one_style_goes_on_with_what_all_have_left(clip, models, tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 4)
    options = StylizeOptions(device="cpu", cuts="none")
    outputs = [(style, tmp_path / f"{number}.mp4") for number, style in enumerate(models)]
    stopped_after(clip, outputs, options, 6)
    one = replace(options, style=models[1])
    report = stylize_video(clip, outputs[1][1], one)
    assert 0 < report.painted < 12
    stylize_video(clip, tmp_path / "alone.mp4", one)
    assert outputs[1][1].read_bytes() == (tmp_path / "alone.mp4").read_bytes()


def test_a_style_that_is_left_goes_on_as_it_would_alone(clip, models, tmp_path, monkeypatch):
    """With its mask, from what all have left, and a run of it alone goes on from there."""
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 4)
    height, width = next(iter(open_source(clip).read())).pixels.shape[:2]
    mask = np.zeros((height, width, 3), np.uint8)
    mask[:, width // 2 :] = 255
    write_image(tmp_path / "mask.png", mask)
    options = StylizeOptions(device="cpu", cuts="none", mask=str(tmp_path / "mask.png"))
    outputs = [(style, tmp_path / f"{number}.mp4") for number, style in enumerate(models)]
    stopped_after(clip, outputs, options, 5)
    stopped_after(clip, outputs[1:], options, 9)
    one = replace(options, style=models[1])
    report = stylize_video(clip, outputs[1][1], one)
    assert 0 < report.painted < 8
    stylize_video(clip, tmp_path / "alone.mp4", one)
    assert outputs[1][1].read_bytes() == (tmp_path / "alone.mp4").read_bytes()


def test_motion_is_found_once_for_all(clip, models, tmp_path, monkeypatch):
    asked = []
    real = EstimatedMotion.__call__

    def counted(self, frame, previous, index, executor):
        asked.append(index)
        return real(self, frame, previous, index, executor)

    monkeypatch.setattr(EstimatedMotion, "__call__", counted)
    outputs = [(style, tmp_path / f"{number}.mp4") for number, style in enumerate(models)]
    stylize_in_styles(open_source(clip), outputs, StylizeOptions(device="cpu", cuts="none"))
    assert sorted(asked) == list(range(1, 12))


def test_a_sheet_of_all_styles_has_a_row_of_each(clip, models, tmp_path, monkeypatch):
    for module in (layers, preview):
        monkeypatch.setattr(module, "available", lambda: models)
    monkeypatch.setattr("brushflow.pipeline.painter.available", lambda: models)
    everything = StylizeOptions(style="all", device="cpu", cuts="none")
    preview.preview(open_source(clip), tmp_path / "all.png", everything, 2)
    sheet = read_image(tmp_path / "all.png")
    height = 64
    assert len(sheet) == 3 * height
    for number, style in enumerate(models, 1):
        place = tmp_path / f"{number}.png"
        preview.preview(open_source(clip), place, replace(everything, style=style), 2)
        alone = read_image(place)
        assert np.array_equal(sheet[:height], alone[:height])
        assert np.array_equal(sheet[number * height : (number + 1) * height], alone[height:])


def test_the_command_makes_a_file_of_each_and_says_what_it_cannot(
    clip, models, tmp_path, run_command, monkeypatch
):
    for module in ("pipeline.layers", "pipeline.painter", "cli.stylizing"):
        monkeypatch.setattr(f"brushflow.{module}.available", lambda: models)
    arguments = [clip, "--style", "all", "--device", "cpu", "--end", "0.2", "--cuts", "none"]
    code, out, said = run_command(*arguments, "-o", f"{tmp_path / 'made'}/")
    assert code == 0, said
    names = sorted(path.name for path in (tmp_path / "made").iterdir())
    assert names == [f"clip.{style}.end-0.2.cuts-none.mp4" for style in ("other", "tiny")]
    for name in names:
        assert name in out
    code, out, _ = run_command(*arguments, "-o", f"{tmp_path / 'made'}/")
    assert code == 0
    assert out.count("was there") == 2
    for more in (["-o", tmp_path / "a.mp4"], ["--jobs", "2"], ["--style-at", "1:great-wave"]):
        code, _, said = run_command(*arguments, *more)
        assert code == 2
        assert "all" in said.lower()
