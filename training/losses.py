"""What every painted frame is trained for: content, style, smoothness, range."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from brushflow.common.errors import UsageError
from brushflow.common.wording import counted
from brushflow.models.loss_network import LossNetwork, covariance, gram_matrix, spatial_mean
from brushflow.models.preprocessing import to_rgb

# What of a layer's features (N, C, H, W) is style: one or several tensors that are compared apart.
STATISTICS: dict[str, Callable[[Tensor], tuple[Tensor, ...]]] = {
    "gram": lambda features: (gram_matrix(features),),
    "mean": lambda features: (spatial_mean(features),),
    "moments": lambda features: (spatial_mean(features), covariance(features)),
}


_PLACE = 9  # pixels of a picture half as large, which is what an eye takes
_FAINT = 9.0  # squared grey levels; what has less of a variance is noise
_PERIOD = 4  # pixels of the picture for one where a network does most of its work
_CELLS = 8  # periods along each side in which a grid is looked for
_PICTURES = 20  # that count as those before: so many share a painting's dark and light

Place = tuple[str, int]  # a layer, and how many times the picture is shrunk before it is seen


class PerceptualLoss:
    """Content and style by VGG features (Johnson et al. 2016, sec. 3.2; REFERENCE E6).

    Content: weighted sum over places of the mean squared error of features. Style: weighted sum
    over places of the mean squared error of their statistics: Gram matrices, spatial means, or
    means and covariances, which tell palette and strokes apart (Kolkin et al. 2019). A place is a
    layer and a shrinking: on a picture a quarter as large the same layer sees strokes four times
    as wide (Wang et al. 2017).

    Args:
        network: gives the features of all layers named here.
        content: weight by place; style: weight by place.
        paintings: network space, (1, 3, H, W) each; ``blend``: their shares of the style.
        statistic: of ``STATISTICS``.
        relative: each error is a share of the mean square that the frame's features, or the
            painting's statistics, have at that place, and weights are shares of their sum. So
            all places count alike, and a weight means the same for every painting and judge.
        together: how far, from 0 to 1, a picture's statistics are judged together with those of
            the pictures before it, see ``remember``.
    """

    def __init__(
        self,
        network: LossNetwork,
        content: dict[Place, float],
        style: dict[Place, float],
        paintings: Sequence[Tensor],
        blend: Sequence[float],
        statistic: str = "gram",
        relative: bool = False,
        together: float = 0.0,
    ) -> None:
        self.network = network
        self.together = together
        self.memory: dict[Place, list[Tensor]] = {}
        self._found: defaultdict[Place, list[list[Tensor]]] = defaultdict(list)
        self.relative = relative
        self.content = _shares(content) if relative else content
        self.style = _shares(style) if relative else style
        self.statistic = STATISTICS[statistic]
        self.targets: dict[Place, list[Tensor]] = {}
        share = torch.tensor(blend) / sum(blend)
        with torch.no_grad():
            for weight, painting in zip(share.tolist(), paintings, strict=True):
                for place, features in self._features(painting, style).items():
                    parts = [weight * part for part in self.statistic(features)]
                    known = self.targets.get(place, [0.0] * len(parts))
                    self.targets[place] = [a + b for a, b in zip(known, parts, strict=True)]

    def __call__(self, output: Tensor, frame: Tensor, alone: bool = False) -> tuple[Tensor, Tensor]:
        """Content and style loss (scalars) of output (N, 3, H, W) for the content ``frame``.

        ``alone``: it is judged by itself, and not remembered.
        """
        with torch.no_grad():
            wanted = self._features(frame, self.content)
        found = self._features(output, self.content | self.style)
        content = output.new_zeros(())
        for place, weight in self.content.items():
            content = content + weight * self._error(found[place], wanted[place])
        style = output.new_zeros(())
        statistics = {place: self.statistic(found[place]) for place in self.style}
        if self.together and not alone:
            statistics = {at: self._with_others(at, parts) for at, parts in statistics.items()}
        for place, weight in self.style.items():
            pairs = zip(statistics[place], self.targets[place], strict=True)
            errors = [self._error(part, target) for part, target in pairs]
            style = style + weight * torch.stack(errors).mean()
        return content, style

    def remember(self, average: Callable[[list[Tensor]], None] = lambda _: None) -> None:
        """Take what was judged since into the memory, which is a running mean.

        A painting's palette and strokes are those of the whole: it has calm parts and wild ones,
        dark and light. Asked for all of that in every window, a network puts a weave on plain walls
        and paints the night as light as the day. Judged together with others, a picture may have
        what others lack, as long as all of them have what the painting has.

        ``average`` makes what several processes found the mean of all, in place.
        """
        for place, found in self._found.items():
            parts = [torch.stack(alike).mean(0) for alike in zip(*found, strict=True)]
            average(parts)
            if place in self.memory:
                known = zip(self.memory[place], parts, strict=True)
                parts = [old + (new - old) / _PICTURES for old, new in known]
            self.memory[place] = parts
        self._found.clear()

    def _with_others(self, place: Place, parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Statistics (N, …) as they are together with those before; gradients are their own."""
        self._found[place].append([part.detach().mean(0, keepdim=True) for part in parts])
        if place not in self.memory:
            return parts
        return tuple(
            own + self.together * (others - own.detach())
            for own, others in zip(parts, self.memory[place], strict=True)
        )

    def _error(self, found: Tensor, wanted: Tensor) -> Tensor:
        error = F.mse_loss(found.float(), wanted.float().expand_as(found))
        return error / wanted.float().square().mean() if self.relative else error

    def _features(self, picture: Tensor, places: Collection[Place]) -> dict[Place, Tensor]:
        """The activations at all places; no layer is computed that nobody asks for."""
        features: dict[Place, Tensor] = {}
        for shrinking in sorted({k for _, k in places}):
            layers = [layer for layer, k in places if k == shrinking]
            smaller = F.avg_pool2d(picture, shrinking) if shrinking > 1 else picture
            for layer, activation in self.network(smaller, layers).items():
                features[layer, shrinking] = activation
        return features


