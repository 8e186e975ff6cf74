"""Reliability by forward-backward consistency (Sundaram et al. 2010; Ruder et al. 2016)."""

import cv2
import numpy as np

from brushflow.common.errors import UsageError
from brushflow.occlusion.structure import derivative, structure_map

RULES = ("fast", "slow")
_BAND_PIXELS = 1 << 14
_HIDDEN = np.float32(-255)  # below 0, so that smoothing spreads it outwards


def reliability(
    flow: np.ndarray,
    reverse: np.ndarray,
    frame: np.ndarray | None = None,
    rule: str = "fast",
    structure: np.ndarray | None = None,
) -> np.ndarray:
    """Where ``flow`` can be believed.

    A pixel p is carried by the flow to b and by the reverse flow back to c. It is unreliable if
    it leaves the picture or |c − p|² ≥ 0.01 (|flow(p)|² + |reverse(b)|²) + 0.5.

    Rule "fast" is the checker of fast-artistic-videos: the map is 0 or 1, motion edges pass, and
    with ``frame`` the limit is raised where there is little texture. Rule "slow" is that of
    artistic-videos: motion edges are unreliable too, the map is smoothed, ``frame`` is not used.

    Args:
        flow: float32 (H, W, 2), (x, y) in pixels.
        reverse: float32 (H, W, 2), on the grid that ``flow`` points into.
        frame: (H, W, 3) uint8 or uint16 RGB, the frame that ``flow`` lives on.
        rule: "fast" or "slow".
        structure: ``structure_map`` of the frame, where it is known already.

    Returns:
        float32 (H, W) in [0, 1], 1 = reliable.

    Raises:
        UsageError: an unknown rule.
        ValueError: shapes that do not fit together.
    """
    if rule not in RULES:
        raise UsageError(f"There is no occlusion rule {rule!r}; choose {' or '.join(RULES)}.")
    if flow.shape != reverse.shape or (frame is not None and frame.shape[:2] != flow.shape[:2]):
        raise ValueError(f"flow {flow.shape}, reverse {reverse.shape} and frame do not fit")
    flow = np.ascontiguousarray(flow, np.float32)
    reverse = np.ascontiguousarray(reverse, np.float32)
    tolerance = None
    if frame is not None and rule == "fast":
        tolerance = _tolerance(structure_map(frame) if structure is None else structure)
    inside, inconsistent = _compare(flow, reverse, tolerance)
    if rule == "fast":
        return (inside & ~inconsistent).astype(np.float32)
    return _soft(flow, inside, inconsistent)


def _compare(
    flow: np.ndarray, reverse: np.ndarray, tolerance: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels stay in the picture, and which do not come back to where they were.

    In bands of rows whose temporary arrays stay in the cache: twice as fast as all at once.
    """
    height, width = flow.shape[:2]
    inside = np.empty((height, width), bool)
    inconsistent = np.empty((height, width), bool)
    # Interpolation asks for the neighbours of the last pixels too, where not inside.
    planes = np.zeros((2, height * width + width + 1), np.float32)
    planes[0, : height * width] = reverse[..., 0].ravel()
    planes[1, : height * width] = reverse[..., 1].ravel()
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        band = slice(top, min(top + rows, height))
        inside[band], inconsistent[band] = _compare_band(
            flow[band], planes, height, top, None if tolerance is None else tolerance[band]
        )
    return inside, inconsistent


@np.errstate(invalid="ignore", over="ignore")
def _compare_band(
    flow: np.ndarray, planes: np.ndarray, height: int, first: int, tolerance: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """``_compare`` for rows from ``first`` on, in float32 and in the order of the original."""
    width = flow.shape[1]
    u, v = np.ascontiguousarray(flow[..., 0]), np.ascontiguousarray(flow[..., 1])
    ax = np.arange(width, dtype=np.float32)
    ay = np.arange(first, first + len(flow), dtype=np.float32)[:, None]
    bx, by = ax + u, ay + v
    left, top = np.floor(bx), np.floor(by)
    # The pixel to the right and below takes part in the interpolation, so it must exist as well.
    # A flow that is not a number fails these comparisons and counts as outside.
    inside = (left >= 0) & (left < width - 1) & (top >= 0) & (top < height - 1)
    corner = np.where(inside, top, 0).astype(np.intp)
    corner *= width
    corner += np.where(inside, left, 0).astype(np.intp)
    back_u, back_v = (_bilinear(plane, width, corner, bx - left, by - top) for plane in planes)
    cx, cy = bx + back_u - ax, by + back_v - ay
    distance = cx * cx + cy * cy
    length = (u * u + v * v) + (back_u * back_u + back_v * back_v)
    limit = np.float32(0.01) * length
    if tolerance is not None:
        limit += tolerance
    limit += np.float32(0.5)
    return inside, distance >= limit


def _bilinear(
    plane: np.ndarray, width: int, corner: np.ndarray, to_right: np.ndarray, to_below: np.ndarray
) -> np.ndarray:
    """Interpolate a flat plane of rows of ``width``, x first. ``corner``: indices above left."""
    before, above = 1 - to_right, 1 - to_below
    # A view that begins later costs less than another sum of indices.
    upper = before * plane.take(corner) + to_right * plane[1:].take(corner)
    lower = before * plane[width:].take(corner) + to_right * plane[width + 1 :].take(corner)
    return above * upper + to_below * lower


def _tolerance(structure: np.ndarray) -> np.ndarray:
    """Squared pixels that the limit is raised by: 4/s̄ · max(0, s̄/2 − s), s̄ the mean of s.

    In a picture of one colour this is not a number, no distance exceeds it, and everything
    inside passes: no error of the flow can be seen there.
    """
    mean = structure.mean(dtype=np.float64).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.float32(4) / mean * np.maximum(np.float32(0), mean / 2 - structure)


def _soft(flow: np.ndarray, inside: np.ndarray, inconsistent: np.ndarray) -> np.ndarray:
    """Rule "slow": motion edges out, then a small Gaussian, then the range."""
    u, v = np.ascontiguousarray(flow[..., 0]), np.ascontiguousarray(flow[..., 1])
    energy = sum(derivative(plane, axis) ** 2 for axis in (1, 0) for plane in (u, v))
    edge = energy > np.float32(0.01) * (u * u + v * v) + np.float32(0.002)
    values = np.where(edge, np.float32(0), np.float32(255))
    values[inconsistent] = _HIDDEN
    values[~inside] = 0
    taps = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 0.8**2)).astype(np.float32)
    taps /= taps.sum()
    smooth = cv2.sepFilter2D(values, cv2.CV_32F, taps, taps, borderType=cv2.BORDER_REFLECT)
    return np.clip(smooth / np.float32(255), 0, 1)
