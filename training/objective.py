"""All losses of a run and how they are weighed at each iteration."""

from collections.abc import Callable, Collection, Iterable

import torch
from torch import Tensor

from brushflow.common.errors import UsageError
from brushflow.models.loss_network import LossNetwork
from brushflow.models.preprocessing import preprocess
from brushflow.training.losses import (
    STATISTICS,
    PerceptualLoss,
    Place,
    grid,
    layer_weights,
    luminance_order,
    places_of,
    range_penalty,
    structure,
    total_variation,
)
from brushflow.training.options import ResolvedOptions, check_blend
from brushflow.training.schedule import Schedule
from brushflow.training.temporal import CRITERIA, TEMPORAL_LOSSES, Means, noise_loss
from brushflow.training.unroll import Network, Step
from brushflow.video.paintings import read_painting

MEAN_SQUARE = 70.0**2  # of photographs in network space: what relative pixel terms are shares of


class Objective:
    """What a sequence of painted steps costs, as a table of weighted terms.

    With ``through_time`` the picture's own losses are means over all steps, else they are those
    of the last. For the first ``identity_iterations`` the network only learns to show the frame:
    one that already shows the picture learns the style without the saturated blobs that random
    weights get stuck in. For the same reason the style then comes in slowly.

    Painting over its own painting, a network reaches more style than in one go, at the expense of
    content; ``style_with_prior`` is the share of the style's weight that makes up for it.
    """

    def __init__(self, options: ResolvedOptions, device: torch.device) -> None:
        _choose(options.temporal_loss, TEMPORAL_LOSSES, "temporal_loss")
        _choose(options.temporal_criterion, CRITERIA, "temporal_criterion")
        _choose(options.style_statistic, STATISTICS, "style_statistic")
        self.options = options
        self.device = device
        self.temporal = TEMPORAL_LOSSES[options.temporal_loss]()
        self.content_strength = Schedule.parse(
            options.content_strength_schedule, "content_strength_schedule"
        )
        self.style_strength = Schedule.parse(
            options.style_strength_schedule, "style_strength_schedule"
        )
        self.temporal_weight = Schedule.parse(
            options.temporal_weight_schedule, "temporal_weight_schedule"
        )
        self.noise_weight = Schedule.parse(options.noise_weight_schedule, "noise_weight_schedule")
        if self.noise_weight.largest and options.temporal_loss == "noise":
            raise UsageError(
                "Noise of a weight of its own is added to another temporal loss than noise.",
                about="noise",
            )
        self.tv_strength = Schedule.parse(options.tv_strength_schedule, "tv_strength_schedule")
        self.batch = Schedule.parse(options.batch_schedule, "batch_schedule", 1, whole=True)
        layers = [
            layer.partition("/")[0] for layer in (*options.content_layers, *options.style_layers)
        ]
        layers += self.temporal.layers
        self.network = LossNetwork(options.loss_weights, layers, options.pooling).to(device)
        # Numbers that the options may have are names now.
        self.names = dict(zip(layers, self.network.wanted, strict=True))
        blend = options.style_blend or (1.0,) * len(options.style)
        check_blend(blend, len(options.style))
        self.pixel_unit = MEAN_SQUARE if options.relative else 1.0
        paintings = [
            preprocess(read_painting(p, options.painting_size), device) for p in options.style
        ]
        # One judge of all paintings' blend, or one of each.
        groups = [([p], (1.0,)) for p in paintings] if options.apart else [(paintings, blend)]
        self.perceptual = [self._judge(*group) for group in groups]

    def _judge(self, paintings: list[Tensor], blend: tuple[float, ...]) -> PerceptualLoss:
        options = self.options
        return PerceptualLoss(
            self.network,
            self._places(options.content_layers, options.content_weights, "content_weights", 1),
            self._places(
                options.style_layers,
                options.style_weights,
                "style_weights",
                options.style_scales,
            ),
            paintings,
            blend,
            options.style_statistic,
            options.relative,
            options.style_together,
        )

    def remember(self, average: Callable[[list[Tensor]], None]) -> None:
        """At the end of an iteration, see ``PerceptualLoss.remember``."""
        for judge in self.perceptual:
            judge.remember(average)

    def memory(self) -> list[dict[Place, list[Tensor]]]:
        """What is remembered for each painting: a checkpoint holds it."""
        return [judge.memory for judge in self.perceptual]

    def recall(self, memory: list[dict[Place, list[Tensor]]]) -> None:
        """Take up what ``memory`` gave."""
        for judge, known in zip(self.perceptual, memory, strict=True):
            judge.memory = {
                place: [part.to(self.device) for part in parts] for place, parts in known.items()
            }

    def _places(
        self, layers: tuple[str, ...], weights: tuple[float, ...], option: str, scales: int
    ) -> dict[Place, float]:
        return {
            (self.names[name], shrinking): weight
            for layer, weight in layer_weights(layers, weights, option).items()
            for name, shrinking in places_of(layer, scales)
        }

    def __call__(
        self,
        network: Network,
        steps: list[Step],
        iteration: int,
        full: bool = False,
        painting: int = 0,
    ) -> dict[str, Tensor]:
        """Weighted terms (scalars) by name; their sum is minimised.

        ``full`` leaves out the slow start and the pictures before, so that values of different
        iterations compare;
        ``painting`` is the one to come near to, where paintings are learned apart.
        """
        options = self.options
        judged = steps if options.through_time else steps[-1:]
        into_style = iteration - options.identity_iterations
        pixel = 1 / self.pixel_unit
        losses = {
            "range": pixel * options.range_weight * _mean(range_penalty(s.output) for s in judged)
        }
        if into_style < 0 and not full:
            return losses | {
                "identity": pixel * _mean((s.output - s.frame).square().mean() for s in judged)
            }
        ramp = min(1.0, 0.15 + 0.85 * into_style / options.style_ramp) if options.style_ramp else 1
        strength = self.style_strength(iteration) * (1 if full else ramp)
        if len(steps) > 1 and options.network != "image":
            strength *= options.style_with_prior
        judge = self.perceptual[painting]
        content, style = zip(*(judge(s.output, s.frame, alone=full) for s in judged), strict=True)
        # A batch may be shared by processes and parts, so its sum is taken from the mean.
        pictures = self.batch(iteration) if options.tv_per_batch else 1
        losses |= {
            "content": self.content_strength(iteration) * _mean(content),
            "style": strength * _mean(style),
            "temporal": pixel
            * self.temporal_weight(iteration)
            * self._temporal(network, steps, iteration),
            "tv": pixel
            * pictures
            * self.tv_strength(iteration)
            * _mean(self._roughness(s.output) for s in judged),
        }
        if options.luminance_weight:
            order = _mean(luminance_order(s.output, s.frame) for s in judged)
            losses["luminance"] = options.luminance_weight * order
        if options.structure_weight:
            kept = _mean(structure(s.output, s.frame) for s in judged)
            losses["structure"] = options.structure_weight * kept
        if options.grid_weight:
            losses["grid"] = pixel * options.grid_weight * _mean(grid(s.output) for s in judged)
        if self.noise_weight.largest:
            weight = pixel * self.noise_weight(iteration)
            losses["noise"] = weight * self._noise(network, steps[-1], iteration)
        return losses

    def _temporal(self, network: Network, steps: list[Step], iteration: int) -> Tensor:
        options = self.options
        means = Means(
            options.temporal_criterion,
            lambda picture: self.network(picture, list(self.temporal.layers)),
            lambda step: self._noise(network, step, iteration),
        )
        return self.temporal(steps if options.through_time else steps[-2:], means)

    def _roughness(self, output: Tensor) -> Tensor:
        """Total variation; where terms are relative, of a pixel and not of a picture."""
        total = total_variation(output)
        return total / output[0, 0].numel() if self.options.relative else total

    def _noise(self, network: Network, step: Step, iteration: int) -> Tensor:
        options = self.options
        reach = options.noise_range / 2  # published for pictures from −1 to 1, in 255ths
        seed = [options.seed, iteration // options.noise_every]
        return noise_loss(network, step, seed, options.noise_per_img, reach)


def _mean(terms: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(terms)).mean()


def _choose(value: str, known: Collection[str], about: str) -> None:
    if value not in known:
        raise UsageError(f"There is no {value!r}; choose one of {', '.join(known)}.", about)
