"""A window on the desktop, by OpenCV."""

import ctypes
import os
import sys
from types import TracebackType
from typing import Protocol

import cv2
import numpy as np

from brushflow.common.errors import BrushflowError

TITLE = "brushflow"


class View(Protocol):
    """Where paintings are seen, and where keys come from."""

    def show(self, picture: np.ndarray) -> None:
        """Show a picture, RGB uint8 (H, W, 3)."""
        ...

    def key(self) -> str:
        """Let the window live; the key that was pressed since, or ``""``. ``"q"`` if closed."""
        ...


class Window:
    """A View, as a context manager. BrushflowError where there is no display."""

    def __init__(self) -> None:
        self._shown = False

    def __enter__(self) -> "Window":
        check_display()
        try:
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error as error:
            raise no_display() from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        cv2.destroyAllWindows()
        cv2.waitKey(1)

    def show(self, picture: np.ndarray) -> None:
        """See View."""
        if not self._shown:
            cv2.resizeWindow(TITLE, picture.shape[1], picture.shape[0])
            self._shown = True
        cv2.imshow(TITLE, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))

    def key(self) -> str:
        """See View."""
        code = cv2.waitKey(1)
        if self._shown and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
            return "q"
        return chr(code & 0xFF) if code >= 0 else ""


def check_display() -> None:
    """Raise BrushflowError where no window can be opened.

    On Linux, asked of X11 itself beforehand: Qt ends the whole process when it finds no display.
    """
    if sys.platform.startswith("linux") and not _x11_answers():
        raise no_display()


def no_display() -> BrushflowError:
    """The error that offers the page instead."""
    return BrushflowError(
        "There is no display to open a window on; brushflow serve offers a page for the "
        "browser, which paints its camera too."
    )


def _x11_answers() -> bool:
    if not os.environ.get("DISPLAY"):
        return False
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True  # who has set DISPLAY will know
    xcb.xcb_connect.restype = ctypes.c_void_p
    for function in (xcb.xcb_connection_has_error, xcb.xcb_disconnect):
        function.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(None, None)
    try:
        return xcb.xcb_connection_has_error(connection) == 0
    finally:
        xcb.xcb_disconnect(connection)
