"""The browser's camera: pictures come over a WebSocket, their paintings go back."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from fastapi import WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field, ValidationError

from brushflow.common.errors import BrushflowError
from brushflow.live.frame_by_frame import Studio
from brushflow.live.size import within
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.finishing import finish
from brushflow.serve.jobs import for_visitors
from brushflow.serve.thumbnails import decode_jpeg, encode_jpeg

logger = logging.getLogger(__name__)

MOST_CAMERAS = 4  # at a time; they share one painter
_PATIENCE = 3.0  # seconds without a picture after which somebody else may have the place
_LONGEST_SILENCE = 60.0  # seconds until the connection is ended
_LONGEST_ANSWER = 10.0  # seconds that a painting may take to be sent


class CameraSettings(BaseModel):
    """What the visitor set; ``size`` is the longest side in pixels."""

    style: str
    strength: float = Field(default=1.0, ge=0, le=1)
    carry: bool = True
    size: int = Field(default=320, ge=64, le=1280)


class Cameras:
    """All open cameras. Networks run in one thread, so that they take turns."""

    def __init__(self, styles: Mapping[str, str], options: StylizeOptions) -> None:
        self._styles = styles
        self._options = options
        self._painting: set[_Sitting] = set()
        self._leaving: set[asyncio.Task] = set()
        self._thread = ThreadPoolExecutor(1, "camera")

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)

    async def serve(self, socket: WebSocket) -> None:
        """Talk to one browser until it leaves.

        It sends settings as JSON text and JPEG pictures as bytes, and gets for each picture that
        is painted a JPEG back. Only the newest picture that has come is painted. A sentence about
        what went wrong comes as JSON text. There is a place for so many that send pictures; who
        sends none takes no place, and who has stopped loses it when another wants it.
        """
        await socket.accept()
        sitting = _Sitting(socket, self._styles, self._options, self._thread)
        answering = asyncio.create_task(sitting.answer())
        try:
            await sitting.receive(self._has_place)
        except WebSocketDisconnect:
            pass
        finally:
            answering.cancel()
            self._painting.discard(sitting)
            self._thread.submit(sitting.studio.close)

    def _has_place(self, sitting: "_Sitting") -> bool:
        """Whether a picture of this one may be painted."""
        if sitting not in self._painting and len(self._painting) >= MOST_CAMERAS:
            silent = max(self._painting, key=_Sitting.silence)
            if silent.silence() < _PATIENCE:
                return False
            self._painting.discard(silent)
            leaving = asyncio.create_task(silent.leave("Another camera has taken this place."))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
        self._painting.add(sitting)
        return True


class _Sitting:
    """One browser: its newest picture, its settings, its recurrence."""

    def __init__(
        self,
        socket: WebSocket,
        styles: Mapping[str, str],
        options: StylizeOptions,
        thread: ThreadPoolExecutor,
    ) -> None:
        self.studio = Studio(options, styles)
        self._socket = socket
        self._options = options
        self._thread = thread
        self._settings = CameraSettings(style=self.studio.names[0])
        self._newest: bytes | None = None
        self._came = asyncio.Event()
        self._silent_since: float | None = time.monotonic()

    def silence(self) -> float:
        """Seconds for which there has been nothing to paint."""
        return 0.0 if self._silent_since is None else time.monotonic() - self._silent_since

    async def leave(self, problem: str) -> None:
        """End the connection with a sentence; whoever does not take it in is left without."""
        with suppress(WebSocketDisconnect, RuntimeError, asyncio.TimeoutError):
            await asyncio.wait_for(self._socket.send_json({"problem": problem}), _LONGEST_ANSWER)
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.close()

    async def receive(self, has_place: Callable[["_Sitting"], bool]) -> None:
        """Take what comes, for ever; a picture replaces one that nobody has begun to paint."""
        while True:
            try:
                message = await asyncio.wait_for(self._socket.receive(), _LONGEST_SILENCE)
            except asyncio.TimeoutError:
                if self._silent_since is None:
                    continue
                return await self.leave("Nothing has come from this camera for a minute.")
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1000))
            if message.get("bytes") is not None:
                if not has_place(self):
                    return await self.leave("Too many cameras are in use; try again later.")
                self._newest = message["bytes"]
                self._silent_since = None
                self._came.set()
            elif not self._set(message.get("text") or ""):
                await self._socket.send_json({"problem": "These settings are not possible."})

    async def answer(self) -> None:
        """Paint the newest picture, for ever."""
        while True:
            await self._came.wait()
            self._came.clear()
            data, settings = self._newest, self._settings
            assert data is not None
            loop = asyncio.get_running_loop()
            problem = None
            try:
                painted = await loop.run_in_executor(self._thread, self._paint, data, settings)
            except BrushflowError as error:
                problem = for_visitors(error)
            except Exception:
                logger.exception("painting a camera failed")
                problem = "The program failed; the server's log tells where."
            if problem is not None:
                sending = self._socket.send_json({"problem": problem})
            else:
                sending = self._socket.send_bytes(painted)
            try:
                await asyncio.wait_for(sending, _LONGEST_ANSWER)
            except (WebSocketDisconnect, RuntimeError):  # it has left, or been sent away
                return
            except asyncio.TimeoutError:
                return await self._socket.close()
            if not self._came.is_set():
                self._silent_since = time.monotonic()

    def _set(self, text: str) -> bool:
        try:
            settings = CameraSettings.model_validate_json(text)
        except ValidationError:
            return False
        if settings.style not in self.studio.names:
            return False
        self._settings = settings
        return True

    def _paint(self, data: bytes, settings: CameraSettings) -> bytes:
        frame = within(decode_jpeg(data), settings.size)
        stylized = self.studio.paint(frame, settings.style, settings.carry)
        median = self._options.median_filter
        return encode_jpeg(finish(stylized, median, strength=settings.strength))
