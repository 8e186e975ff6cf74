"""How well changes of shot are found: clips joined in known ways, and lists made by eye."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from brushflow.shots.gradual_transitions import Transition

KINDS = ("cut", "fade", "dissolve")
TOLERANCE = 2  # frames that a transition may be found too early or too late


@dataclass
class Score:
    """Counts over any number of videos; ``+=`` adds."""

    hits: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    missed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    right: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    false: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    def __iadd__(self, other: "Score") -> "Score":
        for name in ("hits", "missed", "right", "false"):
            mine, theirs = getattr(self, name), getattr(other, name)
            for kind in KINDS:
                mine[kind] += theirs[kind]
        return self

    def recall(self, kind: str | None = None) -> float:
        """The share of the true transitions (of a kind) that were found, as whatever kind."""
        return _share(self.hits, self.missed, kind)

    def precision(self, kind: str | None = None) -> float:
        """The share of what was found (as this kind) that is a transition, of whatever kind."""
        return _share(self.right, self.false, kind)

    def f1(self, kind: str | None = None) -> float:
        """The harmonic mean of both."""
        precision, recall = self.precision(kind), self.recall(kind)
        total = precision + recall
        return 2 * precision * recall / total if total > 0 else total


def _share(yes: Mapping[str, int], no: Mapping[str, int], kind: str | None) -> float:
    kinds = KINDS if kind is None else (kind,)
    good, bad = sum(yes[k] for k in kinds), sum(no[k] for k in kinds)
    return good / (good + bad) if good + bad else math.nan


def score(found: Sequence[Transition], true: Sequence[Transition]) -> Score:
    """Compare; one is found where the begin of its new shot lies in it or ``TOLERANCE`` beside it.

    Each true transition counts once: what is found in it a second time is false.
    """
    result = Score()
    open_ = list(found)
    for transition in true:
        inside = [
            one
            for one in open_
            if transition.first - TOLERANCE <= one.at <= transition.last + TOLERANCE
        ]
        if inside:
            open_.remove(inside[0])
            result.hits[transition.kind] += 1
            result.right[inside[0].kind] += 1
        else:
            result.missed[transition.kind] += 1
    for one in open_:
        result.false[one.kind] += 1
    return result


def join(
    clips: Sequence[np.ndarray], seed: int, lengths: tuple[int, int] = (8, 32)
) -> tuple[Iterator[np.ndarray], list[Transition]]:
    """The clips, uint8 (N, H, W) of one size, joined by transitions drawn by chance.

    A third each are hard cuts, fades (out and in, through black or white) and dissolves; gradual
    ones take ``lengths`` frames, both ends included, of the clips' own (a fade of each). Returns
    the frames and the truth.
    """
    random = np.random.default_rng(seed)
    parts: list[np.ndarray] = []
    true: list[Transition] = []
    rest = clips[0]
    count = 0
    for clip in clips[1:]:
        kind = KINDS[random.integers(len(KINDS))]
        length = int(random.integers(lengths[0], lengths[1] + 1))
        length = min(length, len(rest) // 2, len(clip) // 2)
        if kind == "cut":
            parts.append(rest)
            count += len(rest)
            true.append(Transition("cut", count, count, count))
            rest = clip
            continue
        out, into = rest[len(rest) - length :].astype(np.float32), clip[:length].astype(np.float32)
        share = (np.arange(1, length + 1, dtype=np.float32) / (length + 1))[:, None, None]
        if kind == "dissolve":
            mixed = out * (1 - share) + into * share
        else:
            level = np.float32(255 * random.integers(2))
            away, back = out + (level - out) * share, level + (into - level) * share
            mixed = np.concatenate([away, np.full_like(out[:1], level), back])
        parts += [rest[: len(rest) - length], mixed.round().astype(np.uint8)]
        begin = count + len(rest) - length
        count = begin + len(mixed)
        true.append(Transition(kind, begin, count - 1, begin + len(mixed) // 2))
        rest = clip[length:]
    parts.append(rest)
    return (frame for part in parts for frame in part), true
