"""It never falls behind, keys do what they say, and a recording is whole whatever ends it."""

import itertools
import threading
from fractions import Fraction
from types import SimpleNamespace
from unittest.mock import Mock

import av
import numpy as np
import pytest

from brushflow.cli.live import _tell
from brushflow.common.errors import BrushflowError
from brushflow.live.capture import Capture
from brushflow.live.controls import Controls
from brushflow.live.frame_by_frame import FrameByFrame, Studio
from brushflow.live.session import Session
from brushflow.live.size import choose_size
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.painter import Painter


class Desk:
    """A View that presses keys when that many frames have been shown."""

    def __init__(self, device, keys=None):
        self.device = device
        self.keys = keys or {}
        self.shown = []

    def show(self, picture):
        self.shown.append(picture)
        self.device.ready.release()

    def key(self):
        return self.keys.pop(len(self.shown), "")


@pytest.fixture
def session(tiny_style, tmp_path):
    """Make a session of a device; the next frame comes when the one before was shown."""

    def make(device, keys=None, size=64, recording=True, **options):
        options = StylizeOptions(style=str(tiny_style), preset="ultrafast", **options)
        styles = {"tiny": str(tiny_style), "other": str(tiny_style)}
        controls = Controls(list(styles), "tiny", recording=recording)
        studio = Studio(options, styles)
        studio.load("tiny", True)
        stop = threading.Event()
        record = tmp_path / "out.mp4"
        made = Session(
            Capture(device), studio, Desk(device, keys), options, controls, record, size, stop
        )
        run = made.run

        def run_and_let_go():
            try:
                return run()
            finally:
                device.ready.release(100)  # or it would wait for a frame for ever

        made.run = run_and_let_go
        return made

    return make


