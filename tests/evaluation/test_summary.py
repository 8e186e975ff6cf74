"""The sentence says what the numbers say."""

from pathlib import Path

import numpy as np
import pytest

from brushflow.evaluation.evaluation import CEILING, FLOOR, RESULT, Evaluation, Measured
from brushflow.evaluation.summary import summary


def found(floor, ceiling=None, **results):
    def one(name, role, error):
        return Measured(name, Path(name), role, {"e_warp_1": error}, {}, np.zeros((2, 2)))

    return Evaluation(
        floor=one("clip.mp4", FLOOR, floor),
        results=tuple(one(name, RESULT, error) for name, error in results.items()),
        ceiling=None if ceiling is None else one("alone", CEILING, ceiling),
        **{"frames": 9, "size": (2, 2), "frame_rate": 25.0, "distances": (1, 2), "settings": {}},
    )


@pytest.mark.parametrize(
    "evaluation, sentence",
    [
        (found(0.2, ours=0.5), "ours flickers 2.5 times as much as its source."),
        (found(0.2, ours=0.2), "ours is as steady as its source."),
        (
            found(0.2, 1.0, ours=0.4),
            "ours flickers 2.0 times as much as its source; of the flicker that painting every "
            "frame alone adds, 25 % is left.",
        ),
        (
            found(0.2, 1.0, ours=1.2),
            "ours flickers 6.0 times as much as its source, no less than when every frame is "
            "painted alone.",
        ),
        (
            found(0.2, theirs=0.8, ours=0.4, others=0.6),
            "Of 3 results, ours is the steadiest: it flickers 2.0 times as much as its source; "
            "the next, others, has an error 50 % larger.",
        ),
        (found(0.0, ours=0.4), "ours flickers, and its source does not."),
        (found(0.0, ours=0.0, theirs=0.1), "Of 2 results, ours is the steadiest: it is as steady"),
        (found(0.2, ours=None), "How steady the results are could not be measured"),
        (found(None, ours=None), "How steady the results are could not be measured"),
        (found(0.2, 0.1, ours=0.4), "ours flickers 2.0 times as much as its source."),
    ],
)
def test_one_sentence(evaluation, sentence):
    told = summary(evaluation)
    assert told.startswith(sentence) and told.endswith(".") and "\n" not in told
