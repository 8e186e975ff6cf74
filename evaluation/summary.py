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
    measured = [video for video in evaluation.results if video.means.get(key) is not None]
    if floor is None or not measured:
        return (
            "How steady the results are could not be measured: no two frames could be compared "
            "along the motion."
        )
    best = min(measured, key=lambda video: video.means[key])
    who = best.name if len(measured) == 1 else f"Of {len(measured)} results, {best.name}"
    told = _of_one(best.means[key], floor, evaluation.ceiling, key)
    sentence = f"{who} {'' if len(measured) == 1 else 'is the steadiest: it '}{told}"
    return f"{sentence}{_others(measured, best, key)}."


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


def _others(measured: Sequence[Measured], best: Measured, key: str) -> str:
    """How much more the next best flickers, where there is one."""
    rest = [video for video in measured if video is not best]
    if not rest or not best.means[key]:
        return ""
    second = min(rest, key=lambda video: video.means[key])
    more = 100 * (second.means[key] / best.means[key] - 1)
    return f"; the next, {second.name}, has an error {more:.0f} % larger"
