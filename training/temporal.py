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
DIFFERENCE_LAYER = "relu3_3"  # whose changes c-fdb compares
NOISE_DENSITY = 20_000 / 256**2  # picks a pixel: the published number at the published size


@dataclass(frozen=True)
class Means:
    """What a temporal loss may use beside the painted steps.

    ``criterion``: of ``CRITERIA``; ``features``: layers of the loss network by name, of pictures
    (N, 3, H, W); ``noise``: ``noise_loss`` of a step, as the options have it.
    """

    criterion: str
    features: Callable[[Tensor], dict[str, Tensor]]
    noise: Callable[[Step], Tensor]


class TemporalLoss:
    """Compares every step with the one before it; of a sequence it is the mean, a scalar.

    ``weight``: as published; ``layers``: those of the loss network that it needs. This one finds
    nothing to compare.
    """

    weight = 0.0
    layers: tuple[str, ...] = ()

    def __call__(self, steps: list[Step], means: Means) -> Tensor:
        """Of painted steps in order; 0 where there is only one."""
        losses = [self.compare(before, step, means) for before, step in pairwise(steps)]
        return torch.stack(losses).mean() if losses else steps[0].output.new_zeros(())

    def compare(self, before: Step, step: Step, means: Means) -> Tensor:
        """Of a step and the one before it, a scalar."""
        return step.output.new_zeros(())


class PixelLoss(TemporalLoss):
    """criterion(c·output, c·prior), a mean over all samples (Ruder et al. 2018, eq. 9)."""

    weight = 50.0  # 100 in mixed training

    def compare(self, before: Step, step: Step, means: Means) -> Tensor:
        criterion = CRITERIA[means.criterion]
        return criterion(step.output * step.certainty, step.prior * step.certainty)


class OpticalFlowLoss(TemporalLoss):
    """Σ((output − prior)·m)² / Σm for each sequence, their mean (OFB; REFERENCE F2).

    m is the certainty before the min filter, counted for each of the three channels. The prior,
    which is warped, takes no gradient. Here the earlier painting is warped to the later one, there
    the later one back.
    """

    weight = 400.0

    def compare(self, before: Step, step: Step, means: Means) -> Tensor:
        mask = step.reliable.expand_as(step.output)
        error = ((step.output - step.prior.detach()) * mask).square().sum(dim=(1, 2, 3))
        return (error / mask.sum(dim=(1, 2, 3)).clamp(min=1)).mean()


class PixelDifferenceLoss(TemporalLoss):
    """MSE of (output change, input change): P-FDB (Xu et al. 2021; REFERENCE F2)."""

    weight = 400.0

    def compare(self, before: Step, step: Step, means: Means) -> Tensor:
        if before.frame.shape != step.frame.shape:  # a vr sequence has no change to speak of
            return step.output.new_zeros(())
        return F.mse_loss(step.output - before.output, step.frame - before.frame)


class CombinedDifferenceLoss(PixelDifferenceLoss):
    """P-FDB plus the mean absolute difference of feature changes: C-FDB (Xu et al. 2021)."""

    weight = 10.0  # and 600 for the features
    layers = (DIFFERENCE_LAYER,)

    def compare(self, before: Step, step: Step, means: Means) -> Tensor:
        if before.frame.shape != step.frame.shape:
            return step.output.new_zeros(())

        def features(picture: Tensor) -> Tensor:
            return means.features(picture)[DIFFERENCE_LAYER]

        with torch.no_grad():
            wanted = features(step.frame) - features(before.frame)
        found = features(step.output) - features(before.output)
        of_pixels = super().compare(before, step, means)
        return of_pixels + FEATURE_SHARE * F.l1_loss(found, wanted)


class NoiseLoss(TemporalLoss):
    """``noise_loss`` of the last step, which is no comparison of steps.

    Published for another range of values: here it weighs as much as the pixel loss, which is the
    same distance.
    """

    weight = 50.0

    def __call__(self, steps: list[Step], means: Means) -> Tensor:
        return means.noise(steps[-1])


# By their names in options; help texts and checks read them here.
TEMPORAL_LOSSES: dict[str, type[TemporalLoss]] = {
    "pixel": PixelLoss,
    "ofb": OpticalFlowLoss,
    "p-fdb": PixelDifferenceLoss,
    "c-fdb": CombinedDifferenceLoss,
    "noise": NoiseLoss,
    "none": TemporalLoss,
}


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
