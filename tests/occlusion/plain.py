"""The checkers of fast-artistic-videos and artistic-videos, pixel by pixel in float32.

Slow and plain on purpose: what the library's maps are held against.
"""

import math

import numpy as np

f32 = np.float32


def mirrored(i, n):
    """Index at a border that repeats the edge: −1 is 0, n is n − 1."""
    return -1 - i if i < 0 else 2 * n - 1 - i if i >= n else i


def central_difference(plane, x, y, axis):
    h, w = plane.shape
    if axis == "x":
        return f32(0.5) * (plane[y, mirrored(x + 1, w)] - plane[y, mirrored(x - 1, w)])
    return f32(0.5) * (plane[mirrored(y + 1, h), x] - plane[mirrored(y - 1, h), x])


def smooth_line(f):
    n = len(f)
    alpha = f32(2.5 / (math.sqrt(math.pi) * 3.0))
    e = np.exp(-alpha)
    e2, e_twice = e * e, f32(2) * e
    k = (1 - e) * (1 - e) / (1 + 2 * alpha * e - e2)
    m, q = e * (alpha - 1), e * (alpha + 1)
    v, w = np.zeros(n, f32), np.zeros(n, f32)
    v[0] = (f32(0.5) - k * m) * f[0]
    v[1] = k * (f[1] + m * f[0]) + (e_twice - e2) * v[0]
    for i in range(2, n):
        v[i] = k * (f[i] + m * f[i - 1]) + e_twice * v[i - 1] - e2 * v[i - 2]
    w[n - 1] = (f32(0.5) + k * m) * f[n - 1]
    w[n - 2] = k * (q - e2) * f[n - 1] + (e_twice - e2) * w[n - 1]
    for i in range(n - 3, -1, -1):
        w[i] = k * (q * f[i + 1] - e2 * f[i + 2]) + e_twice * w[i + 1] - e2 * w[i + 2]
    return v + w


def structure(image):
    h, w = image.shape[:2]
    xx, yy, xy = (np.zeros((h, w), f32) for _ in range(3))
    for channel in range(3):
        plane = image[..., channel].astype(f32)
        for y in range(h):
            for x in range(w):
                dx = central_difference(plane, x, y, "x")
                dy = central_difference(plane, x, y, "y")
                xx[y, x] += dx * dx
                yy[y, x] += dy * dy
                xy[y, x] += dx * dy
    for plane in (xx, yy, xy):
        for y in range(h):
            plane[y] = smooth_line(plane[y])
        for x in range(w):
            plane[:, x] = smooth_line(plane[:, x])
    result = np.zeros((h, w), f32)
    for y in range(h):
        for x in range(w):
            a, b, c = xx[y, x], xy[y, x], yy[y, x]
            t = f32(0.5) * (a + c)
            radicand = t * t + b * b - a * c
            result[y, x] = 0 if radicand < 0 else t - np.sqrt(radicand)
    highest, lowest = f32(-30000), f32(30000)
    for value in result.ravel():
        if value > highest:
            highest = value
        elif value < lowest:
            lowest = value
    return (result - lowest) * (f32(1) / (highest - lowest))


def check(flow, reverse, image=None, rule="fast"):
    """The map as grey levels 0–255, float32 (H, W)."""
    h, w = flow.shape[:2]
    s = structure(image) if image is not None and rule == "fast" else None
    mean = s.mean(dtype=np.float64).astype(f32) if s is not None else None
    levels = np.full((h, w), 255, f32)
    for y in range(h):
        for x in range(w):
            u, v = flow[y, x]
            bx, by = f32(x) + u, f32(y) + v
            x1, y1 = math.floor(bx), math.floor(by)
            if x1 < 0 or x1 + 1 >= w or y1 < 0 or y1 + 1 >= h:
                levels[y, x] = 0
                continue
            right, below = bx - f32(x1), by - f32(y1)
            upper = (1 - right) * reverse[y1, x1] + right * reverse[y1, x1 + 1]
            lower = (1 - right) * reverse[y1 + 1, x1] + right * reverse[y1 + 1, x1 + 1]
            u2, v2 = (1 - below) * upper + below * lower
            cx, cy = bx + u2 - f32(x), by + v2 - f32(y)
            limit = f32(0.01) * ((u * u + v * v) + (u2 * u2 + v2 * v2))
            if s is not None:
                limit += f32(4) / mean * max(f32(0), mean / 2 - s[y, x])
            limit += f32(0.5)
            if cx * cx + cy * cy >= limit:
                levels[y, x] = 0 if rule == "fast" else -255
                continue
            energy = sum(
                central_difference(flow[..., c], x, y, axis) ** 2 for axis in "xy" for c in (0, 1)
            )
            if rule == "slow" and energy > f32(0.01) * (u * u + v * v) + f32(0.002):
                levels[y, x] = 0
    if rule == "fast":
        return levels
    taps = [math.exp(-(i * i) / (2 * 0.8**2)) for i in range(-2, 3)]
    total = sum(taps)
    for axis in (1, 0):
        moved = np.moveaxis(levels.copy(), axis, 0)
        n = len(moved)
        out = np.zeros_like(moved)
        for i in range(n):
            for j, tap in zip(range(-2, 3), taps, strict=True):
                out[i] += f32(tap / total) * moved[mirrored(i + j, n)]
        levels = np.moveaxis(out, 0, axis)
    return np.clip(levels, 0, 255)
