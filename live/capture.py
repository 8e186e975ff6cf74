"""The newest picture of a device, and no other: what came too late for painting is dropped."""

import threading
import time
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from brushflow.common.errors import BrushflowError
from brushflow.video.capture_devices import Device


@dataclass(frozen=True)
class Captured:
    """A frame, RGB uint8 (H, W, 3), and when it arrived, in seconds of ``time.monotonic``."""

    pixels: np.ndarray
    moment: float


class Capture:
    """Reads a device in a thread of its own, as a context manager; closes it at the end.

    ``arrived`` and ``dropped`` count frames. ``problem`` is why the device delivers no more.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.arrived = 0
        self.dropped = 0
        self.problem: BrushflowError | None = None
        self._newest: Captured | None = None
        self._over = False
        self._stop = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="capture", daemon=True)

    def __enter__(self) -> "Capture":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop = True
        self._thread.join()

    def newest(self, timeout: float) -> Captured | None:
        """The newest frame, if it has not been taken before; None after ``timeout`` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._over, timeout)
            taken, self._newest = self._newest, None
            return taken

    @property
    def over(self) -> bool:
        """Whether there will be no more frames, and the last one has been taken."""
        with self._changed:
            return self._over and self._newest is None

    def _read(self) -> None:
        try:
            while not self._stop:
                pixels = self.device.read()
                if pixels is None:
                    break
                self._put(Captured(pixels, time.monotonic()))
        except BrushflowError as error:
            self.problem = error
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()
            self.device.close()

    def _put(self, captured: Captured) -> None:
        with self._changed:
            self.arrived += 1
            self.dropped += self._newest is not None
            self._newest = captured
            self._changed.notify_all()
