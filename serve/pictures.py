"""Pictures on their way from and to the browser."""

import io
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace

import cv2
import numpy as np
from PIL import Image

from brushflow.errors import BrushflowError
from brushflow.files import atomic_path
from brushflow.live.size import within
from brushflow.models import load
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.painting import Painter
from brushflow.serve.jobs import Job, JobStore
from brushflow.video import open_source

THUMBNAIL = 400  # pixels of the longest side
LARGEST_SIDE = 4096  # of a camera's picture; a small file can claim to be huge
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
    """First frames of videos in every style, made when they are asked for, one at a time."""

    def __init__(self, store: JobStore, styles: Mapping[str, str], options: StylizeOptions) -> None:
        self._store = store
        self._styles = styles
        self._options = options
        self._painters: dict[str, Painter] = {}
        self._digests: dict[str, str] = {}
        self._lock = threading.Lock()

    def get(self, job: Job, style: str) -> bytes:
        """A JPEG file; KeyError for a style that is not there."""
        with self._lock:
            if style not in self._digests:
                self._digests[style] = load(self._styles[style]).digest
            path = self._store.thumbnail(job, self._digests[style])
            if not path.exists():
                data = encode_jpeg(self._paint(job, style))
                try:
                    with atomic_path(path) as partial:
                        partial.write_bytes(data)
                except FileNotFoundError as error:
                    raise BrushflowError("The video has been deleted.") from error
                return data
            return path.read_bytes()

    def _paint(self, job: Job, style: str) -> np.ndarray:
        with closing(open_source(self._store.source(job)).read()) as frames:
            frame = within(next(frames).pixels, THUMBNAIL)
        if style not in self._painters:
            options = replace(self._options, style=self._styles[style])
            self._painters[style] = Painter(options)
        painter = self._painters[style]
        with closing(painter.paint([frame])) as painted:
            return painter.finish(next(painted))
