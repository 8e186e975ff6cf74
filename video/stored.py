"""From stored samples to an upright RGB picture, by plain arithmetic on the file's own tags.

This is how a player without any of our filters gets there; results are compared by it.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from brushflow.video.color import OWN_MATRICES
from brushflow.video.cropping import Borders

# Weights of red and blue in luma by H.273 code point; BT.601 and BT.709 stand in for what is open.
_LUMA = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
_MEASURED_PIXELS = 1 << 20


def orientation_of(frame: VideoFrame) -> tuple[bool, bool, bool]:
    """(transpose, then mirror left–right, then turn upside down) that the file asks for."""
    sides = cast(SideDataContainer, frame.side_data)  # which PyAV's own types call a dictionary
    found = [data for data in sides if data.type == Type.DISPLAYMATRIX]
    if not found:
        return False, False, False
    a, b, _, c, d = np.frombuffer(bytes(found[0]), np.int32)[:5].astype(int)
    if abs(a) >= abs(b):
        return False, bool(a < 0), bool(d < 0)
    return True, bool(c < 0), bool(b < 0)


def turn_name(orientation: tuple[bool, bool, bool]) -> str:
    """``"90°"`` and so on clockwise, ``"mirrored"``, or nothing for a picture stored upright."""
    names = {
        (False, False, False): "",
        (True, True, False): "90°",
        (False, True, True): "180°",
        (True, False, True): "270°",
    }
    return names.get(orientation, "mirrored")


def upright(rgb: np.ndarray, orientation: tuple[bool, bool, bool]) -> np.ndarray:
    """Turn a picture (H, W, 3) as ``orientation_of`` says."""
    transposed, mirrored, inverted = orientation
    if transposed:
        rgb = rgb.transpose(1, 0, 2)
    if mirrored:
        rgb = rgb[:, ::-1]
    return rgb[::-1] if inverted else rgb


def stored_to_rgb(frame: VideoFrame, stream: VideoStream) -> np.ndarray:
    """RGB, float (h, w, 3) in 0–255, of a frame as stored, on black; large ones are thinned out."""
    pixel = frame.format
    if pixel.is_rgb or pixel.has_palette or pixel.components[0].bits < 8:
        rgba = frame.to_ndarray(format="rgba").astype(np.float32)
        return rgba[..., :3] * (rgba[..., 3:] / 255)
    if not pixel.is_planar and len(pixel.components) > 1:
        has_alpha = any(component.is_alpha for component in pixel.components)
        frame = frame.reformat(format="yuva444p" if has_alpha else "yuv444p")
        pixel = frame.format
    samples = _components(frame)
    bits = pixel.components[0].bits
    full = stream.codec_context.color_range == 2 or pixel.name.startswith("yuvj")
    scale = (1 << bits) - 1 if full else 219 << (bits - 8)
    luma = (samples[0] - (0 if full else 16 << (bits - 8))) / scale
    if len(samples) < 3:
        rgb = np.repeat(luma[..., None], 3, 2)
    else:
        span = scale if full else 224 << (bits - 8)
        cb, cr = ((plane - (1 << (bits - 1))) / span for plane in samples[1:3])
        context = stream.codec_context
        matrix = context.colorspace
        if matrix == 2:  # unspecified
            matrix = OWN_MATRICES.get(context.codec.canonical_name, matrix)
        red, blue = _luma_weights(matrix, frame.width, frame.height)
        r = luma + 2 * (1 - red) * cr
        b = luma + 2 * (1 - blue) * cb
        rgb = np.stack([r, (luma - red * r - blue * b) / (1 - red - blue), b], 2)
    rgb = np.clip(rgb, 0, 1) * 255
    if len(samples) == 4:
        rgb *= (samples[3] / ((1 << bits) - 1))[..., None]
    return rgb


def without_borders(rgb: np.ndarray, borders: Borders, stored: tuple[int, int]) -> np.ndarray:
    """Cut borders, in pixels of a picture of ``stored`` (width, height), off (H, W, 3) of it."""
    height, width = rgb.shape[:2]
    left, top, right, bottom = borders
    across, down = width / stored[0], height / stored[1]
    rows = slice(round(top * down), height - round(bottom * down))
    return rgb[rows, round(left * across) : width - round(right * across)]


def _luma_weights(matrix: int, width: int, height: int) -> tuple[float, float]:
    hd = height >= 720 or width >= 1280
    return _LUMA.get(matrix) or _LUMA[1 if hd else 6]


def _components(frame: VideoFrame) -> list[np.ndarray]:
    """Every component at the same places: each of the pixels, or of a grid of them."""
    step = max(1, round((frame.width * frame.height / _MEASURED_PIXELS) ** 0.5))
    rows, columns = np.arange(0, frame.height, step), np.arange(0, frame.width, step)
    found = []
    for component in frame.format.components:
        plane = frame.planes[component.plane]
        kind = np.dtype("<u2" if component.bits > 8 else np.uint8)
        stored = np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)[:, : plane.width]
        if step == 1:  # small pictures may be all edges, where it matters how chroma is spread
            spread = cv2.resize(stored, (frame.width, frame.height), interpolation=cv2.INTER_LINEAR)
            found.append(spread.astype(np.float32))
            continue
        y = rows * plane.height // frame.height
        x = columns * plane.width // frame.width
        found.append(stored[np.ix_(y, x)].astype(np.float32))
    return found
