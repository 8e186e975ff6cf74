"""All kernels of a network started at once: a CUDA graph.

A small network is a hundred short kernels a frame. Starting them one after another from Python
can take as long as they run, and longer while other threads of the pipeline hold the interpreter.
So they are recorded once for each shape of input, and a frame is one launch.
"""

import logging
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)

_WARM_UPS = 3  # passes in which libraries choose their algorithms, as NVIDIA and PyTorch advise
_MOST_RECORDINGS = 3


@dataclass(frozen=True)
class Recording:
    """Computes ``output`` from ``input`` when replayed, always in the same memory."""

    input: Tensor
    output: Tensor
    replay: Callable[[], None]


Recorder = Callable[[nn.Module, Tensor], Recording]


def record(network: nn.Module, x: Tensor) -> Recording:
    """Record what ``network`` does with inputs like ``x``, which lies on a CUDA device.

    RuntimeError where that cannot be done, e.g. for lack of memory: the recording keeps that of
    all results in between.
    """
    with torch.cuda.device(x.device):
        held = x.clone()
        here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UPS):
                network(held)
        here.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Other threads, which find motion, go on using the device meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            output = network(held)
    return Recording(held, output, graph.replay)


class Graphed(nn.Module):
    """Another network, for inference: same input, same output, started as a whole.

    The network must do the same for every input of a shape, without asking what is in it. If it
    cannot be recorded it runs as it is. The latest three recordings are kept: another shape, or
    another precision of autocast, needs another one.
    """

    def __init__(self, network: nn.Module, recorder: Recorder = record) -> None:
        super().__init__()
        self.network = network
        self.in_channels = network.in_channels
        self._recorder: Recorder | None = recorder
        self._recordings: dict[Hashable, Recording] = {}
        # Whoever replays must have fetched the output before the next one does.
        self._one_at_a_time = threading.Lock()

    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        with self._one_at_a_time:
            recording = self._recording(x)
            if recording is None:
                return self.network(x)
            recording.input.copy_(x)
            recording.replay()
            return recording.output.clone()

    def _recording(self, x: Tensor) -> Recording | None:
        """The one for inputs like ``x``, made if need be; None where that cannot be done."""
        device = x.device.type
        half = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device)
        kind = (x.shape, x.dtype, half)
        if kind in self._recordings or self._recorder is None:
            return self._recordings.get(kind)
        while len(self._recordings) >= _MOST_RECORDINGS:
            del self._recordings[next(iter(self._recordings))]
        try:
            self._recordings[kind] = self._recorder(self.network, x)
        except RuntimeError as error:
            logger.warning("Going on without a CUDA graph, which could not be made: %s", error)
            self._recorder = None
            self._recordings.clear()
        return self._recordings.get(kind)