def times_of(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [float(frame.pts * stream.time_base) for frame in container.decode(stream)]


def test_a_slow_painter_drops_frames_and_stays_in_the_present(session, as_device, drifting):
    frames = drifting(61)
    device = as_device(frames)
    made = session(device, size=96, recording=False)
    capture, paint, painted = made.capture, made.studio.paint, []
    made.view.show = lambda picture: None

    def slow(frame, *choices):
        """Four frames come while one is painted."""
        painted.append(frame)
        wanted = capture.arrived + 4
        device.ready.release(4)
        while capture.arrived < wanted and not device.closed:
            threading.Event().wait(0.001)
        return paint(frame, *choices)

    made.studio.paint = slow
    with capture:
        report = made.run()
    # The newest of those there are, from the first to the last: nothing has piled up.
    assert all(np.array_equal(*pair) for pair in zip(painted, frames[::4], strict=True))
    assert (capture.arrived, capture.dropped) == (61, 45)
    assert len(report.meter.latencies) == 16
    assert device.closed


def test_a_painter_that_keeps_up_paints_every_frame(session, as_device, drifting):
    made = session(as_device(drifting(10)), recording=False)
    with made.capture:
        report = made.run()
    assert (made.capture.arrived, made.capture.dropped) == (10, 0)
    assert len(report.meter.latencies) == len(made.view.shown) == 10


def test_a_recording_has_the_frames_own_moments(
    session, as_device, drifting, tmp_path, monkeypatch
):
    moments = list(itertools.accumulate([100.0, *([0.01, 0.02, 0.2] * 4)][:12]))
    clock = SimpleNamespace(monotonic=iter(moments).__next__)
    monkeypatch.setattr("brushflow.live.capture.time", clock)
    made = session(as_device(drifting(12)))
    with made.capture:
        report = made.run()
    assert report.written == [tmp_path / "out.mp4"]
    times = times_of(tmp_path / "out.mp4")
    assert times == pytest.approx([moment - moments[0] for moment in moments], abs=2e-5)
    assert not (tmp_path / "out.mp4.recording").exists()


def test_a_lost_device_leaves_a_whole_recording(session, as_device, drifting, tmp_path):
    made = session(as_device(drifting(8), lost=True))
    with made.capture:
        made.run()
    assert "unplugged" in str(made.capture.problem)
    assert len(times_of(tmp_path / "out.mp4")) == 8


def test_an_error_of_the_painter_leaves_a_whole_recording(session, as_device, drifting, tmp_path):
    made = session(as_device(drifting(20)))
    paint, count = made.studio.paint, itertools.count()

    def breaks(*arguments):
        if next(count) == 5:
            raise BrushflowError("it broke")
        return paint(*arguments)

    made.studio.paint = breaks
    with pytest.raises(BrushflowError, match="it broke"), made.capture:
        made.run()
    assert len(times_of(tmp_path / "out.mp4")) == 5


def test_what_fails_before_anything_was_shown_is_what_is_told(session, as_device, drifting, capsys):
    made = session(as_device(drifting(2)), recording=False)
    made.view.show = Mock(side_effect=BrushflowError("it broke"))
    with pytest.raises(BrushflowError, match="it broke"), made.capture:
        made.run()
    assert made.report.size is not None
    _tell(made.report, made.capture)
    assert capsys.readouterr().out == ""


def test_a_frame_that_fails_costs_no_other(tiny_style, drifting):
    painter, frames = FrameByFrame(StylizeOptions(style=str(tiny_style))), drifting(3)
    first = painter.paint(frames[0]).output
    with pytest.raises(ValueError, match="a frame is"):
        painter.paint(np.empty(frames[0].shape, object))
    assert np.array_equal(painter.paint(frames[0]).output.numpy(), first.numpy())
    painter.forget()


def test_keys(session, as_device, drifting, tmp_path):
    keys = {1: "n", 2: "-", 3: "f", 4: "s", 6: "r", 8: "r", 10: "r", 12: "q"}
    made = session(as_device(drifting(60)), keys)
    with made.capture:
        report = made.run()
    controls = made.controls
    assert (controls.style, controls.strength, controls.carry) == ("other", 0.9, False)
    names = [path.name for path in report.written]
    assert names == ["out.mp4", "out.png", "out-2.mp4"]
    assert len(times_of(tmp_path / "out.mp4")) == 6
    assert len(times_of(tmp_path / "out-2.mp4")) == 2
    assert len(made.view.shown) == 12


def test_frame_by_frame_is_the_stylizer_one_frame_at_a_time(tiny_style, drifting):
    """What comes out for a frame belongs to it, and equals the pipeline's."""
    options = StylizeOptions(style=str(tiny_style))
    frames = drifting(4)
    painter = Painter(options)
    painter.stylizer.settle = 0
    expected = [stylized.output for stylized in painter.paint(frames)]
    one_by_one = FrameByFrame(options)
    for frame, output in zip(frames, expected, strict=True):
        painted = one_by_one.paint(frame)
        assert painted.frame is frame
        assert np.array_equal(painted.output.numpy(), output.numpy())
    assert one_by_one.paint(frames[0][:32]).motion is None
    one_by_one.forget()


def test_the_size_is_the_largest_that_holds(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("brushflow.live.size.time.perf_counter", lambda: clock[0])

    def paint(frame):  # a microsecond per pixel
        clock[0] += frame.shape[0] * frame.shape[1] * 1e-6

    frame = np.zeros((480, 640, 3), np.uint8)
    assert choose_size(frame, paint, 25)[0] == 192  # 27,648 pixels; 256 would be 49,152
    assert choose_size(frame, paint, 2)[0] == 640
    assert choose_size(frame, paint, 1000)[0] == 128
    assert choose_size(frame[:100, :90], paint, 10)[0] == 100


def test_the_size_is_chosen_with_the_first_frame(session, as_device, drifting):
    device = as_device(drifting(40, 200, 120))
    made = session(device, size=None, recording=False)
    made.options = StylizeOptions(style=made.options.style, fps=Fraction(1, 1000))
    paint = made.studio.paint
    made.studio.paint = lambda *args, **more: (device.ready.release(), paint(*args, **more))[1]
    with made.capture:
        assert made.run().size == (200, 120)
