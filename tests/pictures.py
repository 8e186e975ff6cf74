"""What a file shows, for tests to compare."""

import numpy as np

from brushflow.video import open_source


def frames_of(path):
    return [frame.pixels for frame in open_source(path).read()]


def times_of(path):
    source = open_source(path)
    return [frame.pts * source.info.time_base for frame in source.read()]


def difference(a, b):
    return float(np.abs(a.astype(int) - b).mean())
