"""The stages from a source to a painted video, and the recurrence at their heart."""

from brushflow.pipeline.destination import check_destination
from brushflow.pipeline.job import ProgressCallback, RunReport
from brushflow.pipeline.options import StylizeOptions
from brushflow.pipeline.run import stylize_video
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
