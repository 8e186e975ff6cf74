"""The settings of a training run; defaults are those of the recipe "quick"."""

import math
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from brushflow.common.errors import UsageError
from brushflow.common.option_fields import option_field
from brushflow.common.torch_devices import DEVICES, PRECISIONS
from brushflow.common.wording import counted
from brushflow.flow.estimators import NAMES_TOLD
from brushflow.models import read_model
from brushflow.models.arch import PADDING_TYPES
from brushflow.models.loss_network import POOLINGS
from brushflow.models.network import NORMS
from brushflow.models.network_input import FILLS
from brushflow.models.preprocessing import PREPROCESSINGS
from brushflow.training.losses import STATISTICS
from brushflow.training.temporal import CRITERIA, TEMPORAL_LOSSES

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
    *("arch", "padding_type", "norm", "preprocessing", "tanh_constant", "fill"),
    *("identity_iterations", "style_ramp"),
)
_PLACES = ("images", "videos", "val_images", "val_videos", "flow_weights")


_what = partial(option_field, group="What to learn from")
_network = partial(option_field, group="Network")
_sequences = partial(option_field, group="Sequences")
_losses = partial(option_field, group="Losses")
_loop = partial(option_field, group="The loop")
_machine = partial(option_field, group="Machine")


@dataclass(frozen=True)
class TrainOptions:
    """What to learn from, what to learn, and how; every field says of itself what it means.

    Fields named ``*_schedule``, and ``learning_rate``, are texts for ``Schedule.parse``. Weights
    multiply the losses of ``training.losses`` and ``training.temporal``.
    """

    style: tuple[Path, ...] = _what(
        MISSING, "Painting to learn; several are blended.", repeated=True
    )
    output: Path = _what(MISSING, "Model file to write (.safetensors).", names=("o", "output"))
    images: Path | None = _what(None, "Folder of photographs to learn from, or an HDF5 file.")
    videos: Path | None = _what(
        None,
        "Folder of videos (files, or folders of frames) to learn from, or of sequences prepared "
        "from them; or an HDF5 file.",
    )
    val_images: Path | None = _what(None, "Photographs to judge by; without it, some of {images}.")
    val_videos: Path | None = _what(None, "Videos to judge by; without it, some of {videos}.")

    network: str = _network(
        "video",
        "What it sees: frame; frame and last output; and where that moved.",
        choices=tuple(NETWORKS),
    )
    arch: str | None = _network(None, "Architecture; without it small, or that of {init_from}.")
    padding_type: str | None = _network(
        None, "How convolutions see beyond the border.", choices=PADDING_TYPES
    )
    norm: str | None = _network(
        None,
        "Normalization; plain is instance without weights; also 1 (instance) and 0 (batch) "
        "[default: instance].",
        names=("norm", "use-instance-norm"),
        choices=NORMS,
        also={"1": "instance", "0": "batch"},
    )
    preprocessing: str | None = _network(
        None,
        "How it sees pictures and gives them [default: vgg].",
        choices=tuple(PREPROCESSINGS),
    )
    tanh_constant: float | None = _network(None, "Largest value of the output [default: 150].")
    init_from: Path | None = _network(None, "Model to start from, by name or file.")
    image_model: Path | None = _network(None, "Image model that paints first frames.")

    data_mix: str | None = _sequences(
        None,
        "Sources with weights; also vr [default: single_image:2,shift:2,zoom_out:1,video:3, what "
        "there is of it].",
    )
    frame_steps_schedule: str = _sequences(
        "1,400:2", "Steps in a row, by iteration.", names=("num-frame-steps",)
    )
    single_image_until: int = _sequences(0, "Single pictures only, until this iteration.")
    size_schedule: str = _sequences(
        "128,600:192",
        "Side, or HEIGHTxWIDTH, of the training windows in pixels, by iteration.",
        names=("sizes", "train-img-size"),
    )
    batch_schedule: str = _sequences(
        "4,600:2", "Windows in a batch, by iteration.", names=("batch-sizes",)
    )
    holes: bool = _sequences(
        True, "Hide parts inside simulated sequences too.", names=("holes/no-holes",)
    )
    min_filter: int = _sequences(
        7,
        "Odd width of the window that shrinks certainty.",
        names=("reliable-map-min-filter",),
    )
    fill: str | None = _sequences(
        None,
        "What is seen where nothing is known; without it mean, or that of {init_from}.",
        names=("fill-occlusions",),
        choices=FILLS,
    )
    settle: int = _sequences(
        6, "At most so often a first frame is painted again before the steps begin.", least=0
    )
    flow: str = _sequences("dis", f"Optical flow of videos: {NAMES_TOLD}.")
    flow_weights: Path | None = _sequences(None, "Weights of the optical flow network.")

    loss_weights: str = _losses(
        "vgg16",
        "Weights of the VGG that judges: vgg16, vgg19 (downloaded), or a file, also vgg16.t7.",
    )
    pooling: str = _losses("max", "Pooling of that network.", choices=POOLINGS)
    style_size: int = _losses(
        448,
        "Longest side of the painting: size of the strokes.",
        names=("style-image-size",),
        written="side",
    )
    stroke: float = _losses(
        1.0,
        "How many times as wide strokes are: the painting is seen as much larger.",
        least=0.25,
        most=4,
    )
    style_scales: int = _losses(2, "Scales the style is compared at, each half the last.", least=1)
    style_blend: tuple[float, ...] = _losses((), "Share of each painting; equal without it.")
    style_layers: tuple[str, ...] = _losses(
        ("relu1_2", "relu2_2", "relu3_3"),
        "Layers that judge style, by name or number; relu3_3/4: on a quarter of the picture.",
    )
    style_weights: tuple[float, ...] = _losses(
        (1.0,), "Weight of each style layer, or one for all."
    )
    style_strength_schedule: str = _losses(
        "0.3", "Weight of style in all, by iteration.", names=("style-strength",)
    )
    style_with_prior: float = _losses(
        0.5, "Share of that weight for frames that are painted with a prior."
    )
    style_statistic: str = _losses("gram", "What of a layer is style.", choices=tuple(STATISTICS))
    style_together: float = _losses(
        0.0,
        "How far a picture's style is judged together with that of pictures before it.",
        least=0,
        most=1,
    )
    style_ramp: int | None = _losses(
        None,
        "Iterations in which the style comes in [default: 300; 0 with {init_from}].",
        least=0,
    )
    apart: bool = _losses(
        False,
        "Learn each painting with norms of its own, instead of one blend of all.",
        names=("apart/blended",),
    )
    relative: bool = _losses(
        False,
        "Weigh errors by what they are errors of, so that weights mean the same for all.",
        names=("relative/absolute",),
    )
    luminance_weight: float = _losses(0.0, "How strictly light stays light.", least=0)
    structure_weight: float = _losses(0.0, "How strictly contours and faces stay.", least=0)
    grid_weight: float = _losses(0.0, "Against a grid of every fourth pixel.", least=0)
    content_layers: tuple[str, ...] = _losses(("relu3_1",), "Layers that judge content.")
    content_weights: tuple[float, ...] = _losses(
        (1.0,), "Weight of each content layer, or one for all."
    )
    content_strength_schedule: str = _losses(
        "1", "Weight of content in all, by iteration.", names=("content-strength",)
    )
    temporal_loss: str = _losses(
        "pixel", "What makes frames agree.", choices=tuple(TEMPORAL_LOSSES)
    )
    temporal_criterion: str = _losses("l2", "Distance of the pixel loss.", choices=tuple(CRITERIA))
    temporal_weight_schedule: str | None = _losses(
        None,
        "Weight of that loss, by iteration; by default as published, but 200 for pixel.",
        names=("temporal-weight",),
    )
    noise_weight_schedule: str = _losses(
        "0",
        "Weight of the noise loss beside another temporal loss, by iteration.",
        names=("noise-weight",),
    )
    noise_per_img: int | None = _losses(
        None,
        "So often noise changes a pixel of a picture [default: as densely as 20000 at 256×256].",
        least=1,
    )
    noise_range: float = _losses(
        200.0, "By how much at the most, in half grey levels, as published.", least=0
    )
    noise_every: int = _losses(
        1, "So many iterations have the same noise; as published, those of an epoch.", least=1
    )
    through_time: bool = _losses(False, "Let gradients reach all steps, not only the last.")
    tv_strength_schedule: str = _losses(
        "1.5e-4", "How smooth the picture is, by iteration.", names=("tv-strength",)
    )
    tv_per_batch: bool = _losses(
        False,
        "Sum that over the pictures of a batch, as published, or take their mean.",
        names=("tv-per-batch/tv-per-picture",),
    )
    range_weight: float = _losses(300.0, "How strictly samples stay within 0–255.")

    iterations: int = _loop(
        2000, "How long to train.", names=("iterations", "num-iterations"), least=1
    )
    identity_iterations: int | None = _loop(
        None,
        "Iterations that only learn to show the picture [default: 150; 0 with {init_from}].",
        least=0,
    )
    learning_rate: str = _loop("2e-3", "Learning rate, by iteration.")
    one_cycle: bool = _loop(
        True, "Let it rise and fall over the run.", names=("one-cycle/no-one-cycle",)
    )
    beta2: float = _loop(
        0.99, "Adam's second moment's decay.", names=("adam-beta2",), least=0, most=1
    )
    clip_gradients: float = _loop(
        2.0,
        "Cut gradients to this many times the running mean of their norm; 0 for never.",
        least=0,
    )
    accumulate: int = _loop(1, "Parts that a batch is computed in, for little memory.", least=1)
    seed: int = _loop(0, "Another number gives another run.", least=0)
    val_batches: int = _loop(8, "Batches to judge by.", names=("num-val-batches",), least=1)
    validate_every: int = _loop(
        200, "Iterations between judgements; 0 for one at the end.", least=0
    )
    checkpoint_every: int = _loop(
        100, "Iterations between checkpoints; 0 for one at the end.", least=0
    )
    images_every: int = _loop(100, "Iterations between debug sheets; 0 for none.", least=0)
    tensorboard: bool = _loop(False, "Write curves for TensorBoard too.")

    device: str = _machine("auto", DEVICES)
    precision: str = _machine("auto", "Precision of convolutions.", choices=PRECISIONS)
    compile: bool = _machine(False, "Compile the network first.")
    threads: int = _machine(0, "Threads to compute with; 0 leaves it to PyTorch.", least=0)
    workers: int = _machine(0, "Threads that prepare data; 0 is half of the others.", least=0)

    def resolved(self) -> "ResolvedOptions":
        """With what was left open decided.

        The mix uses what there is. A network that can paint already (``init_from``) keeps its
        architecture and needs no slow start; a fresh one is small, with reflected borders.

        UsageError for a painting that is too small for its scales.
        """
        if self.painting_size >> (self.style_scales - 1) < _SMALLEST_SCALE:
            raise UsageError(
                f"The smallest of {self.style_scales} scales of a painting of {self.painting_size} "
                f"pixels is below {_SMALLEST_SCALE} pixels; enlarge it or use fewer.",
                about="style_size",
            )
        simulated = ["single_image:2,shift:2,zoom_out:1"] if self.images else []
        real = ["video:3"] if self.videos else []
        weight: float = QUICK_PIXEL_WEIGHT
        if self.temporal_loss != "pixel" and self.temporal_loss in TEMPORAL_LOSSES:
            weight = TEMPORAL_LOSSES[self.temporal_loss].weight
        usual: dict[str, Any] = {name: getattr(ResolvedOptions, name) for name in _LEFT_OPEN}
        if self.init_from is not None:
            known = read_model(self.init_from).description
            usual = {name: known.get(name, 0) for name in usual}
        given: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        return ResolvedOptions(
            **given
            | {name: value for name, value in usual.items() if given[name] is None}
            | {
                "data_mix": self.data_mix or ",".join(simulated + real),
                "temporal_weight_schedule": self.temporal_weight_schedule or str(weight),
            }
        )

    @property
    def painting_size(self) -> int:
        """The longest side in pixels at which the painting is seen."""
        return round(self.style_size * self.stroke)

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
        values["style_size"] = self.painting_size  # which is all that a stroke changes
        del values["stroke"]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def check_blend(blend: Sequence[float], paintings: int) -> None:
    """UsageError for shares that blend no paintings; none at all are equal ones."""
    proper = len(blend) == paintings and all(math.isfinite(share) and share >= 0 for share in blend)
    if blend and not (proper and 0 < sum(blend) < math.inf):
        raise UsageError(
            f"The blend of {counted(paintings, 'painting')} needs a share of each: numbers that "
            f"are not negative, and not all 0.",
            about="style_blend",
        )


@dataclass(frozen=True)
class ResolvedOptions(TrainOptions):
    """Options with nothing left open; made by ``TrainOptions.resolved``."""

    arch: str = SMALL_ARCH
    padding_type: str = "reflect"
    norm: str = "instance"
    preprocessing: str = "vgg"
    tanh_constant: float = 150.0
    fill: str = "mean"
    data_mix: str = ""
    style_ramp: int = 300
    temporal_weight_schedule: str = str(QUICK_PIXEL_WEIGHT)
    identity_iterations: int = 150
