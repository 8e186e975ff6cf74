"""Memory that does not suffice: once on smaller motion, else a sentence; never a frame less."""

import multiprocessing.util
import sys
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import partial
from types import SimpleNamespace

import cv2
import pytest
import torch

from brushflow.cli.advice import advised
from brushflow.common.errors import BrushflowError
from brushflow.pipeline import StylizeOptions, painter, resources, stylize_video
from brushflow.pipeline.preview import stylize_image
from brushflow.pipeline.stylizer import Stylizer
from brushflow.video import open_source, write_image

with suppress(ImportError):
    import resource  # not on Windows

pytestmark = pytest.mark.usefixtures("short_segments")


def opencv_is_out_of_memory():
    """What OpenCV raises where an allocation fails."""
    error = cv2.error("(-4:Insufficient memory) Failed to allocate 99999999999 bytes")
    error.code = cv2.Error.StsNoMem
    return error


# Of the kinds that there are; by which words they are known is tests/common/test_memory.py's.
ERRORS = [
    MemoryError(),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    opencv_is_out_of_memory(),
]


@pytest.fixture
def clip(make_clip, drifting, tmp_path):
    return make_clip(tmp_path / "clip.mp4", drifting(10, 320, 64))


@pytest.fixture
def options(tiny_model_file):
    return StylizeOptions(style=str(tiny_model_file), device="cpu")


@pytest.fixture
def hungry_flow(monkeypatch):
    """Motion that memory suffices for only up to a size, after some frames; returns the sizes."""
    sizes = []
    load = painter.load_estimator

    def install(error, most, after=0):
        def hungry(name, device, weights):
            estimate = load(name, device, weights)
            calls = []

            def estimator(frame, other):
                if not calls:
                    sizes.append(max(frame.shape))
                calls.append(1)
                if max(frame.shape) > most and len(calls) > after:
                    raise error
                return estimate(frame, other)

            return estimator

        monkeypatch.setattr(painter, "load_estimator", hungry)
        return sizes

    return install


def count(path):
    return sum(1 for _ in open_source(path).read(size=(16, 16), gray=True))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_motion_falls_back_to_a_smaller_size_once(error, hungry_flow, clip, options, tmp_path):
    sizes = hungry_flow(error, 200)
    report = stylize_video(clip, tmp_path / "out.mp4", options)
    assert sizes == [320, 160]
    assert report.frames == report.painted == count(report.output) == 10
    assert any("after frame 0 it was found at 160 pixels" in note for note in report.notes)


def test_what_was_painted_before_is_kept(hungry_flow, clip, options, tmp_path):
    hungry_flow(MemoryError(), 200, after=16)
    report = stylize_video(clip, tmp_path / "out.mp4", options)
    assert any("after frame 6 " in note for note in report.notes)
    assert report.frames == count(report.output) == 10


def test_a_second_shortage_stops_and_names_the_size_to_try(hungry_flow, clip, options, tmp_path):
    sizes = hungry_flow(MemoryError(), 100)
    with pytest.raises(BrushflowError, match="frames of 320×64") as caught:
        stylize_video(clip, tmp_path / "out.mp4", options)
    assert sizes == [320, 160]
    assert (caught.value.about, caught.value.value) == ("smaller_anew", 160)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("error", ERRORS[:2], ids=lambda error: type(error).__name__)
def test_a_network_without_memory_stops_and_names_the_size_to_try(
    error, clip, options, monkeypatch, tmp_path
):
    paint = Stylizer._next_state

    def hungry(self, index, *arguments):
        if index == 8:
            raise error
        return paint(self, index, *arguments)

    monkeypatch.setattr(Stylizer, "_next_state", hungry)
    with pytest.raises(BrushflowError, match="frames of 320×64") as caught:
        stylize_video(clip, tmp_path / "out.mp4", options)
    assert "--max-size 160 makes" in advised(caught.value)
    assert not (tmp_path / "out.mp4").exists()
    monkeypatch.undo()
    report = stylize_video(clip, tmp_path / "out.mp4", options)
    assert report.frames == count(report.output) == 10


