"""What a training run sees: a mix of sources, the same for the same seed and iteration."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from brushflow.common.errors import UsageError
from brushflow.common.queues import result_of
from brushflow.models.preprocessing import from_rgb
from brushflow.training.data.photographs import Photographs
from brushflow.training.data.simulated import SOURCES, Sequence, Size
from brushflow.training.schedule import Schedule, SizeSchedule

SOURCE_NAMES = (*SOURCES, "video", "vr")


@dataclass(frozen=True)
class Batch:
    """Sequences of one source, stacked: see ``simulated.Sequence``.

    ``frames``: n+1 tensors (N, 3, H, W) in network space; ``flows``: n of (N, H, W, 2);
    ``certainties``: n of (N, 1, H, W).
    """

    source: str
    frames: list[Tensor]
    flows: list[Tensor]
    certainties: list[Tensor]

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        parts = (self.frames, self.flows, self.certainties)
        return Batch(self.source, *([t.to(device, non_blocking=True) for t in p] for p in parts))


class ClipSource(Protocol):
    """Videos to draw from: files (``Clips``) or prepared sequences (``PreparedClips``)."""

    def sequence(self, size: Size, steps: int, random: np.random.Generator) -> Sequence:
        """One sequence; all that is random about it comes from ``random``."""
        ...


def parse_mix(text: str) -> dict[str, int]:
    """Read a data mix such as ``shift:1,zoom_out:1,video:3`` into source names and weights."""
    mix: dict[str, int] = {}
    for part in text.split(","):
        name, _, weight = part.partition(":")
        if name not in SOURCE_NAMES:
            raise UsageError(
                f"There is no data source {name!r}; there are {', '.join(SOURCE_NAMES)}.",
                about="data_mix",
            )
        if not (weight.isdecimal() and int(weight) > 0):
            raise UsageError(
                f"{part!r} needs a positive whole weight, as in {name}:1.", about="data_mix"
            )
        mix[name] = int(weight)
    return mix


@dataclass(frozen=True)
class Shapes:
    """Size of the windows, windows in a batch, and steps in a row, each by iteration."""

    sizes: SizeSchedule
    counts: Schedule
    steps: Schedule


# What random numbers are for; none of these may know of another.
_SOURCE, _TURNS, _SEQUENCE = 1, 2, 3


class TrainingData:
    """Draws batches of one source each, with probabilities as the weights of the mix.

    Every sequence has random numbers of its own, from the seed, the iteration and its place in
    the batch. So a resumed run sees what it would have seen, and several processes share a batch
    by taking every n-th sequence of it.
    """

    def __init__(
        self,
        mix: dict[str, int],
        shapes: Shapes,
        seed: int,
        photographs: Photographs | None,
        clips: ClipSource | None,
        single_image_until: int = 0,
    ) -> None:
        if "video" in mix and clips is None:
            raise UsageError("The mix of data has video in it, and no videos are given.", "videos")
        if clips is not None and "video" not in mix:
            raise UsageError(
                "Videos are given, but the mix of data has no video in it.", "data_mix"
            )
        if photographs is None and (set(mix) - {"video"} or single_image_until):
            raise UsageError("The mix of data needs photographs, and none are given.", "images")
        if "vr" in mix and not shapes.sizes.square:
            raise UsageError(
                "The mix of data has vr in it: faces are square, and so must windows be.",
                about="size_schedule",
            )
        self.wheel = [name for name, weight in mix.items() for _ in range(weight)]
        self.shapes = shapes
        self.seed = seed
        self.photographs = photographs
        self.clips = clips
        self.single_image_until = single_image_until

    def source(self, iteration: int) -> str:
        """The source that this iteration's batch is drawn from."""
        if iteration < self.single_image_until:
            return "single_image"
        return self.wheel[self._random(_SOURCE, iteration).integers(len(self.wheel))]

    def batch(
        self,
        iteration: int,
        share: tuple[int, int] = (0, 1),
        source: str | None = None,
        variant: int = 0,
    ) -> Batch:
        """The batch of this iteration, or with ``share`` (k, n) its k-th n-th part.

        ``source`` instead of the one drawn, and ``variant`` for another batch, serve validation.
        """
        name = source or self.source(iteration)
        size = self.shapes.sizes(iteration)
        count, steps = (
            int(schedule(iteration)) for schedule in (self.shapes.counts, self.shapes.steps)
        )
        part, parts = share
        if count % parts:
            raise UsageError(
                f"A batch of {count} cannot be shared evenly by {parts}.", about="accumulate"
            )
        return stack(
            name,
            [
                self._sequence(name, size, steps, (iteration, variant), i)
                for i in range(part, count, parts)
            ],
        )

    def _sequence(
        self, name: str, size: Size, steps: int, batch: tuple[int, int], place: int
    ) -> Sequence:
        random = self._random(_SEQUENCE, *batch, place)
        # What the mix asks for is there: the constructor has looked.
        if name == "video":
            assert self.clips is not None
            return self.clips.sequence(size, steps, random)
        assert self.photographs is not None
        turns = int(self._random(_TURNS, *batch).integers(4))
        return self.photographs.sequence(name, size, steps, random, turns)

    def _random(self, stream: int, *numbers: int) -> np.random.Generator:
        # The stream comes first and is not 0: NumPy takes [5] and [5, 0] for the same seed.
        return np.random.default_rng([stream, self.seed, *numbers])


def stack(source: str, sequences: list[Sequence]) -> Batch:
    """A batch of sequences of one source and shape."""

    def columns(rows: list[list[Tensor]]) -> list[Tensor]:
        return [torch.stack(column) for column in zip(*rows, strict=True)]

    return Batch(
        source,
        [from_rgb(frames) for frames in columns([s.frames for s in sequences])],
        columns([s.flows for s in sequences]),
        columns([s.certainties for s in sequences]),
    )


def batches(
    data: TrainingData,
    first: int,
    last: int,
    workers: int,
    shares: list[tuple[int, int]],
) -> Generator[list[Batch], None, None]:
    """For every iteration from ``first`` to ``last`` − 1 the batches of these shares.

    ``workers`` threads prepare as many iterations ahead; decoding, resizing and flow all happen
    outside Python's lock.
    """

    def make(iteration: int) -> list[Batch]:
        return [data.batch(iteration, share) for share in shares]

    with ThreadPoolExecutor(workers, "data") as pool:
        ahead: deque[Future[list[Batch]]] = deque()
        try:
            for iteration in range(first, last):
                ahead.append(pool.submit(make, iteration))
                if len(ahead) > workers:
                    yield result_of(ahead.popleft())
            while ahead:
                yield result_of(ahead.popleft())
        finally:
            for pending in ahead:
                pending.cancel()
