"""Too little memory: foreseeing it, and what may be made smaller."""

import gc
import logging
from dataclasses import replace

from brushflow.common.errors import BrushflowError
from brushflow.common.memory import available_memory
from brushflow.common.torch_devices import release_device_memory
from brushflow.pipeline.motion import usual_size
from brushflow.pipeline.options import StylizeOptions

_SMALLEST_FLOW = 128  # pixels on the longest side; motion is not found on less
# What a process takes: PyTorch and OpenCV, and for each pixel of a frame the network's layers,
# queued frames and the encoder's; the paper's network needs 2 GB at 1920×1080, ffmpeg half of one.
_BASE = 700 << 20
_PER_PIXEL = 1300

logger = logging.getLogger(__name__)


class ShortOfMemory(Exception):  # noqa: N818
    """Memory ran out while frames were painted; what was finished before is kept."""


def memory_to_paint(pixels: int) -> int:
    """Bytes that a process takes for so many pixels at once; small networks take less."""
    return _BASE + _PER_PIXEL * pixels


def warn_of_shortage(pixels: int, options: StylizeOptions) -> None:
    """Say so if there is less memory than so many pixels at once may take.

    A system that is out of memory ends processes without a word.
    """
    need, free = memory_to_paint(pixels), available_memory()
    if need > free:
        logger.warning(
            "Painting may take up to %.1f GB of memory, and %.1f GB are free, so the system may "
            "end it.",
            need / 1e9,
            free / 1e9,
            # A given size of faces does not depend on the frame's.
            extra={"about": "max_size" if options.face_size is None else "face_size"},
        )


def with_smaller_flow(options: StylizeOptions, longest: int | None) -> StylizeOptions | None:
    """The options with motion found on pictures half as large; None where that is too small.

    ``longest``: side of the pictures that it is sought in, None if it is not.
    """
    if longest is None:
        return None
    half = min(options.flow_size or usual_size(longest), longest) // 2
    return replace(options, flow_size=half) if half >= _SMALLEST_FLOW else None


def release() -> None:
    """Give back what a failed attempt held."""
    gc.collect()
    release_device_memory()


def too_large(size: tuple[int, int], options: StylizeOptions, begun: bool = True) -> BrushflowError:
    """The error that knows the size to try; ``size`` is (width, height).

    ``begun``: whether something of the old size is kept.
    """
    width, height = size
    fact = f"There is not enough memory to paint frames of {width}×{height}."
    if begun:
        fact += " What is finished is kept, but belongs to this size."
    about = "smaller" if options.face_size is None else "smaller_faces"
    if begun:
        about = "smaller_anew" if options.face_size is None else "smaller_faces_anew"
    return BrushflowError(fact, about, max(16, (options.face_size or max(size)) // 2))