def _shares(weights: dict[Place, float]) -> dict[Place, float]:
    total = sum(weights.values()) or 1.0
    return {place: weight / total for place, weight in weights.items()}


def places_of(layer: str, scales: int) -> list[Place]:
    """Where a layer of an option looks: ``relu3_3`` at so many scales, ``relu3_3/4`` at a quarter.

    UsageError if what follows the slash is no power of two up to 16.
    """
    name, slash, shrinking = layer.partition("/")
    if not slash:
        return [(name, 1 << k) for k in range(scales)]
    if shrinking not in ("1", "2", "4", "8", "16"):
        raise UsageError(f"The layer {layer!r} is shrunk by 1, 2, 4, 8 or 16, as in relu3_3/4.")
    return [(name, int(shrinking))]


Layer = TypeVar("Layer", str, tuple[str, int])  # a name, or one at an octave of the pictures


def layer_weights(
    layers: Sequence[Layer], weights: Sequence[float], about: str
) -> dict[Layer, float]:
    """One weight for each layer; a single one counts for all; else UsageError."""
    if len(weights) not in (1, len(layers)):
        raise UsageError(
            f"There are {counted(len(weights), 'weight')} for {counted(len(layers), 'layer')}; "
            f"give one for all, or one for each.",
            about,
        )
    return dict(
        zip(layers, list(weights) * len(layers) if len(weights) == 1 else weights, strict=True)
    )


def total_variation(output: Tensor) -> Tensor:
    """Half the sum of squared differences of neighbours, per picture of (N, C, H, W) (E6)."""
    right = output[..., :-1, 1:] - output[..., :-1, :-1]
    below = output[..., 1:, :-1] - output[..., :-1, :-1]
    return (right.square().sum() + below.square().sum()) / (2 * output.shape[0])


def range_penalty(output: Tensor) -> Tensor:
    """Mean squared distance of the samples of (N, 3, H, W), in network space, from 0–255.

    The last layer's tanh has no gradient once saturated; this keeps the picture away from there,
    and what a player clips would be lost anyway.
    """
    rgb = to_rgb(output)
    return (F.relu(rgb - 255).square() + F.relu(-rgb).square()).mean()


def luminance_order(output: Tensor, frame: Tensor) -> Tensor:
    """1 − the correlation of both pictures' luminance, without what is smaller than 16 pixels.

    Light stays light and dark stays dark, whatever range a painting's palette has: correlation
    knows neither offset nor gain. (N, 3, H, W) in network space each; the mean over N.
    """
    a, b = (coarse_luminance(picture) for picture in (output, frame))
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    # A grey level of noise keeps the correlation of two plain pictures from being anything.
    together = (a * b).mean(1)
    return (
        1 - ((together + 1) / ((a.square().mean(1) + 1) * (b.square().mean(1) + 1)).sqrt()).mean()
    )


def structure(output: Tensor, frame: Tensor) -> Tensor:
    """1 − the correlation of both pictures' luminance in each place, its mean over all places.

    As the structure of SSIM (Wang et al. 2004, sec. III-B), but with noise of ``_FAINT`` in both: a
    face keeps its features in light and in shade, where features of a loss network are weak, what
    is plain stays plain, and nothing is said of light or colour.

    (N, 3, H, W) in network space each.
    """
    one, other = (F.avg_pool2d(luminance(picture), 2) for picture in (output, frame))

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, _PLACE, 1, _PLACE // 2, count_include_pad=False)

    means = mean(one), mean(other)
    together = mean(one * other) - means[0] * means[1]
    # Rounding may leave a plain place a variance below 0.
    variances = [
        (mean(picture.square()) - own.square()).clamp(min=0)
        for picture, own in zip((one, other), means, strict=True)
    ]
    deviations = ((variances[0] + _FAINT) * (variances[1] + _FAINT)).sqrt()
    return (1 - (together + _FAINT) / deviations).mean()


def grid(output: Tensor) -> Tensor:
    """Mean square of a pattern that repeats every ``_PERIOD`` pixels, in squared grey levels.

    A network that enlarges its picture sees the same in all places of a period, and may draw a
    fine grid there (Odena et al. 2016). What the Laplacian of (N, 3, H, W) has in the mean of
    ``_CELLS`` periods is such a grid: strokes differ from period to period.
    """
    height, width = (side // _PERIOD for side in output.shape[-2:])
    padded = F.pad(output, (1, 1, 1, 1), mode="replicate")
    beside = padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
    above = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1]
    laplacian = (4 * output - beside - above)[..., : height * _PERIOD, : width * _PERIOD]
    phases = F.pixel_unshuffle(laplacian, _PERIOD)  # (N, 3·_PERIOD², height, width)
    means = F.avg_pool2d(phases, (min(_CELLS, height), min(_CELLS, width)))
    means = means.unflatten(1, (-1, _PERIOD**2))
    return (means - means.mean(2, keepdim=True)).square().mean()


def luminance(picture: Tensor) -> Tensor:
    """The luminance, 0–255, of (N, 3, H, W) in network space, (N, 1, H, W)."""
    rgb = to_rgb(picture)
    return (rgb * rgb.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def coarse_luminance(picture: Tensor) -> Tensor:
    """The luminance, 0–255, of squares of 16 pixels of (N, 3, H, W) in network space, (N, S)."""
    return F.avg_pool2d(luminance(picture), 16).flatten(1)
