"""What a network sees of a frame, put together for painting and for training alike.

A network paints well what it has learned from, so both show it the same: the frame; the painting
before, moved to it, times the certainty; and the certainty (Ruder et al. 2018, sec. 5.1).
"""

import numpy as np
import torch
from torch import Tensor

from brushflow.models.preprocessing import from_rgb

FILLS = ("mean", "noise")  # what stands where nothing is certain


def input_for(
    channels: int,
    frame: Tensor,
    prior: Tensor | None = None,
    certainty: Tensor | None = None,
    before: Tensor | None = None,
    noise: np.random.Generator | None = None,
) -> Tensor:
    """What a network with so many input channels sees, (N, channels, H, W).

    Args:
        channels: 3, the frame alone; 6, also the painting before as it is (Xu et al. 2021); 7, also
            what is known of the frame's painting and how certain that is.
        frame: (N, 3, H, W) in network space, as all pictures are.
        prior, certainty: (N, 3, H, W), and (N, 1, H, W) in [0, 1]; None: nothing is known.
        before: (N, 3, H, W), zeros where there is none of the frame's size.
        noise: fills what is not certain, in place of the mean colour, which is 0.
    """
    if channels == 3:
        return frame
    if channels == 6:
        if before is None or before.shape != frame.shape:
            before = torch.zeros_like(frame)
        return torch.cat([frame, before], 1)
    if prior is None or certainty is None:
        prior, certainty = torch.zeros_like(frame), torch.zeros_like(frame[:, :1])
    known = prior * certainty
    if noise is not None:
        known = known + uniform_noise(frame, noise) * (1 - certainty)
    return torch.cat([frame, known, certainty], 1)


def uniform_noise(like: Tensor, random: np.random.Generator) -> Tensor:
    """Noise in network space of the shape and on the device of ``like``, (N, 3, H, W).

    In RGB it is uniform over all of 0–255, fractions and all, as the original programs fill.
    """
    rgb = random.random(tuple(like.shape), np.float32) * 255
    return from_rgb(torch.from_numpy(rgb)).to(like.device)
