"""Motion found by those who have nothing to paint, for a long shot that somebody else paints.

A shot can only be painted frame by frame, but its motion is known before. So who is idle finds the
motion of frames to come and puts it into the run's folder, where the painter takes it from; what is
not there he finds himself. Whoever found it, it is the same.
"""

from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise

from brushflow.pipeline.parallel.lease import check_turn, painted_of
from brushflow.pipeline.plan import Segment
from brushflow.pipeline.segments import read_segments
from brushflow.pipeline.shot_painter import ShotPainter

# Frames beyond those that are painted: the painter has begun to look for their motion himself.
MARGIN = 12
# Bytes that motion may take while it waits; 12 for each pixel of the frames it is found on.
MOST = 1 << 30

Row = Sequence[Segment]


def next_to_find(row: Row, step: int, done: int, taken: Container[Segment]) -> Segment | None:
    """The segment of a row whose motion is of most use, None if there is none.

    ``row`` is in the order of the video, ``done`` the number of its painted frames, and ``taken``
    holds those segments that somebody has been given or that are finished.
    """
    before = 0
    for segment in row[::step]:
        if before >= done + MARGIN and segment not in taken:
            return segment
        before += len(segment)
    return None


def find_for(painter: ShotPainter, mark: str, row: Row, segment: Segment) -> None:
    """Put the motion of a segment's frames into the folder.

    It is any but the first one of its row, so all its frames go on from others. Ends early when
    the painter of the row comes near. TurnOver when the turn with this ``mark`` has ended.
    """
    motion, step = painter.painter.motion, painter.step
    order = list(row[::step])
    before = sum(map(len, order[: order.index(segment)]))
    frames = read_segments(
        *(painter.source, painter.scan.pts, [segment], step, 1),
        *(painter.size, painter.options.bit_depth),
    )
    with closing(frames), ThreadPoolExecutor(2, "motion") as pool:
        for number, (previous, frame) in enumerate(pairwise(frames)):
            check_turn(painter.folder.path, mark)
            if before + number < (painted_of(painter.folder.path, row[0].first) or 0) + MARGIN:
                return
            small = motion.find(frame, previous, pool)
            index = segment.entry(step) + number * step
            painter.folder.save_motion(mark, index, small.flow, small.reliability)
