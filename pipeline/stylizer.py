"""The recurrence: every frame is painted knowing how the one before it was painted."""

import itertools
from collections import deque
from collections.abc import Callable, Container, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from brushflow.common.queues import result_of
from brushflow.common.torch_devices import autocast
from brushflow.flow import load_estimator, warp
from brushflow.flow.types import FlowEstimator
from brushflow.models import StyleModel, from_rgb, preprocess, upload
from brushflow.models.inference.folding import for_inference
from brushflow.models.network_input import filling, input_for
from brushflow.models.preprocessing import resize_bicubic
from brushflow.occlusion import min_filter
from brushflow.occlusion.motion import EstimatedMotion, Motion, MotionSource, Moved
from brushflow.pipeline.blending import blended, fitting
from brushflow.pipeline.long_term import RECENT, Memory, State, composed
from brushflow.shots.looks import AS_IT_IS, Look, contents

# Of a frame that shows two shots, the share that is painted without a prior: within four frames
# paintings turn, and what differs from one frame to the next by chance is a quarter.
_TURNS = 0.25
_FACES = 6  # of a sphere, which are painted at once


@dataclass(frozen=True)
class Moment:
    """How a frame is painted by several styles: how much of each of a timeline's kinds, which are 1
    in all."""

    shares: tuple[float, ...]
    strength: float
    keep_colors: float


@dataclass(frozen=True)
class Stylized:
    """One painted frame.

    ``frame``: the source, (H, W, 3) RGB; ``output``: float32 (1, 3, H, W) in network space, None
    where no network ran; ``motion``: None where nothing was carried over; ``state``: what the next
    frame depends on; ``seen``: the frame as it was painted, where that was at another size;
    ``look``: how the film shows it; ``mask``: how far the painting is shown, (H, W) of the frame's
    type, None: everywhere; ``layers`` and ``moment``: see ``pipeline.layers``. On a sphere the
    output is that of six faces, and motion is by the face's name.
    """

    index: int
    frame: np.ndarray
    output: Tensor | None
    motion: Moved | Mapping[str, Motion] | None
    state: State | None = None
    seen: np.ndarray | None = None
    look: Look = AS_IT_IS
    mask: np.ndarray | None = None
    layers: tuple["Stylized | None", ...] = ()
    moment: Moment | None = None


