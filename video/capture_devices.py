"""Where live pictures come from: a camera, the screen, or a video that plays as if it were one."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import cv2
import ffmpeg as ffmpeg_graph
import numpy as np

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.video import ffmpeg
from brushflow.video.source import open_source

_SCREEN_RATE = "30"
_PPM = re.compile(rb"P6\n(\d+) (\d+)\n255\n")
_REGION = re.compile(r"(\d+)x(\d+)\+(\d+)\+(\d+)")


class Device(Protocol):
    """Something that delivers frames at its own pace. ``name`` is what the user called it."""

    name: str

    def read(self) -> np.ndarray | None:
        """Wait for the next frame, RGB uint8 (H, W, 3); None when there will be no more.

        Raises BrushflowError when the device went away.
        """
        ...

    def close(self) -> None:
        """Let go of the device; nobody may be reading."""
        ...


class Camera:
    """A camera of this computer by its number."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        with _quiet_opencv():
            self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise BrushflowError(
                f"There is no camera {number}, or another program is using it; camera:0 is the "
                f"first one."
            )
        # A queue in the driver would make every picture older; not every driver listens.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def read(self) -> np.ndarray:
        """See Device."""
        there, frame = self._capture.read()
        if not there:
            raise BrushflowError(f"{self.name} delivers no pictures any more; is it unplugged?")
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def close(self) -> None:
        """See Device."""
        self._capture.release()


class Screen:
    """An X11 screen, or a region ``WxH+X+Y`` of it, with the mouse pointer.

    Read by the ffmpeg program: PyAV's libraries of X11 and OpenCV's do not get along.
    """

    def __init__(self, name: str, region: str) -> None:
        self.name = name
        self._began = False
        display = os.environ.get("DISPLAY")
        if not display:
            raise BrushflowError(
                f"{name} cannot be read here: the screen is read through X11, and there is none."
            )
        command = _grab_command(display, region)
        self._stack = contextlib.ExitStack()
        self._process = self._stack.enter_context(ffmpeg.FFmpegProcess(command, stdout=True))

    def read(self) -> np.ndarray:
        """See Device."""
        pipe = self._process.stdout
        header = b"".join(pipe.readline() for _ in range(3))  # P6, width and height, 255
        match = _PPM.fullmatch(header)
        width, height = map(int, match.groups()) if match else (0, 0)
        data = pipe.read(3 * width * height)
        if match is None or len(data) < 3 * width * height:
            self._process.finish()
            message = self._process.last_message()
            if self._began:
                raise BrushflowError(f"{self.name} cannot be read any more: {message}.")
            raise BrushflowError(
                f"{self.name} cannot be read; is all of it on the screen? ({message})"
            )
        self._began = True
        return np.frombuffer(data, np.uint8).reshape(height, width, 3)

    def close(self) -> None:
        """See Device."""
        self._stack.close()


def _grab_command(display: str, region: str) -> list[str]:
    options: dict[str, object] = {"f": "x11grab", "framerate": _SCREEN_RATE}
    if region:
        match = _REGION.fullmatch(region)
        width, height, x, y = map(int, match.groups()) if match else (0, 0, 0, 0)
        if not width or not height:
            raise UsageError(f"{region!r} is no part of a screen; write screen:640x480+100+50.")
        # ffmpeg-python wants this one as a pair, and takes the first two letters of a string.
        options["video_size"] = (width, height)
        display += f"+{x},{y}"
    # Every picture of this format tells its own size.
    output = ffmpeg_graph.input(display, **options).output("pipe:1", f="image2pipe", vcodec="ppm")
    return ffmpeg.command_line(output.global_args("-hide_banner", "-v", "error"), {})


class PlayedVideo:
    """A video, or a folder of images, in real time: what comes from it was never awaited."""

    def __init__(self, name: str, path: str, fps: Fraction) -> None:
        self.name = name
        self._source = open_source(path, fps)
        self._frames = self._source.read()
        self._began: float | None = None
        self._first = 0

    def read(self) -> np.ndarray | None:
        """See Device."""
        frame = next(self._frames, None)
        if frame is None:
            return None
        if self._began is None:
            self._began, self._first = time.monotonic(), frame.pts
        due = self._began + float((frame.pts - self._first) * self._source.info.time_base)
        time.sleep(max(0.0, due - time.monotonic()))
        return frame.pixels

    def close(self) -> None:
        """See Device."""
        self._frames.close()


def is_device(name: str) -> bool:
    """Whether this names a device, and no file that happens to be called like one."""
    return name.startswith(("camera:", "screen:")) and not Path(name).exists()


def open_device(name: str, fps: Fraction = Fraction(25)) -> Device:
    """Open ``camera:NUMBER``, ``camera:VIDEO``, ``screen:`` or ``screen:WxH+X+Y``.

    ``fps`` is the pace of a folder of images. UsageError for a name that is none of these,
    BrushflowError for what is not there or cannot be read.
    """
    kind, _, which = name.partition(":")
    if kind == "screen":
        return Screen(name, which)
    if which.isdecimal():
        return Camera(name, int(which))
    if not which:
        raise UsageError(f"{name} names no camera; camera:0 is the first one.")
    return PlayedVideo(name, which, fps)


@contextlib.contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Without OpenCV's own lines about cameras that are not there."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
