"""What every painted frame is trained for: content, style, smoothness, range."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from brushflow.errors import UsageError
from brushflow.models.loss_network import LossNetwork, gram_matrix, spatial_mean
from brushflow.models.preprocessing import to_rgb

STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {"gram": gram_matrix, "mean": spatial_mean}


class PerceptualLoss:
    """Content and style by VGG features (Johnson et al. 2016, sec. 3.2; REFERENCE E6).

    Content: weighted sum over layers of the mean squared error of features. Style: weighted sum
    over layers of the mean squared error of Gram matrices (or of spatial means), at each of
    several scales: pictures and paintings are also compared at half size and less, where the same
    layers see strokes twice as large.

    Args:
        network: gives the features of all layers named here.
        content: weight by layer; style: weight by layer.
        paintings: network space, (1, 3, H, W) each; ``blend``: their shares of the style.
        scales: how many sizes style is compared at.
        statistic: "gram" or "mean".
    """

    def __init__(
        self,
        network: LossNetwork,
        content: dict[str, float],
        style: dict[str, float],
        paintings: Sequence[Tensor],
        blend: Sequence[float],
        scales: int = 1,
        statistic: str = "gram",
    ) -> None:
        self.network = network
        self.content = content
        self.style = style
        self.statistic = STATISTICS[statistic]
        share = torch.tensor(blend) / sum(blend)
        self.targets: list[dict[str, Tensor]] = [{} for _ in range(scales)]
        with torch.no_grad():
            for weight, painting in zip(share.tolist(), paintings, strict=True):
                for target, features in zip(
                    self.targets, self._pyramid(painting, scales), strict=True
                ):
                    for name in style:
                        part = weight * self.statistic(features[name])
                        target[name] = target.get(name, 0) + part

    def __call__(self, output: Tensor, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Content and style loss (scalars) of output (N, 3, H, W) for the content ``frame``."""
        with torch.no_grad():
            wanted = self.network(frame, list(self.content))
        pyramid = self._pyramid(output, len(self.targets))
        content = output.new_zeros(())
        for name, weight in self.content.items():
            content = content + weight * F.mse_loss(pyramid[0][name], wanted[name])
        style = output.new_zeros(())
        for features, targets in zip(pyramid, self.targets, strict=True):
            for name, weight in self.style.items():
                found = self.statistic(features[name])
                style = style + weight * F.mse_loss(found, targets[name].expand_as(found))
        return content, style

    def _pyramid(self, picture: Tensor, scales: int) -> list[dict[str, Tensor]]:
        levels = []
        for _ in range(scales):
            levels.append(self.network(picture))
            picture = F.avg_pool2d(picture, 2)
        return levels


def layer_weights(layers: Sequence[str], weights: Sequence[float], option: str) -> dict[str, float]:
    """One weight for each layer; a single one counts for all. UsageError names ``option``."""
    if len(weights) not in (1, len(layers)):
        raise UsageError(
            f"{option} has {len(weights)} values for {len(layers)} layers; give one for all, or "
            f"one for each."
        )
    return dict(zip(layers, weights * len(layers) if len(weights) == 1 else weights, strict=True))


def total_variation(output: Tensor) -> Tensor:
    """Half the sum of squared differences of neighbours, per picture of the batch (E6)."""
    right = output[..., :-1, 1:] - output[..., :-1, :-1]
    below = output[..., 1:, :-1] - output[..., :-1, :-1]
    return (right.square().sum() + below.square().sum()) / (2 * output.shape[0])


def range_penalty(output: Tensor) -> Tensor:
    """Mean squared distance of the picture's samples from 0–255.

    The last layer's tanh has no gradient once saturated; this keeps the picture away from there,
    and what a player clips would be lost anyway.
    """
    rgb = to_rgb(output)
    return (F.relu(rgb - 255).square() + F.relu(-rgb).square()).mean()
