"""The settings of a training run; defaults are those of the recipe "quick"."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from brushflow.common.errors import UsageError
from brushflow.models import load
from brushflow.training.temporal import PAPER_WEIGHTS

NETWORKS = {"image": 3, "recurrent": 6, "video": 7}  # by their number of input channels
QUICK_PIXEL_WEIGHT = 200  # small windows see few certain pixels: the published 50 leaves flicker
SMALL_ARCH = "c5s2-32,d64,R64,R64,R64,R64,U2,c3s1-32,U2,c9s1-3"

_SMALLEST_SCALE = 16  # pixels of the painting's longest side; deep layers see nothing in less

# What may differ between two starts of one run: it decides nothing, or only how fast.
_FREE = (
    *("output", "device", "threads", "workers", "compile", "tensorboard"),
    *("checkpoint_every", "images_every"),
)
# What a network that can paint already decides.
_LEFT_OPEN = (
    *("arch", "padding_type", "norm", "preprocessing", "tanh_constant"),
    *("identity_iterations", "style_ramp"),
)
_PLACES = ("images", "videos", "val_images", "val_videos", "flow_weights")


@dataclass(frozen=True)
class TrainOptions:
    """What to learn from, what to learn, and how; each field is explained by its option's help.

    Fields named ``*_schedule``, and ``learning_rate``, are texts for ``Schedule.parse``. Weights
    multiply the losses of ``training.losses`` and ``training.temporal``.
    """

    style: tuple[Path, ...]
    output: Path
    images: Path | None = None
    videos: Path | None = None
    val_images: Path | None = None
    val_videos: Path | None = None

    network: str = "video"
    arch: str | None = None
    padding_type: str | None = None
    norm: str | None = None
    preprocessing: str | None = None
    tanh_constant: float | None = None
    init_from: Path | None = None
    image_model: Path | None = None

    data_mix: str | None = None
    frame_steps_schedule: str = "1,400:2"
    single_image_until: int = 0
    size_schedule: str = "128,600:192"
    batch_schedule: str = "4,600:2"
    holes: bool = True
    min_filter: int = 7
    fill: str = "mean"
    settle: int = 6
    flow: str = "dis"
    flow_weights: Path | None = None

    loss_weights: str = "vgg16"
    pooling: str = "max"
    style_size: int = 448
    style_scales: int = 2
    style_blend: tuple[float, ...] = ()
    style_layers: tuple[str, ...] = ("relu1_2", "relu2_2", "relu3_3")
    style_weights: tuple[float, ...] = (1.0,)
    style_strength_schedule: str = "0.3"
    style_with_prior: float = 0.5
    style_statistic: str = "gram"
    style_ramp: int | None = None
    apart: bool = False
    relative: bool = False
    luminance_weight: float = 0.0
    content_layers: tuple[str, ...] = ("relu3_1",)
    content_weights: tuple[float, ...] = (1.0,)
    content_strength_schedule: str = "1"
    temporal_loss: str = "pixel"
    temporal_criterion: str = "l2"
    temporal_weight_schedule: str | None = None
    noise_weight_schedule: str = "0"
    noise_per_img: int | None = None
    noise_range: float = 200.0
    noise_every: int = 1
    through_time: bool = False
    tv_strength_schedule: str = "1.5e-4"
    tv_per_batch: bool = False
    range_weight: float = 300.0

    iterations: int = 2000
    identity_iterations: int | None = None
    learning_rate: str = "2e-3"
    one_cycle: bool = True
    beta2: float = 0.99
    clip_gradients: float = 2.0
    accumulate: int = 1
    seed: int = 0
    val_batches: int = 8
    validate_every: int = 200

    device: str = "auto"
    precision: str = "auto"
    compile: bool = False
    threads: int = 0
    workers: int = 0
    checkpoint_every: int = 100
    images_every: int = 100
    tensorboard: bool = False

    def resolved(self) -> "ResolvedOptions":
        """With what was left open decided.

        The mix uses what there is. A network that can paint already (``init_from``) keeps its
        architecture and needs no slow start; a fresh one is small, with reflected borders.

        UsageError for a painting that is too small for its scales.
        """
        if self.style_size >> (self.style_scales - 1) < _SMALLEST_SCALE:
            raise UsageError(
                f"The smallest of {self.style_scales} scales of a painting of {self.style_size} "
                f"pixels is below {_SMALLEST_SCALE} pixels; enlarge it or use fewer.",
                about="style_size",
            )
        simulated = ["single_image:2,shift:2,zoom_out:1"] if self.images else []
        real = ["video:3"] if self.videos else []
        weight = (
            QUICK_PIXEL_WEIGHT
            if self.temporal_loss == "pixel"
            else PAPER_WEIGHTS.get(self.temporal_loss, 0)
        )
        usual: dict[str, Any] = {name: getattr(ResolvedOptions, name) for name in _LEFT_OPEN}
        if self.init_from is not None:
            network = load(self.init_from).network
            usual = {name: getattr(network, name, 0) for name in usual}
        given: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        return ResolvedOptions(
            **given
            | {name: value for name, value in usual.items() if given[name] is None}
            | {
                "data_mix": self.data_mix or ",".join(simulated + real),
                "temporal_weight_schedule": self.temporal_weight_schedule or str(weight),
            }
        )

    def settings(self) -> dict[str, Any]:
        """What decides the result, as JSON values: names of files, not where they lie."""
        values = {name: value for name, value in asdict(self).items() if name not in _FREE}
        for name in _PLACES:
            if values[name] is not None:
                values[name] = Path(values[name]).name
        for name in ("init_from", "image_model", "loss_weights"):
            if values[name] is not None:
                values[name] = Path(values[name]).name
        values["style"] = [path.name for path in self.style]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


@dataclass(frozen=True)
class ResolvedOptions(TrainOptions):
    """Options with nothing left open; made by ``TrainOptions.resolved``."""

    arch: str = SMALL_ARCH
    padding_type: str = "reflect"
    norm: str = "instance"
    preprocessing: str = "vgg"
    tanh_constant: float = 150.0
    data_mix: str = ""
    style_ramp: int = 300
    temporal_weight_schedule: str = str(QUICK_PIXEL_WEIGHT)
    identity_iterations: int = 150
