"""How well a network does on pictures and clips that training never sees."""

import torch

from brushflow.training.data.batches import TrainingData
from brushflow.training.norms_apart import NormsApart
from brushflow.training.objective import Objective
from brushflow.training.outcome import Likeness
from brushflow.training.unroll import Network, Recurrence, Step


class Validation:
    """Every term of the objective over a fixed set of batches.

    Each source of the mix counts with its weight in the mix; windows, batches and steps are those
    of the end of the schedule. The same batches every time, so that values compare. ``apart`` is
    what has norms for every painting inside of the network that is judged, if anything has.
    """

    def __init__(
        self,
        data: TrainingData,
        count: int,
        iterations: int,
        device: torch.device,
        apart: NormsApart | None = None,
    ) -> None:
        self.data = data
        self.count = count
        self.iterations = iterations
        self.device = device
        self.apart = apart

    @torch.no_grad()
    def __call__(
        self, network: Network, recurrence: Recurrence, objective: Objective
    ) -> tuple[dict[str, float], list[Step], float]:
        """Mean weighted terms by name, the steps of one batch to look at, and the likeness."""
        likeness = Likeness()
        sums: dict[str, float] = {}
        shown: list[Step] = []
        wheel = self.data.wheel
        for place in range(self.count):
            # Evenly over the wheel: sources come in proportion to their weights.
            source = wheel[place * len(wheel) // self.count]
            batch = self.data.batch(self.iterations, source=source, variant=place)
            painting = place % len(objective.perceptual)
            if self.apart is not None:
                self.apart.chosen = painting
            steps = recurrence(network, batch.to(self.device), place)
            losses = objective(network, steps, self.iterations, full=True, painting=painting)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.item() / self.count
            likeness.add(steps[-1])
            if len(steps) >= len(shown):
                shown = steps
        return sums, shown, likeness.value