def test_other_errors_are_not_taken_for_it(hungry_flow, clip, options, tmp_path):
    hungry_flow(RuntimeError("shapes do not fit"), 200)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        stylize_video(clip, tmp_path / "out.mp4", options)
    assert not (tmp_path / "out.mp4").exists()


def test_a_picture_without_memory_is_told_a_size_and_no_restart(
    drifting, options, monkeypatch, tmp_path
):
    def starved(*arguments):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(Stylizer, "_next_state", starved)
    write_image(tmp_path / "p.png", drifting(1, 320, 64)[0])
    with pytest.raises(BrushflowError, match="frames of 320×64") as caught:
        stylize_image(open_source(tmp_path / "p.png"), tmp_path / "out.png", options)
    told = advised(caught.value)
    assert "--max-size 160 makes" in told and "--restart" not in told


@pytest.mark.parametrize("face_size", [None, 64])
def test_a_shortage_is_foreseen(face_size, clip, tiny_model_file, tmp_path, monkeypatch, caplog):
    """In flat frames, and in faces, all six of which are painted at once."""
    options = StylizeOptions(style=str(tiny_model_file), device="cpu", end=Fraction(1, 5))
    info = open_source(clip).info
    pixels = info.width * info.height
    if face_size:
        options = replace(options, spherical="equirect", face_size=face_size)
        pixels = 6 * face_size**2
    for free, told in ((1, True), (0, False)):
        free = resources.memory_to_paint(pixels) - free
        monkeypatch.setattr(resources, "available_memory", lambda free=free: free)
        caplog.clear()
        stylize_video(clip, tmp_path / f"{free}.mp4", options)
        about = [getattr(record, "about", None) for record in caplog.records]
        assert (("face_size" if face_size else "max_size") in about) == told


def test_what_a_process_takes_is_of_what_is_painted(clip, tiny_model_file):
    """Of a large frame at its stroke, of all faces of a sphere, and of every style."""
    source = open_source(clip)
    info = replace(source.info, width=3840, height=2160)
    large = SimpleNamespace(info=info)
    options = StylizeOptions(style=str(tiny_model_file), device="cpu")
    plain = resources.memory_of_process(large, replace(options, stroke=1.0))
    assert plain == resources.memory_to_paint(3840 * 2160)
    shown = resources.memory_of_process(large, options)
    assert shown == resources.memory_to_paint(854 * 480, 3840 * 2160)
    assert 2e9 < shown < plain / 4
    two = replace(options, style_outside=str(tiny_model_file), mask="mask.png")
    assert resources.memory_of_process(large, two) - shown == pytest.approx(854 * 480 * 1170)
    faces = replace(options, spherical="equirect", face_size=64)
    assert resources.memory_of_process(source, faces) == resources.memory_to_paint(6 * 64 * 64)


def tell_most_memory(path):
    """Write into a file, when this process ends, how much memory it has had at the most."""

    def tell():
        path.write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))

    multiprocessing.util.Finalize(None, tell, exitpriority=1)


@pytest.mark.slow
def test_many_frames_take_the_memory_of_few(
    drifting, make_clip, tiny_model_file, start_command, tmp_path
):
    pytest.importorskip("resource")
    frames = drifting(12, width=192, height=144, speed=3)
    there_and_back = frames + frames[::-1]
    peaks = []
    for count in (72, 216):
        source = make_clip(tmp_path / f"{count}.mp4", there_and_back * (count // 24))
        most = tmp_path / f"{count}.txt"
        command = start_command(
            *("stylize_video.py", source, "--style", tiny_model_file, "--device", "cpu"),
            *("--quiet", "--preset", "ultrafast", "-o", tmp_path / f"{count}.out.mp4"),
            prepare=partial(tell_most_memory, most),
        )
        _, err = command.communicate()
        assert command.returncode == 0, err
        peaks.append(int(most.read_text()))
    # Or all the others were held, be it as the bytes they were decoded to.
    unit = 1 if sys.platform == "darwin" else 1024
    assert unit * (peaks[1] - peaks[0]) < 0.9 * 144 * frames[0].nbytes, peaks
