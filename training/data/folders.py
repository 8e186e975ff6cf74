"""Where training and validation look: folders split so that neither sees the other's pictures."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from brushflow.common.errors import UsageError
from brushflow.flow import load_estimator
from brushflow.training.data.batches import ClipSource, Shapes, TrainingData, parse_mix
from brushflow.training.data.clips import Clips, find_videos
from brushflow.training.data.hdf5_sets import StoredClips, StoredPhotographs, is_stored
from brushflow.training.data.photographs import Photographs, find_photographs
from brushflow.training.data.prepared import PreparedClips, find_sequences, is_prepared
from brushflow.training.data.simulated import Size
from brushflow.training.options import ResolvedOptions, TrainOptions
from brushflow.training.schedule import Schedule, SizeSchedule

logger = logging.getLogger(__name__)

_PHOTOGRAPHS_HELD_BACK, _VIDEOS_HELD_BACK = 20, 8  # every so many-th is kept for validation
# Frames of videos are decoded a little larger than the windows drawn from them.
_ROOM = 1.15

T = TypeVar("T")


@dataclass(frozen=True)
class DataSets:
    """What is trained on, and the same mix from pictures that are not."""

    training: TrainingData
    validation: TrainingData


def open_data(options: ResolvedOptions, device: torch.device) -> DataSets:
    """Find all photographs and videos; UsageError for folders that hold none."""
    for name in ("images", "videos"):
        if getattr(options, f"val_{name}") is not None and getattr(options, name) is None:
            raise UsageError(
                f"The {name} for validation are to judge what the {name} for training teach; name "
                f"both or none.",
                about=f"val_{name}",
            )
    mix = parse_mix(options.data_mix)
    shapes = Shapes(
        SizeSchedule.parse(options.size_schedule, "size_schedule", 16),
        Schedule.parse(options.batch_schedule, "batch_schedule", 1, whole=True),
        Schedule.parse(options.frame_steps_schedule, "frame_steps_schedule", 1, whole=True),
    )
    photographs = _photographs(options)
    clips = _clips(options, shapes.sizes.largest, device)
    training, validation = (
        TrainingData(mix, shapes, seed, pictures, videos, until)
        for seed, pictures, videos, until in (
            (options.seed, photographs[0], clips[0], options.single_image_until),
            (options.seed + 1, photographs[1], clips[1], 0),
        )
    )
    return DataSets(training, validation)


def _photographs(options: TrainOptions) -> tuple[Photographs | None, Photographs | None]:
    if options.images is None:
        return None, None
    training, held = _open_photographs(options.images, options.holes)
    if options.val_images is not None:
        first, second = _open_photographs(options.val_images, options.holes)
        held = second or first
    if held is not None:
        return training, held
    taught, kept = _split(training.pictures, _PHOTOGRAPHS_HELD_BACK, "photographs")
    return training.only(taught), training.only(kept)


def _open_photographs(place: Path, holes: bool) -> tuple[Photographs, Photographs | None]:
    """What a place holds for training, and for validation, where it keeps that apart."""
    if not is_stored(place):
        return Photographs(find_photographs(place), holes), None
    held = StoredPhotographs(place, "val", holes)
    return StoredPhotographs(place, "train", holes), held if held.pictures else None


def _clips(
    options: TrainOptions, window: Size, device: torch.device
) -> tuple[ClipSource | None, ClipSource | None]:
    if options.videos is None:
        return None, None
    if is_stored(options.videos) or is_prepared(options.videos):
        place = options.val_videos or options.videos
        held = _open_sequences(place, "val")
        if held is None and options.val_videos is None:
            logger.warning(
                "%s holds no sequences for validation, so it sees those of training; others can be "
                "named, or some be kept back when videos are prepared.",
                options.videos,
            )
        return _open_sequences(options.videos, "train"), held or _open_sequences(place, "train")
    taught: Sequence[Path] = find_videos(options.videos)
    kept: Sequence[Path]
    if options.val_videos is not None:
        kept = find_videos(options.val_videos)
    else:
        taught, kept = _split(taught, _VIDEOS_HELD_BACK, "videos")
    estimator = load_estimator(options.flow, device, options.flow_weights)
    height, width = (2 * round(_ROOM * side / 2) for side in window)
    least = height, width
    return Clips(taught, least, estimator), Clips(kept, least, estimator)


def _open_sequences(place: Path, part: str) -> PreparedClips | None:
    """The prepared sequences of a part, None where there are none for validation."""
    if is_stored(place):
        stored = StoredClips(place, part)
        return stored if stored.sequences else None
    sequences = find_sequences(place, part)
    return PreparedClips(sequences) if sequences else None


def _split(paths: Sequence[T], every: int, what: str) -> tuple[Sequence[T], Sequence[T]]:
    if len(paths) == 1:
        logger.warning(
            "There is one of the %s only, and validation sees it too; others can be named.", what
        )
        return paths, paths
    held = set(range(every // 2, len(paths), every)) or {len(paths) - 1}
    return (
        [path for i, path in enumerate(paths) if i not in held],
        [path for i, path in enumerate(paths) if i in held],
    )
