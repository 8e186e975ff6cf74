"""Which pixels of a frame can be traced into the previous one, or may count as if they could."""

from brushflow.occlusion.appearance import by_looks
from brushflow.occlusion.consistency import RULES, reliability
from brushflow.occlusion.min_filter import min_filter
from brushflow.occlusion.pgm import read_map, read_pgm, write_pgm
from brushflow.occlusion.structure import structure_map

__all__ = [
    "RULES",
    "by_looks",
    "min_filter",
    "read_map",
    "read_pgm",
    "reliability",
    "structure_map",
    "write_pgm",
]
