"""The loop: the newest frame, its painting, the window, the recording, the keys."""

import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from time import monotonic

import numpy as np

from brushflow.common.queues import Sink
from brushflow.live.canvas import Status, compose
from brushflow.live.capture import Capture, Captured
from brushflow.live.controls import Controls
from brushflow.live.frame_by_frame import Studio
from brushflow.live.meter import Meter
from brushflow.live.size import choose_size, within
from brushflow.live.window import View
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.finishing import finish
from brushflow.video import write_image
from brushflow.video.recording import Recorder, free_name

_PATIENCE = 0.05  # seconds between looks at the keys while no frame comes
_QUEUED_FRAMES = 4  # between painting and encoding


@dataclass
class SessionReport:
    """What a session did. ``size`` is (width, height) of the paintings, None if there was none."""

    meter: Meter = field(default_factory=Meter)
    size: tuple[int, int] | None = None
    written: list[Path] = field(default_factory=list)


class Session:
    """Paints a device until it ends, somebody quits or ``stop`` is set.

    Args:
        capture: the device's newest frames.
        studio: the styles.
        view: where it is seen.
        options: strength, finishing touches, encoding, and ``fps``, which the size is chosen for.
        record: file for recordings, numbered from the second one on; snapshots go beside it.
        size: longest side of what is painted; None chooses it.
    """

    def __init__(
        self,
        capture: Capture,
        studio: Studio,
        view: View,
        options: StylizeOptions,
        controls: Controls,
        record: Path,
        size: int | None,
        stop: threading.Event,
    ) -> None:
        self.capture = capture
        self.studio = studio
        self.view = view
        self.options = options
        self.controls = controls
        self.record = record
        self.longest = size
        self.stop = stop
        self.report = SessionReport()
        self._recording = ExitStack()
        self._recorder: Recorder | None = None
        self._sink: Sink[tuple[np.ndarray, float]] | None = None
        self._recording_began = 0.0

    def run(self) -> SessionReport:
        """Paint; a recording is complete when this returns, and also when it raises."""
        with self._recording:
            while self.controls.running and not self.stop.is_set() and not self.capture.over:
                captured = self.capture.newest(_PATIENCE)
                if captured is None:
                    self.controls.press(self.view.key())
                else:
                    self._paint(captured)
        return self.report

    def _paint(self, captured: Captured) -> None:
        controls = self.controls
        if self.longest is None:
            self._choose_size(captured)
            return  # that took long: a newer frame is waiting
        frame = within(captured.pixels, self.longest)
        stylized = self.studio.paint(frame, controls.style, controls.carry)
        options = self.options
        picture = finish(stylized, options.median_filter, options.keep_colors, controls.strength)
        self.report.size = (frame.shape[1], frame.shape[0])
        self._keep(frame, picture, captured.moment)
        meter = self.report.meter
        recorded = captured.moment - self._recording_began if self._recorder else None
        status = Status(meter.rate, meter.latency, self.report.size, recorded)
        self.view.show(compose(captured.pixels, picture, controls, status))
        self.controls.press(self.view.key())
        meter.shown(captured.moment, monotonic())

    def _choose_size(self, captured: Captured) -> None:
        style = self.controls.style

        def paint(frame: np.ndarray) -> None:
            finish(self.studio.paint(frame, style, carry=True), self.options.median_filter)

        self.longest, _ = choose_size(captured.pixels, paint, float(self.options.fps))

    def _keep(self, frame: np.ndarray, picture: np.ndarray, moment: float) -> None:
        """Hand the picture to the recording and the snapshot that are asked for."""
        if self.controls.snapshot:
            self.controls.snapshot = False
            path = free_name(self.record.with_name(f"{self.record.stem}.png"))
            write_image(path, picture)
            self.report.written.append(path)
        if self.options.compare:
            picture = np.hstack([frame, picture])
        if self.controls.recording and self._sink is None:
            self._begin_recording(picture, moment)
        elif not self.controls.recording and self._sink is not None:
            self._end_recording()
        if self._sink is not None:
            self._sink.put((picture, moment))

    def _begin_recording(self, picture: np.ndarray, moment: float) -> None:
        path = free_name(self.record)
        height, width = picture.shape[:2]
        recorder = Recorder(
            path, width, height, self.options.encoding(path), Fraction(self.options.fps)
        )
        self._recorder = self._recording.enter_context(recorder)
        self._sink = Sink(lambda item: recorder.write(*item), _QUEUED_FRAMES)
        self._recording.enter_context(self._sink)
        self._recording_began = moment
        self.report.written.append(path)

    def _end_recording(self) -> None:
        self._recorder = self._sink = None
        self._recording.close()
