"""A recorded network gives what the network gives, and nobody's result is written over."""

import numpy as np
import pytest
import torch
from skimage import data
from torch import nn

from brushflow.models import StyleModel, build
from brushflow.models.inference.cuda_graph import Graphed, Recording
from brushflow.models.inference.folding import fold
from brushflow.pipeline.stylizer import Stylizer

ARCH = "c3s1-4,d6,R6,U2,c3s1-3"

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class Tape:
    """Stands in for CUDA graphs: replaying computes again, into the memory of the first time."""

    def __init__(self):
        self.recorded, self.replayed = [], 0

    def __call__(self, network, x):
        self.recorded.append(tuple(x.shape))
        held = x.clone()
        output = network(held)

        def replay():
            self.replayed += 1
            output.copy_(network(held))

        return Recording(held, output, replay)


def small_network():
    torch.manual_seed(0)
    return fold(build(ARCH, 7, "reflect").eval())


def pictures(count, height=48, width=56):
    return list(torch.randn(count, 1, 7, height, width, generator=torch.manual_seed(1)) * 50)


def test_results_are_those_of_the_network_and_stay_what_they_are():
    network, tape = small_network(), Tape()
    graphed = Graphed(network, tape)
    assert graphed.in_channels == 7
    inputs = pictures(3)
    outputs = [graphed(x) for x in inputs]
    assert tape.recorded == [(1, 7, 48, 56)] and tape.replayed == 3
    for x, output in zip(inputs, outputs, strict=True):
        assert torch.equal(output, network(x))


def test_a_video_comes_out_the_same():
    model = StyleModel(build(ARCH, 7, "reflect").eval(), "small")
    frames = [np.roll(data.astronaut()[100:148, 200:256], shift, 1) for shift in range(4)]
    plain, graphed = Stylizer(model), Stylizer(model)
    graphed.network = graphed.first_network = Graphed(graphed.network, Tape())
    painted = [[each.output for each in s.stylize(frames)] for s in (plain, graphed)]
    assert all(torch.equal(*pair) for pair in zip(*painted, strict=True))


def test_every_shape_has_its_recording_and_few_are_kept():
    network, tape = small_network(), Tape()
    graphed = Graphed(network, tape)
    sizes = [(48, 48), (48, 52), (48, 56), (48, 60)]
    for height, width in [*sizes, sizes[-1], sizes[0]]:
        x = pictures(1, height, width)[0]
        assert torch.equal(graphed(x), network(x))
    assert [shape[-1] for shape in tape.recorded] == [48, 52, 56, 60, 48]


def test_every_precision_has_its_recording():
    network, tape = small_network(), Tape()
    graphed = Graphed(network, tape)
    x = pictures(1)[0]
    for _ in range(2):
        assert torch.equal(graphed(x), network(x))
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(graphed(x), network(x))
    assert len(tape.recorded) == 2


def test_what_cannot_be_recorded_runs_as_it_is(caplog):
    attempts = []

    def recorder(network, x):
        attempts.append(x)
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    network = small_network()
    graphed = Graphed(network, recorder)
    for x in pictures(2):
        assert torch.equal(graphed(x), network(x))
    assert len(attempts) == 1
    assert "without a CUDA graph" in caplog.text and "not permitted" in caplog.text


def test_a_mistake_of_ours_is_not_hidden():
    class Broken(nn.Module):
        in_channels = 7

        def forward(self, x):
            raise ValueError("no such layer")

    with pytest.raises(ValueError, match="no such layer"):
        Graphed(Broken(), Tape())(pictures(1)[0])


@needs_cuda
@pytest.mark.parametrize("precision", [None, torch.float16, torch.bfloat16])
def test_on_a_gpu(precision):
    network = small_network().cuda()
    graphed = Graphed(network)
    with torch.inference_mode(), torch.autocast("cuda", precision, enabled=precision is not None):
        inputs = [x.cuda() for x in pictures(4)]
        outputs = [graphed(x) for x in inputs]
        for x, output in zip(inputs, outputs, strict=True):
            assert (output - network(x)).abs().max() < 0.05
    assert graphed._recordings
