"""The stages from a source to a painted video, and the recurrence at their heart."""

from brushflow.pipeline.options import StylizeOptions
from brushflow.pipeline.outputs import check_destination
from brushflow.pipeline.run import ProgressCallback, RunReport, stylize_video
from brushflow.pipeline.stylizer import Stylized, Stylizer

__all__ = [
    "ProgressCallback",
    "RunReport",
    "StylizeOptions",
    "Stylized",
    "Stylizer",
    "check_destination",
    "stylize_video",
]
