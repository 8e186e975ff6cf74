"""A window on a run that paints a file: every frame is kept, the newest one is seen."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

import numpy as np

from brushflow.common.queues import result_of
from brushflow.common.sizes import fit_size, resized
from brushflow.live.window import View, Window

Result = TypeVar("Result")

LARGEST = (1280, 720)  # the most that is shown, (width, height) in pixels
_PATIENCE = 0.05  # seconds between looks at the keys while no picture comes


def show_while(
    paint: Callable[[Callable[[np.ndarray], None]], Result],
    opened: Callable[[], AbstractContextManager[View]] = Window,
) -> Result:
    """Run ``paint`` in another thread, show what it hands out, and return what it returns.

    ``paint`` is called with a function that takes pictures, RGB (H, W, 3), uint8 or uint16 over
    0–65535. Windows want the main thread, so this is for that one. Closing the window, or ``q`` or
    Esc in it, ends the showing only. Raises what ``paint`` raises, and BrushflowError without a
    display, before anything is painted.
    """
    newest: list[np.ndarray] = []
    changed = threading.Event()

    def hand_out(picture: np.ndarray) -> None:
        newest[:] = [picture]
        changed.set()

    with ThreadPoolExecutor(1, "painting") as pool:
        with opened() as view:
            running = pool.submit(paint, hand_out)
            running.add_done_callback(lambda done: changed.set())
            _show(view, newest, changed, running)
        return result_of(running)


def _show(view: View, newest: list[np.ndarray], changed: threading.Event, running: Future) -> None:
    """Show each newest picture until the painting has ended or somebody has seen enough."""
    ended = False
    while not ended:
        ended = running.done()
        changed.wait(_PATIENCE)
        changed.clear()
        if newest:
            view.show(_fitted(newest.pop()))
        ended |= view.key() in ("q", "\x1b")


def _fitted(picture: np.ndarray) -> np.ndarray:
    """The picture as uint8, shrunk to what is shown."""
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    height, width = picture.shape[:2]
    return resized(picture, fit_size((width, height), LARGEST))
