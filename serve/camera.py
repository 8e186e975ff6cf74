"""The browser's camera: pictures come over a WebSocket, their paintings go back."""

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from fastapi import WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field, ValidationError

from brushflow.errors import BrushflowError
from brushflow.live.painting import Studio
from brushflow.live.size import within
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.finish import finish
from brushflow.serve.pictures import decode_jpeg, encode_jpeg

logger = logging.getLogger(__name__)

MOST_CAMERAS = 4  # at a time; they share one painter


class CameraSettings(BaseModel):
    """What the visitor set; ``size`` is the longest side in pixels."""

    style: str
    strength: float = Field(1.0, ge=0, le=1)
    carry: bool = True
    size: int = Field(320, ge=64, le=1280)


class Cameras:
    """All open cameras. Networks run in one thread, so that they take turns."""

    def __init__(self, styles: Mapping[str, str], options: StylizeOptions) -> None:
        self._styles = styles
        self._options = options
        self._open = 0
        self._thread = ThreadPoolExecutor(1, "camera")

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)

    async def serve(self, socket: WebSocket) -> None:
        """Talk to one browser until it leaves.

        It sends settings as JSON text and JPEG pictures as bytes, and gets for each picture that
        is painted a JPEG back. Only the newest picture that has come is painted. A sentence about
        what went wrong comes as JSON text.
        """
        await socket.accept()
        if self._open >= MOST_CAMERAS:
            await socket.send_json({"problem": "Too many cameras are in use; try again later."})
            await socket.close()
            return
        self._open += 1
        sitting = _Sitting(socket, self._styles, self._options, self._thread)
        answering = asyncio.create_task(sitting.answer())
        try:
            await sitting.receive()
        except WebSocketDisconnect:
            pass
        finally:
            answering.cancel()
            self._open -= 1
            self._thread.submit(sitting.studio.close)


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

    async def receive(self) -> None:
        """Take what comes, for ever; a picture replaces one that nobody has begun to paint."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1000))
            if message.get("bytes") is not None:
                self._newest = message["bytes"]
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
            try:
                painted = await loop.run_in_executor(self._thread, self._paint, data, settings)
                await self._socket.send_bytes(painted)
            except WebSocketDisconnect:
                return
            except BrushflowError as error:
                await self._socket.send_json({"problem": str(error)})
            except Exception:
                logger.exception("painting a camera failed")
                problem = "The program failed; the server's log tells where."
                await self._socket.send_json({"problem": problem})

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
