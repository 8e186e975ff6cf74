"""Segments cover every frame once, and never span a cut."""

import pytest

from brushflow.pipeline.folder import Segment
from brushflow.pipeline.segments import (
    GROUP_BYTES,
    find_joints,
    missing_runs,
    plan_groups,
    plan_rows,
    plan_segments,
)
from brushflow.shots.scan import Scan


@pytest.mark.parametrize("cuts", [(), (48,), (1, 2, 3), (60, 61, 109), (0, 500)])
@pytest.mark.parametrize(("first", "last"), [(0, 109), (5, 5), (30, 101)])
def test_segments_cover_all_frames_once(cuts, first, last):
    plan = plan_segments(first, last, cuts)
    frames = [i for segment in plan for i in range(segment.first, segment.last + 1)]
    assert frames == list(range(first, last + 1))
    starts = {segment.first for segment in plan}
    assert {cut for cut in cuts if first < cut <= last} <= starts
    assert max(map(len, plan)) <= 48
    assert sorted(segment.name for segment in plan) == [segment.name for segment in plan]


def test_entry_and_exit_follow_the_direction():
    segment = Segment(3, 9)
    assert (segment.entry(1), segment.exit(1)) == (3, 9)
    assert (segment.entry(-1), segment.exit(-1)) == (9, 3)


def test_what_is_missing_comes_in_runs():
    plan = plan_segments(0, 9, (), length=2)
    assert missing_runs(plan, []) == [range(0, 5)]
    assert missing_runs(plan, plan) == []
    assert missing_runs(plan, [plan[0], plan[3]]) == [range(1, 3), range(4, 5)]


def test_long_shots_are_divided_into_equal_parts():
    assert find_joints(0, 199, [100, 120], None) == []
    assert find_joints(0, 199, [100, 120], 50) == [50, 160]
    assert find_joints(10, 99, [], 40) == [40, 70]
    assert find_joints(0, 9, [], 10) == []


def test_groups_are_of_one_shot_and_wait_in_little_space():
    plan = plan_segments(0, 700, [300])
    groups = plan_groups(plan, {300}, 1000)
    assert [(g[0].first, g[-1].last) for g in groups] == [
        *((0, 239), (240, 299)),
        *((300, 539), (540, 700)),
    ]
    assert [part for group in groups for part in group] == plan
    large = plan_groups(plan, {300}, GROUP_BYTES // 100)
    assert max(map(len, large)) == 2
    assert all(len(group) == 1 for group in plan_groups(plan, {300}, 2**40))


def test_rows_are_shots_or_groups_or_a_few_where_reading_is_slow():
    cuts = list(range(10, 200, 10))
    plan = plan_segments(0, 199, cuts)
    groups = plan_groups(plan, cuts, 1000)
    assert [len(row) for row in plan_rows(groups, cuts, Scan([], cuts, None, []))] == [1] * 20
    rows = plan_rows(groups, cuts, Scan([], cuts, "damaged", []))
    assert len(rows) == 7 and [part for row in rows for part in row] == plan
    groups = plan_groups(plan_segments(0, 339, [300]), {300}, 1000)
    whole = Scan([], [300], None, [])
    rows = plan_rows(groups, {300}, whole)
    assert [[s.first for s in row] for row in rows] == [[0, 48, 96, 144, 192, 240, 288], [300]]
    rows = plan_rows(groups, None, whole)
    assert [[s.first for s in row] for row in rows] == [[0, 48, 96, 144, 192], [240, 288], [300]]
