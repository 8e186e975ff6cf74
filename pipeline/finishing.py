"""From the network's output to the picture that is written. Nothing here reaches the recurrence."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path

import cv2
import numpy as np

from brushflow.common.errors import BrushflowError
from brushflow.flow import write_flo
from brushflow.flow.resize import resize_flow
from brushflow.models import deprocess
from brushflow.occlusion import write_pgm
from brushflow.occlusion.motion import Motion
from brushflow.pipeline.strokes import at_full_size
from brushflow.pipeline.stylizer import Stylized
from brushflow.shots.looks import contents
from brushflow.video import write_image
from brushflow.video.alpha import on_black

_WIDEST = 5  # window that OpenCV's median filters more than 8 bits with
# Of light. A palette's mean is for a photograph's usual grey level, and from there on it is so much
# lighter for each level; farther off than this many levels, a surface is lit or darkened.
_USUAL_LIGHT, _PALETTE, _OFF = 110.0, 0.5, 30.0
_ALIKE = 73  # window over levels of light that are seen as one, (N,) of OpenCV's Gaussian
_FEW = 1e-4  # of a picture; levels with less of it tell nothing
# Of plain grounds.
_ONE_COLOUR = 3  # grey levels around the ground's own
_HUE = 0.25  # of a grey level that a level of colour counts
_PEAK = 2  # grey levels of luminance around its most frequent one
_LEAST = 0.35  # of a picture are of one colour where there is a ground at all
# Of a picture, what ground and letters cover at least where the ground is even, and where it is
# uneven; with so much more they stay whole, and with less they are painted like anything.
_SOME, _MOST, _MORE = 0.6, 0.85, 0.1
# A ground is even. A surface in light is shaded: in windows that even out grain and compression's
# noise, its mean is farther off than so many grey levels.
_WINDOW, _SHADED = 15, 1.5
_UNEVEN = 10  # of the picture that a ground has to cover, for a share that is shaded
_EVEN, _SHADY = 0.15, 0.3  # shares of a ground that stays, and of one that is none
_EDGE, _BESIDE = 16, 9  # grey levels of an edge, and a window in which it is soft and rings
_GRAIN = 3  # window
_LOOKED_AT = 160  # pixels of the width; enough to see whether there is a ground
_GRID = 480  # of the width that it is outlined at
_SPECKS = 12  # pixels of that; what is smaller is no ground but chance
_SOFT = 3  # pixels of that
_LETTERS = 0.1  # of the height; strokes of letters are no wider
_SMALL = 0.02  # of the picture; what covers no more stays, what covers twice as much is painted


def finish(
    stylized: Stylized, median_filter: int = 0, keep_colors: float = 0, strength: float = 1.0
) -> np.ndarray:
    """The picture to write, RGB of the frame's type and size.

    A median filter of any odd width takes out single odd pixels (size kept, borders replicated); a
    painting of another size is brought to the frame's, see ``at_full_size``;
    ``keep_colors``, from 0 to 1, takes that much of the frame's colours, and of the painting only
    its brightness;
    ``strength`` mixes frame (0) and painting (1). What has next to no contrast goes from painting
    to frame, and so do plain grounds; what is far too dark or light is lit, see
    ``in_the_light_of``. Bars and fades are the film's, see ``looks``.

    Errors of ``as_painted``.
    """
    if stylized.output is None:
        return stylized.frame
    frame = stylized.look.picture(stylized.frame)
    strength *= contents(frame)
    if strength == 0:
        return stylized.frame
    picture = as_painted(stylized, median_filter)
    picture = in_the_light_of(frame if stylized.seen is None else stylized.seen, picture)
    if stylized.seen is not None:
        picture = at_full_size(picture, stylized.seen, frame)
    if keep_colors:
        # YCrCb of BT.601: all of luma from the painting, both colour differences from the frame.
        painted = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
        colors = cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb)[..., 1:]
        if keep_colors < 1:
            colors = cv2.addWeighted(colors, keep_colors, painted[..., 1:], 1 - keep_colors, 0)
        picture = cv2.cvtColor(np.dstack([painted[..., 0], colors]), cv2.COLOR_YCrCb2RGB)
    if strength < 1:
        picture = cv2.addWeighted(picture, strength, frame, 1 - strength, 0)
    ground = plain_ground(frame)
    if ground is not None:
        one, other = frame.astype(np.float32), picture.astype(np.float32)
        mixed = cv2.blendLinear(one, other, ground, 1 - ground)
        picture = np.rint(mixed).astype(frame.dtype)
    return stylized.look.shown(picture, stylized.frame)


def as_painted(stylized: Stylized, median_filter: int = 0) -> np.ndarray:
    """What the network has painted, RGB of the frame's type, smoothed and nothing else.

    BrushflowError for a painting with values that are no numbers, which would be black.
    """
    assert stylized.output is not None, "something has been painted"
    if not math.isfinite(float(stylized.output.sum())):
        raise BrushflowError(
            "The network painted what is no numbers: its weights are damaged, or too large for "
            "fp16.",
            about="no_numbers",
        )
    picture = deprocess(stylized.output, 8 if stylized.frame.dtype == np.uint8 else 16)
    return median(picture, median_filter) if median_filter > 1 else picture


def in_the_light_of(frame: np.ndarray, painting: np.ndarray) -> np.ndarray:
    """A painting whose surfaces are not far darker or lighter than the frame's are.

    Instance normalization is blind to how light a picture is: it paints what fills it in the
    middle of the palette, a wall in the sun as well as a night. What is painted of each level of
    light, on average, may be so far off what a palette of middling contrast has for it, and is
    brought there by mixing in white or black.

    Args:
        frame: uint8 or uint16 (H, W, 3); ``painting``: the like. So is the result.
    """
    scale = np.iinfo(frame.dtype).max / 255
    light, painted = (
        cv2.cvtColor(_few(picture), cv2.COLOR_RGB2GRAY).ravel() / scale
        for picture in (frame, painting)
    )
    of_level = light.astype(int)
    sums = [np.bincount(of_level, weights, 256) / len(light) for weights in (None, painted)]
    count, total = cv2.GaussianBlur(np.stack(sums), (_ALIKE, 1), 0)
    usual = painted.mean() + _PALETTE * (np.arange(256) - _USUAL_LIGHT)
    found = (total + _FEW * usual) / (count + _FEW)
    wanted = np.clip(found, usual - _OFF, usual + _OFF).clip(0, 255)
    end = np.where(wanted > found, 255.0, 0.0)
    share = np.divide(wanted - found, end - found, out=np.zeros(256), where=wanted != found)
    # What is lighter than a light surface is lit as much at least, and what is darker than a dark
    # one darkened: so the order of light stays.
    lit, dimmed = np.where(wanted > found, share, 0), np.where(wanted < found, share, 0)
    middle = int(_USUAL_LIGHT)
    lit[middle:] = np.maximum.accumulate(lit[middle:])
    dimmed[:middle] = np.maximum.accumulate(dimmed[:middle][::-1])[::-1]
    share, end = np.maximum(lit, dimmed), np.where(lit > dimmed, 255.0, 0.0)
    if share.max() * 255 < 1:
        return painting
    levels = cv2.blur(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (_WIDEST, _WIDEST))
    levels = cv2.convertScaleAbs(levels, alpha=1 / scale)
    kept, mixed = (
        cv2.LUT(levels, table.astype(np.float32)) for table in (1 - share, share * end * scale)
    )
    planes = [cv2.multiply(plane, kept, dtype=cv2.CV_32F) for plane in cv2.split(painting)]
    depth = cv2.CV_8U if frame.dtype == np.uint8 else cv2.CV_16U
    return cv2.merge([cv2.add(plane, mixed, dtype=depth) for plane in planes])


def plain_ground(frame: np.ndarray) -> np.ndarray | None:
    """Where a picture is a plain ground and what is written on it, None where nothing is.

    A network paints what it sees around words into the ground, and the words away. What is of one
    colour over most of a picture is none of the painting, nor is what stands on it and is no wider
    than a brush, or small: letters and lines. What is larger is painted.

    Args:
        frame: uint8 or uint16 (H, W, 3).

    Returns:
        float32 (H, W) in [0, 1], with a soft edge.
    """
    height, width = frame.shape[:2]
    few = _brightness_and_hue(_few(frame)).reshape(-1, 3)
    light = few[:, 0]
    counts = np.bincount(light.astype(int), minlength=256)
    peak = int(np.convolve(counts, np.ones(2 * _PEAK + 1), "same").argmax())
    colour = np.median(few[np.abs(light.astype(int) - peak) <= _PEAK], 0).astype(np.float32)
    if (np.abs(few - colour).max(1) <= _ONE_COLOUR).mean() <= _LEAST:
        return None
    off = cv2.blur(_brightness_and_hue(_shrunk(frame, _GRID)), (_GRAIN, _GRAIN)) - colour
    plain = (np.abs(off).max(2) <= _ONE_COLOUR).astype(np.uint8)
    uneven = _unevenness(off[..., 0])
    _, parts, sizes, _ = cv2.connectedComponentsWithStats(plain, connectivity=4)
    plain = (plain.astype(bool) & (sizes[:, cv2.CC_STAT_AREA] >= _SPECKS)[parts]).astype(np.uint8)
    reach = 2 * round(_LETTERS * plain.shape[0] / 2) + 1
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    plain = cv2.morphologyEx(plain, cv2.MORPH_CLOSE, brush).astype(np.float32)
    _, parts, sizes, _ = cv2.connectedComponentsWithStats((plain == 0).astype(np.uint8))
    islands = np.clip(2 - sizes[:, cv2.CC_STAT_AREA] / (_SMALL * plain.size), 0, 1)
    plain = np.maximum(plain, islands.astype(np.float32)[parts])
    beyond = plain.mean() - min(_SOME + _UNEVEN * uneven, _MOST)
    even = (_SHADY - uneven) / (_SHADY - _EVEN)
    stays = float(np.clip(beyond / _MORE, 0, 1) * np.clip(even, 0, 1))
    if stays == 0:
        return None
    soft = cv2.blur(plain, (_SOFT, _SOFT)) * np.float32(stays)
    return cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR)


def _unevenness(off: np.ndarray) -> float:
    """The share of a ground that is shaded, by how far a picture's light is ``off`` it (H, W)."""
    edges = (np.abs(off) > _EDGE).astype(np.uint8)
    of_ground = (cv2.dilate(edges, np.ones((_BESIDE, _BESIDE))) == 0).astype(np.float32)
    around, off = (cv2.blur(part, (_WINDOW, _WINDOW)) for part in (of_ground, off * of_ground))
    shaded = of_ground * (np.abs(off) > _SHADED * around)
    return float(shaded.sum() / max(1.0, of_ground.sum()))


