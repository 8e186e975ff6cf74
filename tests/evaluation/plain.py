"""E_warp rewritten in float64 from its published definition, plainly: no PyTorch, no tricks."""

import numpy as np


def fetch(values, flow):
    """Bilinear samples of values (H, W, C) at p + flow(p); 0 outside."""
    height, width = flow.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y = x + flow[..., 0], y + flow[..., 1]
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    total = np.zeros((height, width, values.shape[2]))
    for j, i in ((0, 0), (0, 1), (1, 0), (1, 1)):
        column, row = left + i, top + j
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        weight = (1 - np.abs(x - column)) * (1 - np.abs(y - row)) * inside
        total += weight[..., None] * values[row.clip(0, height - 1), column.clip(0, width - 1)]
    return total


def mask(forward, backward):
    """1 where the pixel is visible, off motion boundaries and inside the picture."""
    height, width = forward.shape[:2]
    back = fetch(backward, forward)
    w2, b2 = (forward**2).sum(2), (back**2).sum(2)
    hidden = ((forward + back) ** 2).sum(2) > 0.01 * (w2 + b2) + 0.5
    gradient = np.zeros((height, width))
    gradient[:, :-1] += ((forward[:, 1:] - forward[:, :-1]) ** 2).sum(2)
    gradient[:-1] += ((forward[1:] - forward[:-1]) ** 2).sum(2)
    boundary = gradient > 0.01 * w2 + 0.002
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y = x + forward[..., 0], y + forward[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return (inside & ~hidden & ~boundary).astype(np.float64)


def e_warp(frame, following, forward, backward):
    """Of one pair of uint8 RGB frames with flow between them."""
    first, second = frame / 255.0, following / 255.0
    forward, backward = forward.astype(np.float64), backward.astype(np.float64)
    m = np.repeat(mask(forward, backward)[..., None], 3, axis=2)
    return (m * (fetch(second, forward) - first) ** 2).sum() / m.sum()
