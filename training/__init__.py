"""Training a video model from a painting and a folder of photographs."""

from brushflow.training.loop import Progress, train
from brushflow.training.options import TrainOptions

__all__ = ["Progress", "TrainOptions", "train"]
