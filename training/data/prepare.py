"""From videos to prepared sequences: those with the most motion, each with flow and reliability."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError
from brushflow.flow import load_estimator
from brushflow.training.data.clips import scaled_size, scan_shots, strip_of
from brushflow.training.data.prepared import remove_sequences, write_strip
from brushflow.training.data.windows import LEAST_CERTAIN, LEAST_MOTION, MOST_MOTION
from brushflow.video import Source

logger = logging.getLogger(__name__)

_TRIAL_SIDE = 64  # pixels; motion is judged on small frames


@dataclass(frozen=True)
class PrepareSettings:
    """What sequences are made: ``length`` frames of which every ``gap``-th of the video is one.

    ``side``: pixels of the shorter side; ``per_video``: the most sequences from one video.
    """

    length: int = 5
    gap: int = 1
    side: int = 256
    per_video: int = 5
    flow: str = "dis"
    flow_weights: str | None = None
    device: str = "cpu"


def part_of(name: str, validation_percent: float) -> str:
    """ "train" or "val": decided by the video's name, so that adding videos moves none."""
    number = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
    return "val" if number % 10000 < validation_percent * 100 else "train"


def place_for(name: str, out: Path, validation_percent: float) -> Path:
    """The folder of a video below ``out``; what an earlier call put into the other part moves.

    So nothing is both trained on and validated with, whatever the percentage was before.
    """
    part = part_of(name, validation_percent)
    place, other = (out / where / name for where in (part, "val" if part == "train" else "train"))
    if other.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        remove_sequences(place)
        other.rename(place)
    return place


def prepare_video(
    path: Path, folder: Path, settings: PrepareSettings, check: Callable[[], None] = lambda: None
) -> int:
    """Write the sequences of one video below ``folder`` and return their number.

    What an earlier call with the same settings finished is kept. BrushflowError if the video
    cannot be decoded. ``check`` is called often, and may raise to end it.
    """
    marker = folder / "done.json"
    wanted = asdict(settings)
    if marker.exists():
        done = json.loads(marker.read_text(encoding="utf-8"))
        if done["settings"] == wanted:
            return done["sequences"]
    # What an interrupted call left may be of other settings, which do not mix.
    remove_sequences(folder)
    shots = scan_shots(path, check)
    reach = settings.gap * (settings.length - 1) + 1
    starts = [
        first + place
        for first, length in shots.shots
        for place in range(0, length - reach + 1, reach)
    ]
    motion = _motions(shots.source, shots.table, starts, settings, check)
    useful = {s: m for s, m in motion.items() if LEAST_MOTION <= m <= MOST_MOTION}
    chosen = sorted(useful, key=lambda start: useful[start], reverse=True)[: settings.per_video]
    estimator = load_estimator(settings.flow, settings.device, settings.flow_weights)
    info = shots.source.info
    size = scaled_size(info.width, info.height, (settings.side, settings.side))
    written = 0
    for start in sorted(chosen):
        check()
        reading = shots.source.read(size=size, first=start, table=shots.table)
        frames = [f.pixels for f in islice(reading, 0, reach, settings.gap)]
        reading.close()
        if len(frames) < settings.length:
            continue
        strip = strip_of(frames, estimator)
        if np.mean(strip.maps) >= LEAST_CERTAIN:
            write_strip(folder / f"{start:06d}", strip)
            written += 1
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(marker) as partial:
        partial.write_text(
            json.dumps({"settings": wanted, "sequences": written, "video": path.name}),
            encoding="utf-8",
        )
    return written


def _motions(
    source: Source,
    table: list[int],
    starts: list[int],
    settings: PrepareSettings,
    check: Callable[[], None],
) -> dict[int, float]:
    """Mean displacement per step, in pixels of the prepared size, by the sequence's first frame."""
    reach = settings.gap * (settings.length - 1)
    size = scaled_size(source.info.width, source.info.height, (_TRIAL_SIDE, _TRIAL_SIDE))
    scale = settings.side / _TRIAL_SIDE / (settings.length - 1)
    flow = load_estimator("dis-fast")
    firsts: dict[int, np.ndarray] = {}
    motions: dict[int, float] = {}
    wanted = set(starts)
    for frame in source.read(size=size, table=table):
        check()
        if frame.index in wanted:
            firsts[frame.index] = frame.pixels
        before = firsts.pop(frame.index - reach, None)
        if before is not None:
            field = flow(frame.pixels, before)
            motions[frame.index - reach] = float(np.linalg.norm(field, axis=2).mean() * scale)
    return motions


def read_flowlist(path: Path) -> Iterator[list[tuple[Path, Path, Path, Path]]]:
    """Runs of pairs from the list that the original scripts write (REFERENCE E4).

    Every line is "first second flow", once in each direction; a flow whose name begins with
    ``s_`` starts a new run. Yields for each run its pairs in order: earlier frame, later frame,
    flow from later to earlier (on the later frame's grid), and the opposite one.
    """
    root = path.parent
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise BrushflowError(f"The flow list {path} cannot be read: {error}.") from error
    entries = {}
    for number, fields in enumerate(lines, 1):
        if not fields:
            continue
        if len(fields) != 3:
            raise BrushflowError(f"{path}, line {number}: not of the form 'frame frame flow'.")
        first, second, flow = (root / field for field in fields)
        entries[first, second] = flow
    run: list[tuple[Path, Path, Path, Path]] = []
    for (first, second), forward in entries.items():
        backward = entries.get((second, first))
        if backward is None or _frame_number(first) > _frame_number(second):
            continue
        if run and (forward.name.startswith("s_") or run[-1][1] != first):
            yield run
            run = []
        run.append((first, second, backward, forward))
    if run:
        yield run


def _frame_number(path: Path) -> int:
    digits = "".join(c for c in path.stem if c.isdigit())
    return int(digits or 0)
