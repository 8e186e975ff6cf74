"""Motion found by those who have nothing to paint, for a long shot that somebody else paints.

A shot can only be painted frame by frame, but its motion is known before. So who is idle finds the
motion of frames to come and puts it into the run's folder, where the painter takes it from; what is
not there he finds himself. Whoever found it, it is the same.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise

from brushflow.pipeline.plan import Segment
from brushflow.pipeline.segments import read_segments
from brushflow.pipeline.shot_painter import ShotPainter
from brushflow.pipeline.turns import check_turn, painted_of

# Frames beyond those that are painted: the painter has begun to look for their motion himself.
MARGIN = 12
# Frames that motion may lie ready for; each takes 3 bytes per pixel of a frame at half size.
AHEAD = 144


def next_to_find(
    row: Sequence[Segment], step: int, done: int, taken: set[Segment]
) -> Segment | None:
    """The segment of a row whose motion is of most use, None if there is none.

    ``row`` is in the order of the video, ``done`` the number of its painted frames, and ``taken``
    those segments that somebody has been given or that are finished.
    """
    before = 0
    for segment in row[::step]:
        if before > done + AHEAD:
            return None
        if before >= done + MARGIN and segment not in taken:
            return segment
        before += len(segment)
    return None


def find_for(painter: ShotPainter, mark: str, row: Sequence[Segment], segment: Segment) -> int:
    """Put the motion of a segment's frames into the folder; returns the number of frames.

    Ends early when the painter of the row comes near. TurnOver when the turn with this ``mark``
    has ended.
    """
    motion = painter.painter.motion
    step, entry = painter.step, segment.entry(painter.step)
    order = list(row[::step])
    before = sum(map(len, order[: order.index(segment)]))
    starts = painter.cuts | painter.joints | {painter.inside[0 if step > 0 else 1]}
    lead = 0 if entry in starts else 1
    frames = read_segments(
        *(painter.source, painter.scan.pts, [segment], step, lead),
        *(painter.size, painter.options.bit_depth),
    )
    found = 0
    with closing(frames), ThreadPoolExecutor(2, "motion") as pool:
        for number, (previous, frame) in enumerate(pairwise(frames), 1 - lead):
            check_turn(painter.folder.path, mark)
            if before + number < (painted_of(painter.folder.path, row[0].first) or 0) + MARGIN:
                break
            index = entry + number * step
            if index not in starts:
                small = motion.find(frame, previous, pool)
                painter.folder.save_motion(index, small.flow, small.reliability)
                found += 1
    return found
