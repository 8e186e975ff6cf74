"""A painting while it is learned: how long it still takes, and a picture that grows better."""

from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from brushflow.common.sizes import fit_size, resized
from brushflow.pipeline import Stylizer
from brushflow.pipeline.finishing import finish
from brushflow.pipeline.strokes import USUAL_HEIGHT

if TYPE_CHECKING:
    from brushflow.training import Progress

_LOOKS = 10  # how often the picture is painted
_TRIAL = 4  # iterations after which it is known how fast this machine is
_AS_LONG = 1.3  # times as long as the first steps: all, as the last see two frames each


class Growing:
    """Follows the learning of a painting.

    ``frame``: RGB uint8 (H, W, 3), which is painted now and then, at the size that styles look
    best at; None for no picture. ``seconds_left`` is None before it is known.
    """

    def __init__(self, frame: np.ndarray | None) -> None:
        self.seconds_left: float | None = None
        self._times: list[float] = []
        if frame is not None:
            size = fit_size((frame.shape[1], frame.shape[0]), USUAL_HEIGHT, cover=True)
            frame = resized(frame, size)
        self._frame = frame

    @property
    def just_known(self) -> bool:
        """Whether it is since this iteration that the time left is known."""
        return len(self._times) == _TRIAL + 1

    def __call__(self, progress: "Progress") -> np.ndarray | None:
        """Take note of an iteration; the frame as it is painted now, if it is time for that."""
        done, last = progress.iteration, progress.iterations
        self._times.append(monotonic())
        if len(self._times) > _TRIAL:
            each = (self._times[-1] - self._times[0]) / (len(self._times) - 1)
            self.seconds_left = _AS_LONG * each * (last - done)
        if self._frame is None or done % max(1, last // _LOOKS) != 0:
            return None
        (stylized,) = Stylizer(progress.model(), independent=True).stylize([self._frame])
        return finish(stylized)
