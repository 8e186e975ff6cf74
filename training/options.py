"""The settings of a training run; defaults are those that work on two cores."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TrainOptions:
    """What to learn from, what to learn, and how.

    Fields named ``*_schedule`` are texts for ``Schedule.parse``. Weights multiply the losses of
    ``training.losses``.
    """

    style: Path
    images: Path
    output: Path
    loss_weights: Path
    arch: str = "c9s1-16,d32,d64,R64,R64,R64,R64,R64,U2,c3s1-32,U2,c9s1-3"
    padding_type: str = "reflect"
    tanh_constant: float = 150.0
    data_mix: str = "single_image:2,shift:2,zoom_out:1"
    frame_steps_schedule: str = "1"
    min_filter: int = 7
    iterations: int = 6000
    size_schedule: str = "128"
    batch_schedule: str = "4"
    learning_rate: float = 1e-3
    identity_iterations: int = 150
    style_ramp: int = 300
    style_size: int = 448
    style_scales: int = 2
    content_layer: str = "relu3_1"
    style_layers: tuple[str, ...] = ("relu1_2", "relu2_2", "relu3_3")
    content_weight: float = 1.0
    style_weight_schedule: str = "0.4"
    temporal_weight_schedule: str = "50"
    tv_weight_schedule: str = "1e-6"
    range_weight: float = 300.0
    seed: int = 0
    threads: int = 0
    checkpoint_every: int = 100
    images_every: int = 100

    def settings(self) -> dict[str, Any]:
        """What decides the result, as JSON values: names of files, not where they lie."""
        values = asdict(self)
        for name in ("output", "threads", "checkpoint_every", "images_every"):
            del values[name]
        values |= {name: Path(values[name]).name for name in ("style", "images", "loss_weights")}
        values["style_layers"] = list(self.style_layers)
        return values
