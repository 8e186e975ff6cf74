"""Does a result still show the source, and does it look like the painting?

A constant picture has no temporal error at all, so a temporal error says little without these.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from skimage.metrics import structural_similarity
from torch import Tensor

from brushflow.common.errors import UsageError
from brushflow.evaluation.flicker import luminance
from brushflow.flow.types import Frame
from brushflow.models import preprocess
from brushflow.models.loss_network import LossNetwork, gram_matrix

CONTENT_LAYERS = ("relu3_3",)
_WINDOW = 7  # pixels, of scikit-image's SSIM
STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3")


class Perceptual:
    """Content and style loss by VGG features (Gatys et al. 2016, Johnson et al. 2016).

    Pictures are in network space (BGR, 0–255, minus the mean), as in fast-artistic-videos, whose
    evaluation also multiplies with its loss weights; here these are 1.

    Args:
        weights: file with the loss network's weights, see ``models.loss_network``.
        painting: RGB uint8 (h, w, 3) in the size that the style is meant at, None: content only.
        content_layers, style_layers: names such as "relu3_3".
    """

    def __init__(
        self,
        weights: Path | str,
        painting: Frame | None = None,
        content_layers: Sequence[str] = CONTENT_LAYERS,
        style_layers: Sequence[str] = STYLE_LAYERS,
        device: torch.device | str = "cpu",
    ) -> None:
        self.content_layers = tuple(content_layers)
        self.style_layers = tuple(style_layers) if painting is not None else ()
        layers = dict.fromkeys((*self.content_layers, *self.style_layers))
        self.network = LossNetwork(weights, tuple(layers)).to(device).eval()
        self.device = device
        self.targets = self._grams(self.features(painting)) if painting is not None else {}

    @torch.inference_mode()
    def features(self, frame: Frame) -> dict[str, Tensor]:
        """The activations of a frame, which may be used for several comparisons."""
        return self.network(preprocess(frame, self.device))

    @torch.inference_mode()
    def content(self, features: dict[str, Tensor], source: dict[str, Tensor]) -> float:
        """Σ over content layers of the mean of (φ(y) − φ(x))², ≥ 0."""
        return sum(float(F.mse_loss(features[n], source[n])) for n in self.content_layers)

    @torch.inference_mode()
    def style(self, features: dict[str, Tensor]) -> float:
        """Σ over style layers of the mean of (G(φ(y)) − G(φ(painting)))², ≥ 0.

        G(φ) = φ·φᵀ / (C·H·W), the Gram matrix.
        """
        grams = self._grams(features)
        return sum(float(F.mse_loss(grams[n], self.targets[n])) for n in self.style_layers)

    def _grams(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: gram_matrix(features[name]) for name in self.style_layers}


def edge_map(frame: Frame) -> np.ndarray:
    """Strength of the edges of an RGB frame: |∇Y| by Sobel's filter; float32 (H, W) in [0, 1]."""
    y = luminance(frame)
    # A step from black to white gives 4, and at a corner at most 4.5 or so.
    dx, dy = (cv2.Sobel(y, cv2.CV_32F, *order, scale=0.25) for order in ((1, 0), (0, 1)))
    return np.minimum(np.hypot(dx, dy), 1)


def edge_similarity(edges: np.ndarray, source_edges: np.ndarray) -> float:
    """SSIM (Wang et al. 2004) of two edge maps (H, W) in [0, 1]: from −1 to 1, which is equal.

    Comparing edges instead of pictures forgives new colours and asks whether shapes are kept.
    scikit-image's SSIM with 7×7 windows and data range 1. UsageError for smaller pictures.
    """
    if min(edges.shape) < _WINDOW:
        raise UsageError(
            f"Faithfulness needs pictures of at least {_WINDOW} pixels a side.", about="too_small"
        )
    return float(structural_similarity(edges, source_edges, data_range=1.0, win_size=_WINDOW))


def light_order(painting: Frame, frame: Frame) -> float:
    """Spearman's rank correlation of two pictures' luminance, both shrunk to 1/16, in [−1, 1].

    1 where what is lighter in the source is lighter in the painting, whatever its palette; 0 if
    either is of one grey, which has no order.
    """
    ranks = []
    for picture in (painting, frame):
        height, width = (max(1, side // 16) for side in picture.shape[:2])
        small = cv2.resize(luminance(picture), (width, height), interpolation=cv2.INTER_AREA)
        # Equal greys have equal means but for rounding, and one rank.
        ranks.append(rankdata(small.ravel().round(5)))
    if any(np.ptp(of_one) == 0 for of_one in ranks):
        return 0.0
    return float(np.corrcoef(ranks)[0, 1])
