"""The temporal losses of the field: what makes neighbouring frames agree.

All take the painted steps of a sequence in order and compare each with the one before it; a
single picture has no temporal loss, except for ``noise``. Pictures are in network space (0–255).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from brushflow.models.preprocessing import VGG_MEAN_BGR
from brushflow.training.unroll import Network, Step

CRITERIA: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l2": F.mse_loss,
    "l1": F.l1_loss,
    "smooth-l1": F.smooth_l1_loss,
}
FEATURE_SHARE = 60.0  # of the features' term in c-fdb against the pixels' term
NOISE_DENSITY = 20_000 / 256**2  # picks a pixel: the published number at the published size

Features = Callable[[Tensor], Tensor]


def temporal_loss(kind: str, steps: list[Step], criterion: str, features: Features) -> Tensor:
    """Mean over the steps after the first of the loss ``kind``, a scalar; 0 without such steps.

    ``features`` gives the layer that c-fdb compares. ``noise`` is ``noise_loss``, not here.
    """
    losses = [TEMPORAL_LOSSES[kind].compare(a, b, criterion, features) for a, b in pairwise(steps)]
    return torch.stack(losses).mean() if losses else steps[0].output.new_zeros(())


def pixel_loss(before: Step, step: Step, criterion: str, features: Features) -> Tensor:
    """criterion(c·output, c·prior), a mean over all samples (Ruder et al. 2018, eq. 9)."""
    return CRITERIA[criterion](step.output * step.certainty, step.prior * step.certainty)


def optical_flow_loss(before: Step, step: Step, criterion: str, features: Features) -> Tensor:
    """Σ((output − prior)·m)² / Σm for each sequence, their mean (OFB; REFERENCE F2).

    m is the certainty before the min filter, counted for each of the three channels. The prior,
    which is warped, takes no gradient. Here the earlier painting is warped to the later one, there
    the later one back.
    """
    mask = step.reliable.expand_as(step.output)
    error = ((step.output - step.prior.detach()) * mask).square().sum(dim=(1, 2, 3))
    return (error / mask.sum(dim=(1, 2, 3)).clamp(min=1)).mean()


def pixel_difference_loss(before: Step, step: Step, criterion: str, features: Features) -> Tensor:
    """MSE of (output change, input change): P-FDB (Xu et al. 2021; REFERENCE F2)."""
    if before.frame.shape != step.frame.shape:  # a vr sequence has no change to speak of
        return step.output.new_zeros(())
    return F.mse_loss(step.output - before.output, step.frame - before.frame)


def combined_difference_loss(
    before: Step, step: Step, criterion: str, features: Features
) -> Tensor:
    """P-FDB plus the mean absolute difference of feature changes: C-FDB (Xu et al. 2021)."""
    if before.frame.shape != step.frame.shape:
        return step.output.new_zeros(())
    with torch.no_grad():
        wanted = features(step.frame) - features(before.frame)
    found = features(step.output) - features(before.output)
    return pixel_difference_loss(before, step, criterion, features) + FEATURE_SHARE * F.l1_loss(
        found, wanted
    )


def noise_loss(
    network: Network, step: Step, seed: list[int], per_picture: int | None, reach: float
) -> Tensor:
    """MSE(network(frame), network(frame + noise)); only the noisy branch learns (REFERENCE G).

    All else that the network sees stays the same. ``seed`` decides the noise: ``per_picture`` times
    (None: as densely as published) a pixel is picked, and its channels change by up to ``reach``
    grey levels each, as far as there are any.
    """
    frame = step.frame
    count, channels, height, width = frame.shape
    size = height * width
    picks = round(NOISE_DENSITY * size) if per_picture is None else per_picture
    random = np.random.default_rng(seed)
    noise = np.empty((count, channels, size), np.float32)
    for picture in noise:
        places = random.integers(0, size, picks)
        for channel in picture:  # a pixel picked twice is changed twice
            channel[:] = np.bincount(places, random.uniform(-reach, reach, picks), size)
    noisy = frame + torch.from_numpy(noise).to(frame.device).view_as(frame)
    mean = frame.new_tensor(VGG_MEAN_BGR)[:, None, None]
    noisy = torch.minimum(torch.maximum(noisy, -mean), 255 - mean)
    output = network(torch.cat([noisy, step.seen[:, 3:]], 1))
    return F.mse_loss(output.float(), step.output.detach())


def _nothing(before: Step, step: Step, criterion: str, features: Features) -> Tensor:
    return step.output.new_zeros(())


@dataclass(frozen=True)
class TemporalLoss:
    """How a step is compared with the one before it, and the ``weight`` as published."""

    compare: Callable[[Step, Step, str, Features], Tensor]
    weight: float


# Ruder et al. 2018 (50; 100 in mixed training), Xu et al. 2021 (400, 400, and 10 with 600 for the
# features). Noise losses are published for another range of values: here it weighs as much as the
# pixel loss, which is the same distance, and it is no comparison of steps.
TEMPORAL_LOSSES = {
    "pixel": TemporalLoss(pixel_loss, 50.0),
    "ofb": TemporalLoss(optical_flow_loss, 400.0),
    "p-fdb": TemporalLoss(pixel_difference_loss, 400.0),
    "c-fdb": TemporalLoss(combined_difference_loss, 10.0),
    "noise": TemporalLoss(_nothing, 50.0),
    "none": TemporalLoss(_nothing, 0.0),
}
