"""One pass over a source and its results: every metric, in memory that no length changes."""

import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path

import cv2
import torch

from brushflow.common.errors import UsageError
from brushflow.common.wording import counted
from brushflow.evaluation.evaluation import CEILING, FLOOR, RESULT, Evaluation
from brushflow.evaluation.faithfulness import CONTENT_LAYERS, STYLE_LAYERS, Perceptual
from brushflow.evaluation.flicker import HOP, WINDOW
from brushflow.evaluation.lpips import Lpips
from brushflow.evaluation.parallel_frames import (
    FrameJudge,
    PairNumbers,
    measure_pairs,
    measure_window,
)
from brushflow.evaluation.tally import Tally
from brushflow.evaluation.truth import SintelTruth, TrueFlow
from brushflow.evaluation.video_pairs import Inputs
from brushflow.flow import load_estimator
from brushflow.flow.types import FlowEstimator, Frame
from brushflow.video.paintings import read_painting

DISTANCES = (1, 2, 5, 10)

# (frames done, frames in all or None if unknown)
Progress = Callable[[int, int | None], None]


def evaluate(
    source: Path | str,
    results: Mapping[str, Path | str],
    *,
    ceiling: str | None = None,
    flow: str | FlowEstimator = "dis",
    flow_weights: Path | str | None = None,
    flow_size: int | None = None,
    distances: Sequence[int] = DISTANCES,
    truth: SintelTruth | None = None,
    result_motion: bool = True,
    cuts: Collection[int] = (),
    style: Path | str | None = None,
    style_size: int = 448,
    loss_weights: Path | str | None = None,
    content_layers: Sequence[str] = CONTENT_LAYERS,
    style_layers: Sequence[str] = STYLE_LAYERS,
    lpips: str | tuple[Path | str, Path | str] | None = None,
    every: int = 5,
    max_size: int | None = None,
    end: float | None = None,
    fps: Fraction = Fraction(25),
    start: float | None = None,
    device: torch.device | str = "cpu",
    workers: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Evaluation:
    """Measure results against their source, and the source against itself as the floor.

    Motion is that of the source and shared by all results. The videos are read once, together;
    what is held is the frames of the largest distance (and of a window of eight), and what the
    threads work on.

    Args:
        source: a video file, a folder of images or a pattern.
        results: stylized videos by the name to show, of the source's size and number of frames.
        ceiling: that one of the results which was painted frame by frame.
        flow: name for ``flow.load_estimator``, or an estimator; ``flow_weights``, ``flow_size``:
            what that name is loaded with.
        distances: between the frames of a pair; that of 1 gives tOF, frame difference and heat too.
        truth: ground-truth flow between neighbours; for larger distances it is followed from frame
            to frame, so that no motion is estimated.
        result_motion: find the motion of every result too, for tOF: a flow per frame and result.
        cuts: indices of the source's frames that begin a shot; nothing is measured across them.
        style: the painting, for the style loss; ``style_size``: its longest side in pixels; see
            ``paintings.read_painting``.
        loss_weights: VGG weights, for content and style; ``content_layers``, ``style_layers``.
        lpips: a network's name, or files with its weights and linear layers, see ``lpips.Lpips``.
        every: measure faithfulness at every such frame; the networks are slow.
        max_size, end, fps, start: see ``video_pairs.Inputs``.
        device: where networks run.
        workers: threads; None: one per core.
        progress: called with (frames done, frames in all or None).

    Raises:
        UsageError: videos that are not there or do not fit together, or options that do not.
        BrushflowError: a video or weights that cannot be read.
    """
    distances = tuple(sorted(set(distances)))
    _check(results, ceiling, distances, every, style, loss_weights)
    inputs = Inputs(source, results, max_size, end, fps, start)
    estimator = (
        load_estimator(flow, device, flow_weights, flow_size) if isinstance(flow, str) else flow
    )
    judge = FrameJudge(
        _perceptual(loss_weights, style, style_size, content_layers, style_layers, device),
        Lpips(lpips, device) if lpips else None,
    )
    roles = [FLOOR, *(CEILING if name == ceiling else RESULT for name in results)]
    names = [inputs.paths[0].name, *results]
    tallies = [Tally(*each) for each in zip(names, inputs.paths, roles, strict=True)]

    total = inputs.expected_frames
    count = 0
    run = _Run(
        inputs,
        estimator,
        judge,
        truth,
        result_motion,
        distances,
        frozenset(cuts),
        every,
        tallies,
    )
    with _one_thread_per_job(), closing(inputs.read()) as stream:
        for count, _ in enumerate(run.measure(stream, workers or os.cpu_count() or 1), 1):
            progress(count, total)
    if count < 2:
        raise UsageError(f"{source} has {counted(count, 'frame')}; stability needs at least two.")

    measured = [
        tally.measured(tallies[0], count, float(inputs.frame_rate), inputs.size)
        for tally in tallies
    ]
    return Evaluation(
        floor=measured[0],
        results=tuple(each for each in measured if each.role == RESULT),
        ceiling=next((each for each in measured if each.role == CEILING), None),
        frames=count,
        size=inputs.size,
        frame_rate=float(inputs.frame_rate),
        distances=distances,
        settings={
            "flow": flow if isinstance(flow, str) else type(flow).__name__,
            "flow_weights": str(flow_weights) if flow_weights else None,
            "flow_size": flow_size,
            "truth": str(truth.dataset) if truth else None,
            "cuts": sorted(cuts),
            "style": str(style) if style else None,
            "style_size": style_size if style else None,
            "loss_weights": str(loss_weights) if loss_weights else None,
            "content_layers": list(content_layers) if loss_weights else None,
            "style_layers": list(style_layers) if style else None,
            "lpips": judge.lpips.name if judge.lpips else None,
            "faithfulness_every": every,
            "max_size": max_size,
            "start": start,
            "end": end,
        },
    )


class _Run:
    """Hands out the work in the order of the frames, and takes in what comes of it."""

    def __init__(
        self,
        inputs: Inputs,
        estimator: FlowEstimator,
        judge: FrameJudge,
        truth: SintelTruth | None,
        result_motion: bool,
        distances: tuple[int, ...],
        cuts: frozenset[int],
        every: int,
        tallies: Sequence[Tally],
    ) -> None:
        self.inputs = inputs
        self.estimator = estimator
        self.judge = judge
        self.truth = truth
        self.result_motion = result_motion
        self.distances = distances
        self.cuts = cuts
        self.every = every
        self.tallies = tallies
        self.held: deque[list[Frame]] = deque(maxlen=max(*distances, WINDOW - 1) + 1)
        self.truths: deque[TrueFlow] = deque(maxlen=max(distances))

    def measure(self, stream: Iterator[list[Frame]], workers: int) -> Iterator[int]:
        """Yield the index of every frame whose work has been handed out."""
        pending: deque[tuple[int, Future]] = deque()
        pool = ThreadPoolExecutor(workers, "evaluation")
        try:
            for index, frames in enumerate(stream):
                self.held.append(frames)
                pending.extend((index, pool.submit(*job)) for job in self._jobs(index))
                # What waits holds frames: no more of them than keep all threads at work.
                while len(pending) > 2 * workers:
                    self._take(*pending.popleft())
                yield index
            while pending:
                self._take(*pending.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def _jobs(self, index: int) -> Iterator[tuple]:
        """Work that the frames with this index complete: a function and its arguments."""
        frames = self.held[-1]
        yield self.judge.appearance, frames
        if index % self.every == 0:
            yield self.judge.faithfulness, frames
        earlier = {
            distance: self.held[-1 - distance]
            for distance in self.distances
            if index >= distance and not self._cut_within(index, distance)
        }
        if self.truth is not None and index > 0:
            self.truths.appendleft(self._true_flow(self.truth, index - 1, frames[0]))
        if earlier:
            truths = list(self.truths)[: max(earlier)]
            yield measure_pairs, self.estimator, earlier, frames, truths, self.result_motion
        whole = index + 1 >= WINDOW and not self._cut_within(index, WINDOW - 1)
        if whole and (index + 1 - WINDOW) % HOP == 0:
            yield measure_window, list(zip(*list(self.held)[-WINDOW:], strict=True))

    def _true_flow(self, sequence: SintelTruth, index: int, frame: Frame) -> TrueFlow:
        truth = sequence((self.inputs.first or 0) + index)
        if truth.flow.shape[:2] != frame.shape[:2]:
            raise UsageError(
                f"The true flow is {truth.flow.shape[1]}×{truth.flow.shape[0]} but the frames are "
                f"{frame.shape[1]}×{frame.shape[0]}; compare them at the size they were rendered."
            )
        return truth

    def _cut_within(self, index: int, distance: int) -> bool:
        last = (self.inputs.first or 0) + index
        return any(cut in self.cuts for cut in range(last - distance + 1, last + 1))

    def _take(self, index: int, job: Future) -> None:
        done = job.result()
        pair = done if isinstance(done, PairNumbers) else PairNumbers(done)
        for tally, named in zip(self.tallies, pair.numbers, strict=True):
            tally.add(index, named)
        if pair.mask is not None:
            for tally, differences in zip(self.tallies, pair.differences, strict=True):
                tally.warm(differences, pair.mask)


def _check(
    results: Mapping[str, Path | str],
    ceiling: str | None,
    distances: tuple[int, ...],
    every: int,
    style: Path | str | None,
    loss_weights: Path | str | None,
) -> None:
    if not results:
        raise UsageError("There is nothing to evaluate; name at least one result.")
    if ceiling is not None and ceiling not in results:
        raise UsageError(f"The ceiling '{ceiling}' is none of the results {', '.join(results)}.")
    if not distances or distances[0] < 1:
        raise UsageError("Frame distances are whole numbers from 1 on, as in 1,2,5,10.")
    if every < 1:
        raise UsageError("Faithfulness is measured at every n-th frame, n at least 1.")
    if style is not None and loss_weights is None:
        raise UsageError("The style loss needs the weights of a VGG network.", about="loss_weights")


def _perceptual(
    loss_weights: Path | str | None,
    style: Path | str | None,
    style_size: int,
    content_layers: Sequence[str],
    style_layers: Sequence[str],
    device: torch.device | str,
) -> Perceptual | None:
    if loss_weights is None:
        return None
    painting = None if style is None else read_painting(Path(style), style_size)
    return Perceptual(loss_weights, painting, content_layers, style_layers, device)


@contextmanager
def _one_thread_per_job() -> Iterator[None]:
    """Several jobs run at once instead; threads inside each would wait for one another."""
    of_opencv, of_torch = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(of_opencv)
        torch.set_num_threads(of_torch)
