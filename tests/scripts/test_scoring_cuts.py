"""Joined clips have the changes they are said to have, and finds are counted once."""

import math

import numpy as np

from brushflow.evaluation.cut_scores import KINDS, join, score
from brushflow.shots.gradual_transitions import Transition


def test_joined_clips_change_where_the_truth_says():
    clips = [np.full((60, 6, 8), 20 * i, np.uint8) for i in range(1, 13)]
    frames, true = join(clips, seed=1)
    frames = np.stack(list(frames)).astype(int)
    assert len(true) == 11 and {one.kind for one in true} == set(KINDS)
    for i, one in enumerate(true):
        before, after = 20 * (i + 1), 20 * (i + 2)
        assert (frames[one.first - 1] == before).all()
        if one.kind == "cut":
            assert (frames[one.at] == after).all()
            continue
        assert (frames[one.last + 1] == after).all()
        inside = frames[one.first : one.last + 1, 0, 0]
        if one.kind == "dissolve":
            assert (before < inside).all() and (inside < after).all()
        else:
            assert {0, 255} & set(inside.tolist())


def test_every_change_counts_once_and_within_its_tolerance():
    true = [Transition("cut", 10, 10, 10), Transition("fade", 30, 40, 36)]
    found = [
        Transition("cut", 12, 12, 12),
        Transition("cut", 31, 31, 31),
        Transition("fade", 30, 40, 39),
        Transition("dissolve", 60, 70, 65),
    ]
    result = score(found, true)
    assert result.recall() == 1.0 and result.precision() == 0.5
    assert result.precision("dissolve") == 0.0 and result.precision("cut") == 1.0
    assert math.isnan(score([], []).f1())
    assert score([Transition("cut", 13, 13, 13)], true[:1]).recall() == 0.0
