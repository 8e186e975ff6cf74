"""Pictures on their way from and to the browser."""

import io
import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import cv2
import numpy as np
from PIL import Image

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError
from brushflow.models import read_model
from brushflow.pipeline import StylizeOptions
from brushflow.serve import tasks
from brushflow.serve.apart import Apart, Died, TooMuchMemory
from brushflow.serve.jobs import Job, JobStore

logger = logging.getLogger(__name__)

LARGEST_SIDE = 4096  # of a camera's picture; a small file can claim to be huge
LONGEST_LOOK = 120.0  # seconds that a file may take to be looked at, or a thumbnail to be painted
_QUALITY = 85


def encode_jpeg(picture: np.ndarray) -> bytes:
    """RGB uint8 (H, W, 3) as a JPEG file."""
    ordered = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", ordered, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes()


def decode_jpeg(data: bytes) -> np.ndarray:
    """RGB uint8 (H, W, 3); BrushflowError for what is no JPEG of a reasonable size."""
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as header:
            size = header.size  # known without decoding
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BrushflowError("The camera's picture is no JPEG.") from error
    if max(size) > LARGEST_SIDE:
        raise BrushflowError(f"The camera's picture is larger than {LARGEST_SIDE} pixels.")
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise BrushflowError("The camera's picture is damaged.")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


class Thumbnails:
    """A moment of each video in every style, made when it is asked for, one at a time, ``apart``.

    What takes too much memory, or ends the process, is not tried again for the same video.
    """

    def __init__(
        self,
        store: JobStore,
        styles: Mapping[str, str],
        options: StylizeOptions,
        apart: Apart,
    ) -> None:
        self._store = store
        self._styles = styles
        self._options = options
        self._apart = apart
        self._impossible: set[str] = set()
        self._lock = threading.Lock()

    def get(self, job: Job, style: str) -> bytes:
        """A JPEG file; KeyError for a style that is not there."""
        with self._lock:
            digest = read_model(self._styles[style]).digest  # one learned anew is another
            path = self._store.thumbnail(job, digest)
            with suppress(OSError):
                return path.read_bytes()
            if job.id in self._impossible:
                raise BrushflowError("No picture of this can be shown.")
            options = replace(self._options, style=self._styles[style])
            try:
                picture = self._apart.call(
                    tasks.thumbnail, self._store.source(job), options, digest, limit=LONGEST_LOOK
                )
            except (Died, TooMuchMemory):
                self._impossible.add(job.id)
                raise
            data = encode_jpeg(picture)
            try:
                with atomic_path(path) as partial:
                    partial.write_bytes(data)
            except OSError as error:
                if not path.parent.is_dir():
                    raise BrushflowError("The video has been deleted.") from error
                logger.warning("a thumbnail could not be kept: %s", error)
            return data
