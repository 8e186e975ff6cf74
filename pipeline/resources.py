"""What a run takes: memory, foreseen and run out of; and frames, time and disk, tried out."""

import gc
import logging
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

from brushflow.common.errors import BrushflowError
from brushflow.common.memory import available_memory
from brushflow.common.torch_devices import release_device_memory
from brushflow.occlusion.motion import usual_size
from brushflow.pipeline.finishing import as_output
from brushflow.pipeline.layers import Layers, painter_for
from brushflow.pipeline.long_term import MOST_ANCHORS
from brushflow.pipeline.masks import MaskedSource, check_mask
from brushflow.pipeline.options import StylizeOptions
from brushflow.pipeline.painter import Painter
from brushflow.pipeline.segments import PlainFrames, find_joints, plan_groups, plan_rows, plan_video
from brushflow.pipeline.stylizer import Stylized
from brushflow.shots.scan import ProgressCallback, scan_source
from brushflow.video import SegmentWriter, Source

_SMALLEST_FLOW = 128  # pixels on the longest side; motion is not found on less
# What a process takes: PyTorch and OpenCV, and for each pixel of a frame the network's layers,
# queued frames and the encoder's; the paper's network needs 2 GB at 1920×1080, ffmpeg half of one.
# Where a frame is painted smaller, 3840×2160 take 2.2 GB.
_BASE = 700 << 20
_PER_PIXEL = 1300
_PER_PIXEL_SHOWN = 130
_MEASURED = 6  # frames
# For each pixel that is painted: an output, and paintings of anchors with what motion is of them,
# six numbers on a grid of a quarter.
_STATE_BYTES = 12 + MOST_ANCHORS * (12 + 6)

logger = logging.getLogger(__name__)


class ShortOfMemory(Exception):  # noqa: N818
    """Memory ran out while frames were painted; what was finished before is kept."""


def memory_to_paint(pixels: int, shown: int = 0) -> int:
    """Bytes that a process takes for so many pixels at once; small networks take less.

    ``shown``: pixels of a frame, where that is painted smaller.
    """
    return _BASE + _PER_PIXEL * pixels + _PER_PIXEL_SHOWN * max(0, shown - pixels)


def memory_of_process(source: Source, options: StylizeOptions) -> int:
    """Bytes that a process takes to paint a source; UsageError where it cannot be painted."""
    options = options.for_source(source.info)
    width, height = options.output_size(source.info.width, source.info.height)
    return memory_to_paint(painter_for(options).pixels((width, height)), width * height)


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


@dataclass(frozen=True)
class Estimate:
    """What a run will take; ``seconds`` with one process, ``disk`` in bytes while it runs.

    ``longest`` is the longest shot's number of frames, ``seconds_per_frame`` what was measured.
    """

    frames: int
    shots: int
    longest: int
    seconds_per_frame: float
    seconds: float
    disk: int


def estimate_run(
    source: Source,
    output: Path,
    options: StylizeOptions,
    progress: ProgressCallback,
    check_stop: Callable[[], None],
) -> Estimate:
    """Scan the source and paint some frames out of its longest shot's middle; nothing is kept.

    As in a run, the caller sees to OpenCV's threads.
    """
    options = options.for_source(source.info)
    bars = options.bars(source.info)
    scan = scan_source(source, options.cuts, progress, check_stop, options.end, bars)
    plan = plan_video(scan, options, source.info)
    check_mask(options, source.info)
    painter = painter_for(options)
    width, height = options.output_size(source.info.width, source.info.height)
    plain = PlainFrames.of((width, height), options.encoding(output), options.compare)
    pixels = plain.nbytes
    joints = find_joints(plan[0].first, plan[-1].last, scan.cuts, options.max_shot)
    groups = plan_groups(plan, {*scan.cuts, *joints}, pixels)
    # Of a damaged source, rows are of several shots each.
    rows = plan_rows(groups, scan.cuts, replace(scan, problem=None))
    shots = [(row[0].first, row[-1].last + 1 - row[0].first) for row in rows]
    begin, longest = max(shots, key=lambda shot: shot[1])
    first = begin + max(0, (longest - _MEASURED) // 2)
    read = MaskedSource(source, scan, options)
    seconds, size = _measure(read, output, options, painter, first, check_stop)
    frames = sum(map(len, plan))
    again = painter.stylizer.settle if painter.stylizer else 0
    states = 2 * _STATE_BYTES * painter.pixels((width, height)) if painter.recurrent else 0
    return Estimate(
        frames,
        len(shots),
        longest,
        seconds,
        seconds * (frames + again * len(shots)),
        # Encoded parts and the file that is made of them lie side by side at the end; before, a
        # group is painted while the one before it is encoded.
        round(2 * size * frames) + states + 2 * pixels * max(sum(map(len, g)) for g in groups),
    )


def _measure(
    masked: MaskedSource,
    output: Path,
    options: StylizeOptions,
    painter: Painter | Layers,
    first: int,
    check_stop: Callable[[], None],
) -> tuple[float, float]:
    """Seconds and encoded bytes per frame."""
    info = masked.source.info
    size = options.output_size(info.width, info.height)
    encoding = options.encoding(output)
    read = masked.read(first, size, options.bit_depth)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(read) as frames,
        closing(painter.paint(islice(frames, _MEASURED + 1))) as painted,
    ):
        path = Path(folder) / "measured.mkv"
        with SegmentWriter(
            path,
            size[0] * (1 + options.compare),
            size[1],
            encoding,
            info.frame_rate or Fraction(25),
            info.output_color,
            info.sample_aspect_ratio,
        ) as writer:

            def write(stylized: Stylized) -> None:
                check_stop()
                picture = painter.finish(stylized)
                writer.write(as_output(stylized, picture, options.compare, encoding.alpha))

            # The first one waits for the models to warm up and is painted several times.
            write(next(painted))
            began, count = time.monotonic(), 0
            for stylized in painted:
                write(stylized)
                count += 1
            seconds = (time.monotonic() - began) / max(count, 1)
        return seconds, path.stat().st_size / (count + 1)