def _brightness_and_hue(frame: np.ndarray) -> np.ndarray:
    """Y, Cr and Cb (BT.601), (H, W, 3), all so that what is ``_ONE_COLOUR`` apart is alike.

    Of colours that is more, as videos have them at half size: they run beyond contours.
    """
    picture = frame.astype(np.float32) * np.float32(255 / np.iinfo(frame.dtype).max)
    return cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb) * np.array([1, _HUE, _HUE], np.float32)


def _few(picture: np.ndarray) -> np.ndarray:
    """Averages of squares of a picture (H, W, 3), some hundreds across: enough for statistics.

    OpenCV averages whole numbers of pixels in a tenth of the time that others take.
    """
    step = max(1, picture.shape[1] // _LOOKED_AT)
    height, width = (max(1, side // step) for side in picture.shape[:2])
    whole = picture[: height * step, : width * step]
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)


def _shrunk(frame: np.ndarray, width: int) -> np.ndarray:
    """A frame no wider than this."""
    scale = min(1.0, width / frame.shape[1])
    size = [max(1, round(side * scale)) for side in frame.shape[1::-1]]
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def median(picture: np.ndarray, width: int) -> np.ndarray:
    """The median of each channel in a window of odd ``width`` around each pixel.

    ``picture``: uint8, uint16 or float32 (H, W, 3); the result is the like. Borders are replicated.
    """
    if width <= _WIDEST or picture.dtype == np.uint8:
        return cv2.medianBlur(picture, width) if width > 1 else picture
    half = width // 2
    padded = np.pad(picture, ((half, half), (half, half), (0, 0)), "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (width, width), (0, 1))
    # Row by row, as all windows together are width² times the picture.
    filtered = [np.median(row.reshape(*row.shape[:2], -1), -1) for row in windows]
    return np.stack(filtered).astype(picture.dtype)


def as_output(stylized: Stylized, picture: np.ndarray, compare: bool, alpha: bool) -> np.ndarray:
    """A finished picture (H, W, 3), or 4 with alpha, as an output has it.

    ``compare``: source and picture side by side, (H, 2·W, C); without ``alpha`` on black, RGB.
    """
    if compare:
        source, mask = stylized.frame, stylized.mask
        if picture.shape[2] == 4 and mask is not None:
            source = np.dstack([source, mask])
        picture = np.hstack([source, picture])
    return picture if alpha or picture.shape[2] == 3 else on_black(picture)


def keep(
    folder: Path, wanted: Collection[str], stylized: Stylized, picture: np.ndarray, step: int
) -> None:
    """Write what is wanted of one frame: ``frames``, ``flow``, ``reliability``.

    Frames count from 1. With i the frame and j the one painted before it (i − 1, or i + 1 when
    working backward): ``out-<i>.png``; ``backward_i_j.flo`` and ``forward_j_i.flo`` (the names
    change places when j > i, as forward means towards later frames); ``reliable_i_j.pgm``. Those of
    a sphere's faces end in the face's name, as in ``reliable_2_1-front.pgm``.
    """
    folder.mkdir(exist_ok=True)
    i = stylized.index + 1
    j = i - step
    if "frames" in wanted:
        write_image(folder / f"out-{i:05d}.png", picture)
    motion = stylized.motion
    if motion is None:
        return
    if isinstance(motion, Motion):
        faces = {"": motion}
    else:
        assert isinstance(motion, Mapping)
        faces = {f"-{name}": of_face for name, of_face in motion.items()}
    here, there = ("backward", "forward") if step > 0 else ("forward", "backward")
    top, bottom, left, right = stylized.look.bars
    around = (top, bottom), (left, right)
    height, width = stylized.frame.shape[:2]
    for name, moved in faces.items():
        if stylized.seen is not None and not name:
            moved = moved.enlarged((height - top - bottom, width - left - right))
        if "flow" in wanted:
            # Bars stand still, and that is known.
            write_flo(folder / f"{here}_{i}_{j}{name}.flo", np.pad(moved.flow, (*around, (0, 0))))
            if moved.reverse is not None:
                reverse = resize_flow(moved.reverse, moved.flow.shape[:2])
                write_flo(folder / f"{there}_{j}_{i}{name}.flo", np.pad(reverse, (*around, (0, 0))))
        if "reliability" in wanted:
            known = np.pad(moved.reliability, around, constant_values=1)
            write_pgm(folder / f"reliable_{i}_{j}{name}.pgm", known)