class Stylizer:
    """Paints frames one after another, each with the one before it as prior.

    Ruder et al. 2018, sec. 5.1: the network sees the frame, the previous output warped to it
    times the reliability, and the reliability. The state is the float32 output, with its anchors
    (see ``State``). Motion of coming frames is found in other threads meanwhile.

    Args:
        model: a video model (7 channels), an image model (3), which paints every frame alone, or
            a recurrent model (6), which sees the output before as it is and needs no motion.
        flow: name for ``load_estimator``, or an estimator.
        first_frame_model: image model for frames without a prior; None: the video model itself.
        motion: takes the place of ``flow``, e.g. motion read from files.
        rule: how reliability is decided, "fast" or "slow".
        min_filter_width: odd width of the window that shrinks the reliable area, 1 for none.
        fill: of ``FILLS``, what stands where there is no prior; None: as the model has learned.
        outside: what a painting is taken for beyond its border, where motion may point and yet be
            believed: "mean" colour, as in training, or "black", as the original program has it.
        independent: paint every frame alone.
        first_scale: share of its size that a frame without a prior is painted at; the painting is
            enlarged (bicubic, both ways).
        settle: how often a shot's first frame is painted again, with its own painting as prior. A
            network paints a little differently with a prior than without; so the shot begins
            with what it would settle to anyway. For video models that paint first frames too.
            None: twice, but where strokes begin from clouds not at all, as that takes the edge off
            them; only the parts of one picture need it to agree with each other.
        long_term: share of the output that comes from a shot's anchor where that is in sight,
            see ``pipeline.long_term``; 0, as published: only the painting before is carried over.
        device, precision: see ``common.torch_devices``.
        shared: pictures painted at once are parts of one, as the faces of a sphere are.
        workers: threads that find motion; ``lookahead``: frames held for them.
    """

    def __init__(
        self,
        model: StyleModel,
        flow: str | FlowEstimator = "dis",
        first_frame_model: StyleModel | None = None,
        *,
        motion: MotionSource | None = None,
        rule: str = "fast",
        min_filter_width: int = 7,
        fill: str | None = None,
        outside: str = "mean",
        independent: bool = False,
        first_scale: float = 1.0,
        settle: int | None = None,
        long_term: float = 0.0,
        device: torch.device | str = "cpu",
        precision: str = "fp32",
        shared: bool = False,
        workers: int = 2,
        lookahead: int = 4,
    ) -> None:
        self.device = torch.device(device)
        self.network = for_inference(model.network, self.device, precision, shared)
        self.independent = independent or self.network.in_channels == 3
        self.first_network = (
            for_inference(first_frame_model.network, self.device, precision, shared)
            if first_frame_model
            else self.network
        )
        moves = self.network.in_channels == 7 and not self.independent
        if motion is None and moves:
            estimator = load_estimator(flow, self.device) if isinstance(flow, str) else flow
            motion = EstimatedMotion(estimator, rule)
        self.motion = motion if moves else None
        self.min_filter_width = min_filter_width
        self.fill = fill or model.network.fill
        black = from_rgb(torch.zeros(1, 3, 1, 1, device=self.device))
        self.outside = black if outside == "black" else None
        self.first_scale = first_scale
        if settle is None:
            settle = 0 if self.fill == "clouds" and not shared else 2
        self.settle = settle if moves and first_frame_model is None else 0
        self.long_term = long_term if moves else 0.0
        self.precision = precision
        self.workers = workers
        self.lookahead = lookahead

    def stylize(
        self,
        frames: Iterable[np.ndarray],
        cuts: Container[int] = frozenset(),
        first: int = 0,
        step: int = 1,
        state: Mapping[str, Tensor] | None = None,
        seed: Tensor | None = None,
        mixed: Callable[[int], bool] = lambda index: False,
    ) -> Generator[Stylized, None, None]:
        """Paint frames, uint8 or uint16 (H, W, 3) RGB of one size, in the order they come.

        ``cuts``: indices whose frame has nothing to do with the one that came before it; nor has
        what follows a frame of one colour.
        ``first``, ``step``: indices of the frames are first, first + step, …
        ``state``: goes on from these ``State.tensors`` of the first frame, which is not painted
        again.
        ``seed``: what the first frame is painted over, (1, 3, H, W) in network space, as if it
        were the painting before and nothing had moved.
        ``mixed``: whether the frame with an index shows two shots at once. What was painted of the
        one is not held then, but turns into what each frame is alone.
        """
        with ThreadPoolExecutor(self.workers, "motion") as pool:
            prepared = self._with_motion(frames, cuts, first, step, pool)
            with closing(prepared):
                known = State.of(state, self.device) if state is not None else None
                painted = next(prepared, None) if state is not None else None
                before = painted and painted[1]
                seeded = False
                if state is None and seed is not None:
                    known, seeded = State(seed.to(self.device)), True
                for index, frame, pending in prepared:
                    if before is not None and contents(before) == 0:
                        known = pending = None
                    motion = result_of(pending) if pending else None
                    motion, seeded = self._still(frame) if seeded else motion, False
                    alone = self.independent or index in cuts
                    alone = alone or known is None
                    known = self._next_state(index, frame, before, motion, None if alone else known)
                    if mixed(index) and not alone:
                        known = self._turned(index, frame, known)
                    yield Stylized(index, frame, known.output, motion, known)
                    before = frame

    def _with_motion(
        self,
        frames: Iterable[np.ndarray],
        cuts: Container[int],
        first: int,
        step: int,
        pool: Executor,
    ) -> Generator[tuple[int, np.ndarray, "Future[Moved] | None"], None, None]:
        """Every frame with its motion begun; at most ``lookahead`` frames ahead."""
        ahead: deque[tuple[int, np.ndarray, Future[Moved] | None]] = deque()
        previous = None
        try:
            for index, frame in zip(itertools.count(first, step), frames, strict=False):
                pending = None
                if self.motion and previous is not None and index not in cuts:
                    pending = pool.submit(self.motion, frame, previous, index, pool)
                ahead.append((index, frame, pending))
                previous = frame
                if len(ahead) > self.lookahead:
                    yield ahead.popleft()
            while ahead:
                yield ahead.popleft()
        finally:
            for _, _, pending in ahead:
                if pending:
                    pending.cancel()

    @torch.inference_mode()
    def _next_state(
        self,
        index: int,
        frame: np.ndarray,
        before: np.ndarray | None,
        motion: Moved | None,
        previous: State | None,
    ) -> State:
        picture = self._picture(frame)
        if previous is None:
            return State(self._first(index, frame, picture))
        if motion is None:
            return State(self._run_network(self.network, index, picture, previous.output, None))
        known = self._carried(motion, previous.output)
        drift = self._drifted(motion, previous.drift)
        if not self.long_term or before is None:
            output = self._run_network(self.network, index, picture, previous.output, known, drift)
            return State(output, drift=drift)
        memories, moved, sight = self._remembered(frame, before, motion, previous)
        held = torch.maximum(RECENT * known[1], sight)
        known = torch.lerp(known[0], moved, sight), torch.maximum(known[1], sight)
        output = self._run_network(self.network, index, picture, previous.output, known, drift)
        # Begun before a GPU is waited for.
        painting = blended(output, known[0], self.long_term * held)
        fit = fitting(moved, output, sight).cpu().numpy()[:, 0]
        anchors = tuple(memory.believed(share) for memory, share in zip(memories, fit, strict=True))
        return State(painting, anchors, drift)

    @torch.inference_mode()
    def _turned(self, index: int, frame: np.ndarray, state: State) -> State:
        """A state with a share of the frame as it would be painted alone, and no older painting."""
        spheres = self._picture(frame).split(_FACES)
        alone = [
            self._run_network(self.first_network, index, picture, None, None) for picture in spheres
        ]
        return State(torch.lerp(state.output, torch.cat(alone), _TURNS))

    def _first(self, index: int, frame: np.ndarray, picture: Tensor) -> Tensor:
        """The painting of a shot's first frame."""
        size = picture.shape[-2:]
        if self.first_scale == 1:
            output = self._run_network(self.first_network, index, picture, None, None)
        else:
            smaller = [max(1, int(side * self.first_scale)) for side in size]
            small = resize_bicubic(picture, smaller)
            small = self._run_network(self.first_network, index, small, None, None)
            output = resize_bicubic(small, size)
        for _ in range(self.settle if contents(frame) > 0 else 0):
            known = self._carried(self._still(frame), output)
            output = self._run_network(self.network, index, picture, output, known)
        return output

    def _remembered(
        self, frame: np.ndarray, before: np.ndarray, motion: Moved, previous: State
    ) -> tuple[list[Memory], Tensor, Tensor]:
        """What anchors show of each picture of this frame, and the same of all of them: paintings
        (N, 3, H, W), and where they are shown (N, 1, H, W)."""
        paintings = previous.output.split(1)
        memories = [
            Memory.of(anchors, painting, earlier, picture, way.found or (way.flow, way.reliability))
            for anchors, painting, picture, earlier, way in zip(
                previous.anchors or itertools.repeat((None,)),
                paintings,
                *(self._parts(part) for part in (frame, before, motion)),
                strict=False,
            )
        ]
        shown = upload(np.stack([memory.sight for memory in memories])[:, None], self.device)
        moved = torch.cat([memory.picture for memory in memories])
        return memories, moved, shown

    def _drifted(self, motion: Moved, drift: Tensor | None) -> Tensor | None:
        """``State.drift`` one frame later; what comes into sight has not drifted."""
        if self.fill != "clouds":
            return None
        ways = [way.found or (way.flow, way.reliability) for way in self._parts(motion)]
        earlier = [np.zeros_like(flow) for flow, _ in ways] if drift is None else drift.numpy()
        drifts = [
            np.where(reliable[..., None] > 0.5, composed(flow, before), np.float32(0))
            for (flow, reliable), before in zip(ways, earlier, strict=True)
        ]
        return torch.from_numpy(np.stack(drifts))

    def _parts(self, whole: Any) -> Sequence[Any]:
        """A frame, or its motion, as the pictures that are painted: one, or six faces."""
        return [whole]

    def _picture(self, frame: np.ndarray) -> Tensor:
        """What the network sees of a frame, (1, 3, H, W)."""
        return preprocess(frame, self.device)

    def _carried(self, motion: Moved, previous: Tensor) -> tuple[Tensor, Tensor]:
        """The painting before, moved (1, 3, H, W), and where it is believed (1, 1, H, W)."""
        assert isinstance(motion, Motion)
        shrunk = min_filter(motion.reliability, self.min_filter_width)
        flow, certainty = (upload(array, self.device) for array in (motion.flow, shrunk))
        return warp(previous, flow[None], outside=self.outside), certainty[None, None]

    def _run_network(
        self,
        network: nn.Module,
        index: int | tuple[int, int],
        picture: Tensor,
        previous: Tensor | None,
        known: tuple[Tensor, Tensor] | None,
        drift: Tensor | None = None,
    ) -> Tensor:
        """One pass of a network of any kind, (N, 3, H, W) float32.

        ``known``: what is known of the painting already (N, 3, H, W), and where (N, 1, H, W);
        ``drift``: see ``State``.
        """
        prior, certainty = known or (None, None)
        # It depends on the index only, so that runs can resume; and a shot's clouds are the same.
        random = np.random.default_rng(index if self.fill == "noise" else 0)
        channels, fill = cast(int, network.in_channels), filling(self.fill, random)
        x = input_for(channels, picture, prior, certainty, previous, fill, drift)
        with autocast(self.device, self.precision):
            return network(x).float()

    def _still(self, frame: np.ndarray) -> Moved:
        """No motion, known everywhere."""
        size = frame.shape[:2]
        return Motion(np.zeros((*size, 2), np.float32), np.ones(size, np.float32))
