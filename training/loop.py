"""The training loop: from a painting and photographs to a model file."""

import json
import logging
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from brushflow.errors import BrushflowError, UsageError
from brushflow.files import atomic_path
from brushflow.flow.warp import warp
from brushflow.models.files import StyleModel
from brushflow.models.loss_network import LossNetwork
from brushflow.models.network import StyleNetwork, build
from brushflow.models.preprocessing import preprocess
from brushflow.training.images import debug_sheet, read_painting
from brushflow.training.losses import (
    PerceptualLoss,
    range_penalty,
    temporal_loss,
    total_variation,
)
from brushflow.training.options import TrainOptions
from brushflow.training.photographs import Batch, Photographs, parse_mix
from brushflow.training.schedule import Schedule

logger = logging.getLogger(__name__)

WARM_UP = 50  # iterations in which the learning rate rises
# Painted around the picture and cropped off by the finished model: zero padding in its halving
# layers leaves a dotted rim that training alone hardly removes.
MARGIN = 16
CLIP_FACTOR = 2.0  # gradients are cut to this many times the running mean of their norm


@dataclass(frozen=True)
class Progress:
    """One finished iteration, for whoever watches: ``losses`` are weighted, by name."""

    iteration: int
    iterations: int
    losses: dict[str, float]


def train(
    options: TrainOptions,
    progress: Callable[[Progress], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> Path:
    """Train a video model and return its path; continue if a run was interrupted.

    The folder ``<output>.training`` holds the checkpoint, ``log.jsonl`` and pictures. Setting
    ``stop`` ends the run after the current iteration with a checkpoint and KeyboardInterrupt.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    run = _Run(options)
    run.resume()
    with ThreadPoolExecutor(1, "photographs") as loader:
        pending = loader.submit(run.next_batch, run.iteration)
        while run.iteration < options.iterations:
            batch = pending.result()
            pending = loader.submit(run.next_batch, run.iteration + 1)
            losses = run.step(batch)
            progress(Progress(run.iteration, options.iterations, losses))
            if run.iteration % options.checkpoint_every == 0 or run.iteration == options.iterations:
                run.save()
            if stop is not None and stop.is_set():
                run.save()
                raise KeyboardInterrupt(
                    f"Stopped after iteration {run.iteration}; the same command goes on from there."
                )
    if run.network.start_padding == 0:
        run.network.margin = MARGIN
    StyleModel(run.network.eval(), options.output.stem, options.settings()).save(
        options.output, torch.float16
    )
    return options.output


def stylize_sequence(network: StyleNetwork, batch: Batch, min_filter: int) -> "Stylized":
    """Run the recurrence over a batch; gradients reach only the last step.

    Ruder et al. 2018, sec. 5.2: the first frame has no prior, every later one sees the earlier
    output warped to it, times the certainty, which is shrunk by a min filter first.
    """
    frames = batch.frames
    steps = len(batch.flows)
    with torch.set_grad_enabled(steps == 0 and torch.is_grad_enabled()):
        output = network(without_prior(frames[0]))
    prior = torch.zeros_like(frames[0])
    certainty = frames[0].new_zeros(len(frames[0]), 1, *frames[0].shape[-2:])
    for k in range(steps):
        last = k == steps - 1
        certainty = shrink(batch.certainties[k], min_filter)
        prior = warp(output.detach(), batch.flows[k])
        with torch.set_grad_enabled(last and torch.is_grad_enabled()):
            output = network(torch.cat([frames[k + 1], prior * certainty, certainty], 1))
    return Stylized(frames[-1], prior, certainty, output)


@dataclass(frozen=True)
class Stylized:
    """The last step of a sequence: all (N, C, H, W), network space; certainty (N, 1, H, W)."""

    frame: Tensor
    prior: Tensor
    certainty: Tensor
    output: Tensor


def without_prior(frame: Tensor) -> Tensor:
    """The network input (N, 7, H, W) of a frame that nothing is known before."""
    n, _, h, w = frame.shape
    return torch.cat([frame, frame.new_zeros(n, 4, h, w)], 1)


def shrink(certainty: Tensor, width: int) -> Tensor:
    """Min filter of (N, 1, H, W) with a window of odd ``width``; borders see the picture only."""
    return -torch.nn.functional.max_pool2d(-certainty, width, 1, width // 2)


class _Run:
    """All that an iteration changes, and how it is kept."""

    def __init__(self, options: TrainOptions) -> None:
        self.options = options
        self.folder = options.output.with_name(options.output.name + ".training")
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(options.seed)
        self.network = build(
            options.arch, padding_type=options.padding_type, tanh_constant=options.tanh_constant
        ).train()
        self.optimizer = torch.optim.Adam(self.network.parameters(), betas=(0.9, 0.99))
        self.data = Photographs(options.images, parse_mix(options.data_mix), options.seed)
        self.sizes = Schedule.parse(options.size_schedule, "--sizes")
        self.counts = Schedule.parse(options.batch_schedule, "--batch-sizes")
        self.steps = Schedule.parse(options.frame_steps_schedule, "--num-frame-steps")
        self.temporal_weights = Schedule.parse(
            options.temporal_weight_schedule, "--temporal-weight"
        )
        self.tv_weights = Schedule.parse(options.tv_weight_schedule, "--tv-weight")
        self.style_weights = Schedule.parse(options.style_weight_schedule, "--style-weight")
        layers = [options.content_layer, *options.style_layers]
        painting = preprocess(read_painting(options.style, options.style_size))
        self.perceptual = PerceptualLoss(
            LossNetwork(options.loss_weights, layers),
            options.content_layer,
            options.style_layers,
            painting,
            options.style_scales,
        )
        self.iteration = 0
        self.mean_norm = 0.0

    def next_batch(self, iteration: int) -> Batch:
        size, count = int(self.sizes(iteration)), int(self.counts(iteration))
        return self.data.batch(iteration, size, count, int(self.steps(iteration)))

    def step(self, batch: Batch) -> dict[str, float]:
        options = self.options
        stylized = stylize_sequence(self.network, batch, options.min_filter)
        losses = self._losses(stylized)
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            raise BrushflowError(
                f"The loss is no longer a number at iteration {self.iteration}; the checkpoint in "
                f"{self.folder} is from before. Lower --learning-rate or --style-weight."
            )
        self.optimizer.zero_grad()
        total.backward()
        self._clip()
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.optimizer.step()
        values = {name: value.item() for name, value in losses.items()}
        self.iteration += 1
        self._log(batch, values)
        if options.images_every and self.iteration % options.images_every == 0:
            debug_sheet(self.folder / f"sheet-{self.iteration:06d}.jpg", stylized)
        return values

    def _losses(self, s: Stylized) -> dict[str, Tensor]:
        options = self.options
        losses = {"range": options.range_weight * range_penalty(s.output)}
        into_style = self.iteration - options.identity_iterations
        if into_style < 0:
            # Start from the identity: a network that already shows the picture learns the style
            # without the saturated blobs that random weights get stuck in.
            return losses | {"identity": (s.output - s.frame).square().mean()}
        # The style comes in slowly for the same reason.
        ramp = min(1.0, 0.15 + 0.85 * into_style / max(1, options.style_ramp))
        content, style = self.perceptual(s.output, s.frame)
        temporal = temporal_loss(s.output, s.prior, s.certainty)
        return losses | {
            "content": options.content_weight * content,
            "style": self.style_weights(self.iteration) * ramp * style,
            "temporal": self.temporal_weights(self.iteration) * temporal,
            "tv": self.tv_weights(self.iteration) * total_variation(s.output),
        }

    def _learning_rate(self) -> float:
        rate, end = self.options.learning_rate, self.options.iterations
        warm = min(1.0, (self.iteration + 1) / WARM_UP)
        return rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.iteration / end)))

    def _clip(self) -> None:
        parameters = self.network.parameters()
        limit = CLIP_FACTOR * self.mean_norm or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, limit))
        norm = min(norm, limit)
        self.mean_norm = norm if not self.mean_norm else 0.98 * self.mean_norm + 0.02 * norm

    def _log(self, batch: Batch, losses: dict[str, float]) -> None:
        row = {"iteration": self.iteration, "source": batch.source, **losses}
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")

    def save(self) -> None:
        """Write everything the next iteration depends on."""
        state = {
            "settings": self.options.settings(),
            "iteration": self.iteration,
            "mean_norm": self.mean_norm,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        try:
            with atomic_path(self.folder / "checkpoint.pt") as partial:
                torch.save(state, partial)
        except (OSError, RuntimeError) as error:
            raise BrushflowError(
                f"Could not write the checkpoint in {self.folder}: {error}."
            ) from error

    def resume(self) -> None:
        """Continue from the checkpoint, if there is one with the same settings."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        now = self.options.settings()
        changed = [name for name, value in state["settings"].items() if now.get(name) != value]
        if changed:
            name = changed[0]
            raise UsageError(
                f"{path} was made with {name} = {state['settings'][name]!r}, not "
                f"{now.get(name)!r}; repeat it to go on, or choose another --output."
            )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.iteration, self.mean_norm = state["iteration"], state["mean_norm"]
        logger.info("Going on after iteration %d.", self.iteration)
