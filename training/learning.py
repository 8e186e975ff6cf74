"""Any painting, at once: learned in minutes from the bundled base, and kept for the next time."""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from skimage import data

from brushflow.common.atomic_files import file_digest
from brushflow.common.errors import UsageError
from brushflow.models import StyleModel, load, styles
from brushflow.models.loss_network import LossNetwork
from brushflow.models.model_file import BASE
from brushflow.training.data.clips import scaled_size
from brushflow.training.data.prepare import PrepareSettings, prepare_video
from brushflow.training.loop import Progress, train
from brushflow.training.options import TrainOptions, check_blend
from brushflow.training.places import folder_of
from brushflow.training.recipes import STROKES
from brushflow.video import Source, open_source, write_image
from brushflow.video.paintings import read_painting

_SIDE = 288  # pixels of the shorter side of what is learned from; windows are 192
_PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")  # of scikit-image
_FRAMES = 24  # of the source, as photographs
_STILL = "single_image:4,shift:5"  # where nothing moves
_SEQUENCES = PrepareSettings(length=3, gap=2, side=_SIDE, per_video=12)


@dataclass(frozen=True)
class Effort:
    """How long a painting is learned.

    ``iterations``, of which the first ``alone`` see single pictures; ``minutes`` that takes on two
    cores.
    """

    iterations: int
    alone: int
    minutes: int


EFFORTS = {
    "quick": Effort(120, 90, 2),
    "normal": Effort(330, 240, 6),
    "fine": Effort(1600, 1100, 30),
}


def learned_place(
    paintings: Sequence[Path],
    effort: str = "normal",
    blend: Sequence[float] = (),
    loss_weights: str = "vgg16",
    name: str | None = None,
) -> Path:
    """Where the model of these paintings is, or will be, in the user's cache.

    The folder bears a digest of all that decides the model but the frames it is learned from: the
    next clip begins at once. The style is called as its painting, or ``name``, or as it has been
    renamed. UsageError if there is no such painting, effort or blend.
    """
    if effort not in EFFORTS:
        raise UsageError(f"There is no effort {effort!r}; choose one of {', '.join(EFFORTS)}.")
    for painting in paintings:
        if not painting.is_file():
            raise UsageError(f"There is no painting {painting}.")
    check_blend(blend, len(paintings))
    judge = Path(loss_weights)
    decides = {
        "paintings": [file_digest(painting) for painting in paintings],
        "blend": [weight / sum(blend) for weight in blend],
        "base": file_digest(BASE),
        "judge": file_digest(judge) if judge.is_file() else loss_weights,
        **recipe_of(EFFORTS[effort]),
    }
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    wanted = name or "+".join(painting.stem for painting in paintings)
    return styles.place_of(digest[:16], wanted)


def learn_style(
    paintings: Path | Sequence[Path],
    frames: Path | str | None = None,
    effort: str = "normal",
    *,
    blend: Sequence[float] = (),
    loss_weights: str = "vgg16",
    name: str | None = None,
    device: str = "auto",
    progress: Callable[[Progress], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> StyleModel:
    """A model that paints like ``paintings``, learned now if it is not in the cache.

    It learns from what it is to paint first: the source's own frames and motion; and from some
    photographs, so that it serves other sources, too. Interrupted, the same call goes on.

    Args:
        paintings: picture files; several are blended, with the weights ``blend`` if given.
        frames: a video, a folder or pattern of images, or a picture; None: photographs only.
        effort: of ``EFFORTS``.
        loss_weights: of VGG, as in ``TrainOptions``; by a name they are downloaded once.
        name: of the style; without it, that of the painting.
        device: where to train.
        progress: called after every iteration; ``stop``: set, it ends the run with a checkpoint.

    Raises:
        UsageError, BrushflowError: as ``train``; KeyboardInterrupt after ``stop``.
    """
    paintings = (paintings,) if isinstance(paintings, Path) else tuple(paintings)
    place = learned_place(paintings, effort, blend, loss_weights, name)
    if not place.exists():
        # What cannot be learned, or not here, is better found out before minutes of work.
        for painting in paintings:
            read_painting(painting, STROKES["style_size"])
        LossNetwork(loss_weights, [layer.partition("/")[0] for layer in STROKES["style_layers"]])
        photographs, videos = material(place.parent / "material", frames, stop)
        options = TrainOptions(
            style=paintings,
            output=place,
            images=photographs,
            videos=videos,
            val_images=photographs,  # nothing is held back from so little
            val_videos=videos,
            init_from=BASE,
            loss_weights=loss_weights,
            device=device,
            style_blend=tuple(blend),
            **recipe_of(EFFORTS[effort]) | ({} if videos else {"data_mix": _STILL}),
        )
        train(options, progress, stop, told_apart=("style", "loss_weights"))
        for folder in (place.parent / "material", folder_of(place)):
            shutil.rmtree(folder, ignore_errors=True)
    return load(place)


def recipe_of(effort: Effort) -> dict[str, Any]:
    """The fields of ``TrainOptions`` that are the effort's."""
    last, slow = effort.iterations, effort.iterations * 9 // 10
    return {
        **STROKES,
        "iterations": last,
        "single_image_until": effort.alone,
        "learning_rate": f"2e-3,{last // 2}:1e-3,{slow}:3e-4",
        "images_every": 0,
        "val_batches": 1,
    }


def material(
    folder: Path, frames: Path | str | None, stop: threading.Event | None = None
) -> tuple[Path, Path | None]:
    """Photographs, and sequences of frames that move if there are some.

    What is whole is kept, also if it is of other frames: an interrupted run goes on with it.
    KeyboardInterrupt soon after ``stop`` is set.
    """

    def check() -> None:
        if stop is not None and stop.is_set():
            raise KeyboardInterrupt

    photographs, videos, whole = folder / "photographs", folder / "videos", folder / "whole"
    if not whole.exists():
        moving = 0
        photographs.mkdir(parents=True, exist_ok=True)
        pictures = {name: getattr(data, name)() for name in _PHOTOGRAPHS}
        if frames is not None:
            source = open_source(frames)
            pictures |= {f"frame-{i:03d}": frame for i, frame in enumerate(_spread(source, check))}
            if source.kind != "image":
                place = videos / "train" / "source"
                moving = prepare_video(Path(frames), place, _SEQUENCES, check)
        for name, picture in pictures.items():
            write_image(photographs / f"{name}.png", picture)
        whole.write_text(str(moving), encoding="utf-8")
    return photographs, videos if int(whole.read_text(encoding="utf-8")) else None


def _spread(source: Source, check: Callable[[], None]) -> list[np.ndarray]:
    """Frames (H, W, 3) from all over the source, at the size that is learned from."""
    size = scaled_size(source.info.width, source.info.height, (_SIDE, _SIDE))
    step, kept = 1, []
    for number, frame in enumerate(source.read(size=size)):
        check()
        if number % step:
            continue
        kept.append(frame.pixels)
        if len(kept) == 2 * _FRAMES:  # whatever the length, so many and evenly spread
            kept, step = kept[::2], 2 * step
    return kept
