"""Where did this pixel come from? Two frames in, one displacement field out.

A flow is float32 (H, W, 2) in pixels, (u, v) = (x, y): pixel p of the first frame is found at
p + flow(p) in the second. The *backward* flow of frame t lives on the grid of t and points into
t-1; it is what warps the previous picture onto the current one. The *forward* flow of t-1 lives
on the grid of t-1 and points into t.
"""

from brushflow.flow.borders import hold_inside, stays_inside
from brushflow.flow.color import flow_to_color
from brushflow.flow.estimators import ESTIMATOR_NAMES, load_estimator
from brushflow.flow.flo import read_flo, write_flo
from brushflow.flow.kitti import read_kitti, write_kitti
from brushflow.flow.pairs import bidirectional
from brushflow.flow.resize import resize_flow
from brushflow.flow.types import FlowEstimator
from brushflow.flow.warp import warp, warp_array, warp_sharp

__all__ = [
    "ESTIMATOR_NAMES",
    "FlowEstimator",
    "bidirectional",
    "flow_to_color",
    "hold_inside",
    "load_estimator",
    "read_flo",
    "read_kitti",
    "resize_flow",
    "stays_inside",
    "warp",
    "warp_array",
    "warp_sharp",
    "write_flo",
    "write_kitti",
]
