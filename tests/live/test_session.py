"""It never falls behind, keys do what they say, and a recording is whole whatever ends it."""

import itertools
import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest

from brushflow.errors import BrushflowError
from brushflow.live.capture import Capture
from brushflow.live.controls import Controls
from brushflow.live.painting import FrameByFrame, Studio
from brushflow.live.session import Session
from brushflow.live.size import choose_size
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.painting import Painter


class Desk:
    """A View that presses keys when that many frames have been shown."""

    def __init__(self, device, keys=None):
        self.device = device
        self.keys = keys or {}
        self.shown = []

    def show(self, picture):
        self.shown.append((time.monotonic(), picture))
        self.device.ready.release()

    def key(self):
        return self.keys.pop(len(self.shown), "")


class SlowStudio(Studio):
    """A painter that takes a fixed time."""

    def __init__(self, options, styles, seconds):
        super().__init__(options, styles)
        self.seconds = seconds

    def paint(self, frame, style, carry):
        began = time.monotonic()
        painted = super().paint(frame, style, carry)
        time.sleep(max(0.0, self.seconds - (time.monotonic() - began)))
        return painted


@pytest.fixture
def session(tiny_style, tmp_path):
    """Make a session of a device; ``seconds`` slows the painter down."""

    def make(device, keys=None, seconds=0.0, size=64, recording=True, **options):
        options = StylizeOptions(style=str(tiny_style), preset="ultrafast", **options)
        styles = {"tiny": str(tiny_style), "other": str(tiny_style)}
        controls = Controls(list(styles), "tiny", recording=recording)
        studio = SlowStudio(options, styles, seconds)
        studio.load("tiny", True)
        stop = threading.Event()
        record = tmp_path / "out.mp4"
        return Session(
            Capture(device), studio, Desk(device, keys), options, controls, record, size, stop
        )

    return make


def times_of(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [float(frame.pts * stream.time_base) for frame in container.decode(stream)]


def test_a_slow_painter_drops_frames_and_stays_in_the_present(session, as_device, drifting):
    device = as_device(drifting(60), 0.04)
    made = session(device, seconds=0.16, recording=False)
    with made.capture:
        report = made.run()
    latencies = report.meter.latencies
    assert made.capture.arrived == 60
    assert made.capture.dropped == 60 - len(latencies) > 30
    frame_time = np.median(np.diff([moment for moment, _ in made.view.shown]))
    assert frame_time >= 0.16
    assert np.median(latencies) < 2 * frame_time
    # The last are as fresh as the first: nothing has piled up.
    assert np.median(latencies[-4:]) < 2 * frame_time
    assert device.closed


def test_a_painter_that_keeps_up_paints_every_frame(session, as_device, drifting):
    made = session(as_device(drifting(10)), recording=False)
    with made.capture:
        report = made.run()
    assert (made.capture.arrived, made.capture.dropped) == (10, 0)
    assert len(report.meter.latencies) == len(made.view.shown) == 10


def test_a_recording_has_the_frames_own_moments(session, as_device, drifting, tmp_path):
    pauses = itertools.cycle([0.0, 0.02, 0.2])
    device = as_device(drifting(12))
    made = session(device)
    show = made.view.show
    made.view.show = lambda picture: (time.sleep(next(pauses)), show(picture))
    with made.capture:
        report = made.run()
    assert report.written == [tmp_path / "out.mp4"]
    times = times_of(tmp_path / "out.mp4")
    expected = [moment - device.moments[0] for moment in device.moments[:12]]
    assert times == pytest.approx(expected, abs=0.01)
    assert max(np.diff(times)) > 0.15
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
            made.capture.device.ready.release(20)
            raise BrushflowError("it broke")
        return paint(*arguments)

    made.studio.paint = breaks
    with pytest.raises(BrushflowError, match="it broke"), made.capture:
        made.run()
    assert len(times_of(tmp_path / "out.mp4")) == 5


def test_keys(session, as_device, drifting, tmp_path):
    keys = {1: "n", 2: "-", 3: "f", 4: "s", 6: "r", 8: "r", 10: "r", 12: "q"}
    made = session(as_device(drifting(60)), keys)
    with made.capture:
        report = made.run()
        made.capture.device.ready.release(60)
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
    made = session(as_device(drifting(40, 200, 120), 0.02), size=None, recording=False)
    made.options = StylizeOptions(style=made.options.style, fps=Fraction(1, 10))
    with made.capture:
        assert made.run().size == (200, 120)
