"""LPIPS: how different two pictures look, learnt from people's judgements.

Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018,
version 0.1: features normalized along channels, squared differences weighted by a linear layer,
averaged over the picture, and summed over layers.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from brushflow.common.downloads import download_file
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.tensor_files import read_weights
from brushflow.common.torchvision_import import import_torchvision
from brushflow.flow.types import Frame

# The modules of torchvision's ``features`` after which activations are compared.
_TAPS = {
    "squeezenet1_1": (1, 4, 7, 9, 10, 11, 12),
    "alexnet": (1, 4, 7, 9, 11),
    "vgg16": (3, 8, 15, 22, 29),
}
# Mean and deviation of ImageNet for pictures in [−1, 1].
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
SMALLEST_SIDE = 32

# Networks by the authors' names: torchvision's weights, and the first digits of the SHA-256 of the
# linear layers.
PUBLISHED = {
    "squeeze": ("SqueezeNet1_1_Weights", "4a5350f2"),
    "alex": ("AlexNet_Weights", "df73285e"),
    "vgg": ("VGG16_Weights", "a78928a0"),
}
_LINEAR = (
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/"
)


class Lpips:
    """The distance of two pictures, ≥ 0; 0 for equal ones, about 0.7 for unrelated ones.

    Args:
        weights: "squeeze", "alex" or "vgg", downloaded on first use, or two files: ImageNet
            weights of SqueezeNet 1.1, AlexNet or VGG-16 under torchvision's names
            (``features.0.weight``, …), .safetensors or .pth; and the linear layers published
            with LPIPS v0.1 for that network (``lin0.model.1.weight`` and so on).

    Raises:
        UsageError: another name.
        BrushflowError: files that cannot be downloaded or read, or do not hold these weights.
    """

    def __init__(
        self,
        weights: str | tuple[Path | str, Path | str],
        device: torch.device | str = "cpu",
    ) -> None:
        network, linear = _downloaded(weights) if isinstance(weights, str) else weights
        state = read_weights(Path(network), "weights for LPIPS", prefix="features.")
        self.name = _recognize(state)
        if self.name is None:
            raise BrushflowError(
                f"{network} holds no weights for LPIPS: it needs those of torchvision's "
                f"{', '.join(_TAPS)}."
            )
        self.taps = _TAPS[self.name]
        features = getattr(import_torchvision("models"), self.name)(weights=None).features
        self.layers = features[: self.taps[-1] + 1]
        wanted = self.layers.state_dict()
        try:
            self.layers.load_state_dict({k: state[f"features.{k}"].float() for k in wanted})
            lines = read_weights(Path(linear), "weights for LPIPS", prefix="lin")
            self.weights = [
                lines[f"lin{i}.model.1.weight"].float().to(device) for i in range(len(self.taps))
            ]
        except (KeyError, RuntimeError) as error:
            raise BrushflowError(
                f"{network} and {linear} do not hold the weights of LPIPS with {self.name}."
            ) from error
        for layer in self.layers:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False
        self.layers.requires_grad_(False).eval().to(device)
        self.device = device
        self._check_channels(linear)

    @torch.inference_mode()
    def features(self, frame: Frame) -> list[Tensor]:
        """Normalized activations of an RGB frame, which may be used for several comparisons."""
        if min(frame.shape[:2]) < SMALLEST_SIDE:
            raise UsageError(
                f"LPIPS needs pictures of at least {SMALLEST_SIDE} pixels a side, not "
                f"{frame.shape[1]}×{frame.shape[0]}."
            )
        unit = np.ascontiguousarray(frame).astype(np.float32) * (2 / np.iinfo(frame.dtype).max) - 1
        x = torch.from_numpy(unit).to(self.device).permute(2, 0, 1)[None]
        shift, scale = (x.new_tensor(values).view(1, 3, 1, 1) for values in (_SHIFT, _SCALE))
        x = (x - shift) / scale
        activations = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in self.taps:
                length = x.square().sum(dim=1, keepdim=True).sqrt()
                activations.append(x / (length + 1e-10))
        return activations

    @torch.inference_mode()
    def distance(self, features: list[Tensor], others: list[Tensor]) -> float:
        """Σ over layers of the mean over places of Σ_c w_c (a_c − b_c)²."""
        return sum(
            float(((a - b).square() * w).sum(dim=1).mean())
            for a, b, w in zip(features, others, self.weights, strict=True)
        )

    def __call__(self, frame: Frame, other: Frame) -> float:
        """The distance of two RGB frames of one size, uint8 or uint16."""
        return self.distance(self.features(frame), self.features(other))

    def _check_channels(self, linear: Path | str) -> None:
        probe = self.features(np.zeros((SMALLEST_SIDE * 2, SMALLEST_SIDE * 2, 3), np.uint8))
        for activation, weight in zip(probe, self.weights, strict=True):
            if weight.shape != (1, activation.shape[1], 1, 1):
                raise BrushflowError(
                    f"{linear} holds linear layers of another network than {self.name}; "
                    "take those published for it."
                )


def _downloaded(name: str) -> tuple[Path, Path]:
    if name not in PUBLISHED:
        raise UsageError(
            f"There is no LPIPS network {name!r}; there are {', '.join(PUBLISHED)}.", about="lpips"
        )
    weights, digest = PUBLISHED[name]
    network = getattr(import_torchvision("models"), weights).IMAGENET1K_V1.url
    linear = f"lpips-v0.1-{name}-{digest}.pth"
    return (
        download_file(network, "weights for LPIPS", "lpips"),
        download_file(f"{_LINEAR}{name}.pth", "weights for LPIPS", "lpips", linear),
    )


def _recognize(state: dict[str, Tensor]) -> str | None:
    first = state.get("features.0.weight")
    if first is None:
        return None
    if "features.12.expand1x1.weight" in state:
        return "squeezenet1_1"
    if first.shape == (64, 3, 11, 11):
        return "alexnet"
    # Not VGG-19, whose third block has a fourth convolution at 16.
    return "vgg16" if "features.17.weight" in state else None
