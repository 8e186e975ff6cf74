"""What an evaluation found, in one sentence."""

from collections.abc import Sequence

from brushflow.evaluation.evaluation import Evaluation, Measured


def summary(evaluation: Evaluation) -> str:
    """One plain sentence: how steady the results are, by the warping error of the least distance.

    Steadiness is told as a multiple of the source's own error or, with a ceiling, as the share of
    what painting every frame alone adds that is left.
    """
    key = f"e_warp_{evaluation.distances[0]}"
    floor = evaluation.floor.means.get(key)
    measured = _errors(evaluation.results, key)
    if floor is None or not measured:
        return (
            "How steady the results are could not be measured: no two frames could be compared "
            "along the motion."
        )
    best, error = measured[0]
    who = best.name if len(measured) == 1 else f"Of {len(measured)} results, {best.name}"
    told = _of_one(error, floor, evaluation.ceiling, key)
    sentence = f"{who} {'' if len(measured) == 1 else 'is the steadiest: it '}{told}"
    return f"{sentence}{_others(measured)}."


def _errors(videos: Sequence[Measured], key: str) -> list[tuple[Measured, float]]:
    """The videos whose error is known, with it, the steadiest first."""
    known = [(video, error) for video in videos if (error := video.means.get(key)) is not None]
    return sorted(known, key=lambda pair: pair[1])


def _of_one(value: float, floor: float, ceiling: Measured | None, key: str) -> str:
    alone = ceiling.means.get(key) if ceiling is not None else None
    if value <= floor:
        return "is as steady as its source"
    times = f"flickers {value / floor:.1f} times as much as its source" if floor else (
        "flickers, and its source does not"
    )  # fmt: skip
    if alone is None or alone <= floor:
        return times
    left = 100 * (value - floor) / (alone - floor)
    if left >= 100:
        return f"{times}, no less than when every frame is painted alone"
    return f"{times}; of the flicker that painting every frame alone adds, {left:.0f} % is left"


def _others(measured: Sequence[tuple[Measured, float]]) -> str:
    """How much more the next best flickers, where there is one."""
    if len(measured) < 2 or not measured[0][1]:
        return ""
    (_, least), (second, error) = measured[:2]
    more = 100 * (error / least - 1)
    return f"; the next, {second.name}, has an error {more:.0f} % larger"
