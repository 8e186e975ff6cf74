"""What the network is trained for: content, style, stability, smoothness, range."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from brushflow.models.loss_network import LossNetwork, gram_matrix
from brushflow.models.preprocessing import to_rgb


class PerceptualLoss:
    """Content and style by VGG features (Johnson et al. 2016, sec. 3.2).

    Content: mean squared error of the features of one layer. Style: sum over layers of the mean
    squared error of Gram matrices, at each of several scales: pictures and painting are also
    compared at half size and less, where the same layers see strokes twice as large.
    """

    def __init__(
        self,
        network: LossNetwork,
        content_layer: str,
        style_layers: Sequence[str],
        painting: Tensor,
        scales: int,
    ) -> None:
        """``painting``: network space (1, 3, H, W)."""
        self.network = network
        self.content_layer = content_layer
        self.style_layers = tuple(style_layers)
        with torch.no_grad():
            self.targets = [
                {name: gram_matrix(features[name]) for name in self.style_layers}
                for features in self._pyramid(painting, scales)
            ]

    def __call__(self, output: Tensor, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Content and style loss (scalars) of output (N, 3, H, W) for the content ``frame``."""
        with torch.no_grad():
            wanted = self.network(frame)[self.content_layer]
        pyramid = self._pyramid(output, len(self.targets))
        content = F.mse_loss(pyramid[0][self.content_layer], wanted)
        style = output.new_zeros(())
        for features, targets in zip(pyramid, self.targets, strict=True):
            for name in self.style_layers:
                gram = gram_matrix(features[name])
                style = style + F.mse_loss(gram, targets[name].expand_as(gram))
        return content, style

    def _pyramid(self, picture: Tensor, scales: int) -> list[dict[str, Tensor]]:
        levels = []
        for _ in range(scales):
            levels.append(self.network(picture))
            picture = F.avg_pool2d(picture, 2)
        return levels


def temporal_loss(output: Tensor, prior: Tensor, certainty: Tensor) -> Tensor:
    """Mean over all samples of (c·output − c·prior)² (Ruder et al. 2018, eq. 9).

    ``prior`` is the earlier output warped to this frame, ``certainty`` (N, 1, H, W).
    """
    return F.mse_loss(output * certainty, prior * certainty)


def total_variation(output: Tensor) -> Tensor:
    """Half the sum of squared differences of neighbours, per picture of the batch."""
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
