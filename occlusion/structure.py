"""How much texture a picture has around each pixel: whether a wrong flow would be seen there."""

import math
import threading

import cv2
import numpy as np

_SIGMA = 3.0  # rho of the structure tensor, in pixels
_BLOCK = 32  # rows


class _Scratch(threading.local):
    """Arrays that a thread uses again: getting fresh memory takes as long as the arithmetic."""

    def __init__(self) -> None:
        self._arrays: dict[str, np.ndarray] = {}

    def array(self, name: str, *shape: int) -> np.ndarray:
        """A float32 array with any content, the same one until another shape is asked for."""
        array = self._arrays.get(name)
        if array is None or array.shape != shape:
            array = self._arrays[name] = np.empty(shape, np.float32)
        return array


_scratch = _Scratch()


def structure_map(frame: np.ndarray) -> np.ndarray:
    """The smaller eigenvalue of the smoothed structure tensor, normalised to [0, 1].

    ``frame``: (H, W, 3), 0–255 (uint16 frames are scaled). Returns float32 (H, W); all NaN for a
    picture of one colour. Computed in float32 and in the order of the checker that comes with
    fast-artistic-videos (its function computeCorners), so that maps agree bit for bit.
    """
    height, width = frame.shape[:2]
    tensor = _scratch.array("tensor", 3, height, width)  # xx, yy, xy
    tensor[:] = 0
    product = _scratch.array("product", height, width)
    for channel in range(3):
        plane = cv2.extractChannel(frame, channel).astype(np.float32)
        if frame.dtype == np.uint16:
            plane *= np.float32(255 / 65535)
        dx, dy = derivative(plane, axis=1), derivative(plane, axis=0)
        for entry, (one, two) in zip(tensor, ((dx, dx), (dy, dy), (dx, dy)), strict=True):
            entry += np.multiply(one, two, product)
    turned = _scratch.array("turned", 3, width, height)
    for entry, entry_turned in zip(tensor, turned, strict=True):
        entry_turned[:] = cv2.transpose(entry)
    _smooth(turned, "along x")
    for entry, entry_turned in zip(tensor, turned, strict=True):
        entry[:] = cv2.transpose(entry_turned)
    _smooth(tensor, "along y")
    a, c, b = tensor
    mean = (a + c) * np.float32(0.5)
    radicand = mean * mean + b * b - a * c
    smaller = np.where(radicand < 0, np.float32(0), mean - np.sqrt(np.maximum(radicand, 0)))
    return _normalize(smaller)


def derivative(values: np.ndarray, axis: int) -> np.ndarray:
    """Central difference (f(x+1) − f(x−1)) / 2 of float32 (H, W); the border is repeated."""
    result = np.empty_like(values)
    source, target = np.moveaxis(values, axis, 0), np.moveaxis(result, axis, 0)
    np.subtract(source[2:], source[:-2], out=target[1:-1])
    target[0] = source[min(1, len(source) - 1)] - source[0]
    target[-1] = source[-1] - source[max(0, len(source) - 2)]
    result *= np.float32(0.5)
    return result


def _smooth(planes: np.ndarray, name: str) -> None:
    """Recursive smoothing along the second axis (Deriche 1990), float32 (3, N, M), in place.

    The sum of a causal and an anticausal second-order filter. Both have the same feedback, so
    they run side by side, the second one on the reversed signal. ``name``: of the scratch array.
    """
    _, n, m = planes.shape
    f = planes.transpose(1, 0, 2)
    alpha = np.float32(2.5 / (math.sqrt(math.pi) * _SIGMA))
    e = np.exp(-alpha)
    e2, e_twice = e * e, np.float32(2) * e
    k = (1 - e) * (1 - e) / (1 + 2 * alpha * e - e2)
    before, after = e * (alpha - 1), e * (alpha + 1)
    half = np.float32(0.5)
    # v[i] holds element i of the causal and element n−1−i of the anticausal filter.
    v = _scratch.array(name, n, 2, 3, m)
    v[0, 0] = (half - k * before) * f[0]
    v[0, 1] = (half + k * before) * f[-1]
    if n > 1:
        v[1, 0] = k * (f[1] + before * f[0]) + (e_twice - e2) * v[0, 0]
        v[1, 1] = k * (after - e2) * f[-1] + (e_twice - e2) * v[0, 1]
    # NumPy multiplies by an array without dimensions faster than by a scalar.
    k, before, after, e2, e_twice = (np.array(c) for c in (k, before, after, e2, e_twice))
    # What does not depend on results is done for a block of rows at once, few enough to stay in
    # the processor's cache until the rows are filtered one after the other.
    reversed_f, rows = f[::-1], list(v)
    products = np.empty((_BLOCK, 3, m), np.float32)
    feedback = np.empty((2, 3, m), np.float32)
    for start in range(2, n, _BLOCK):
        end = min(start + _BLOCK, n)
        block, product = v[start:end], products[: end - start]
        causal, anticausal = block[:, 0], block[:, 1]
        np.multiply(f[start - 1 : end - 1], before, causal)
        np.add(causal, f[start:end], causal)
        np.multiply(reversed_f[start - 1 : end - 1], after, anticausal)
        np.multiply(reversed_f[start - 2 : end - 2], e2, product)
        np.subtract(anticausal, product, anticausal)
        np.multiply(block, k, block)
        for row, last, before_last in zip(
            rows[start:end], rows[start - 1 :], rows[start - 2 :], strict=False
        ):
            np.multiply(last, e_twice, feedback)
            np.add(row, feedback, row)
            np.multiply(before_last, e2, feedback)
            np.subtract(row, feedback, row)
    np.add(v[:, 0], v[::-1, 1], f)


def _normalize(values: np.ndarray) -> np.ndarray:
    """Scale to [0, 1] by the extremes that the original program finds.

    It looks for a new minimum only where there is no new maximum, so values of an initial rise
    do not count as minima.
    """
    flat = values.ravel()
    highest = np.maximum.accumulate(flat)
    rising = np.ones(flat.size, bool)
    np.greater(flat[1:], highest[:-1], out=rising[1:])
    others = flat[~rising]
    lowest = others.min() if others.size else np.float32(30000)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (values - lowest) * (np.float32(1) / (highest[-1] - lowest))
