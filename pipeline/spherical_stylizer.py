"""The recurrence on a sphere: six faces of a cube, painted as the parts of one picture."""

from collections import deque
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brushflow.models import StyleModel, preprocess
from brushflow.occlusion import min_filter
from brushflow.occlusion.motion import EstimatedMotion, Motion, MotionSource, Moved
from brushflow.pipeline.finishing import median
from brushflow.pipeline.long_term import State
from brushflow.pipeline.stylizer import Stylized, Stylizer
from brushflow.spherical import FACES, Cube, Overlaps, Panorama, SphereFrames

Known = tuple[Tensor, Tensor]

# Faces of a group share no border, so that they are painted at once (the paper's order).
GROUPS = ((0,), (1, 2), (3,), (4, 5))


class CubeStylizer(Stylizer):
    """Paints the six overlapping faces of a cube (Ruder et al. 2018, sec. 5.3).

    All six are painted at once, with one mean and deviation of all of them wherever the network
    normalizes: what is evenly grey in one face stays as light as it is beside the others. Then
    they are blended into one painting, which is both the output and the next state; so in the next
    frame's prior, and where a shot's first frame settles, neighbours agree.

    That differs from the paper, for which see ``FaceAfterFace``; and the blend weighs a direction
    by how far inside each face sees it, so that all faces agree everywhere and nothing jumps at
    borders or in corners.

    Frames are (6, H, W, 3), in the order of ``FACES``; the state and ``Stylized.output`` are
    float32 (6, 3, H, W) in network space; ``Stylized.motion`` is a dict by the face's name.

    Args:
        overlap: what a face sees too much, in pixels, or that across and that down, and
        turned_poles: which way up the poles lie, see ``Cube``.
        border_consistency: False paints six faces that know nothing of each other.
        motion: as for ``Stylizer``, but of six faces: returns a Motion for each.
        Others as for ``Stylizer``.
    """

    together = True  # whether the faces are parts of one picture
    names: tuple[str, ...] = FACES

    def __init__(
        self,
        model: StyleModel,
        *arguments: Any,
        overlap: int | tuple[int, int],
        turned_poles: bool = False,
        border_consistency: bool = True,
        motion: MotionSource | None = None,
        **options: Any,
    ) -> None:
        shared = border_consistency and self.together
        super().__init__(model, *arguments, motion=motion, shared=shared, **options)
        if motion is None and isinstance(self.motion, EstimatedMotion):
            self.motion = EachFace(self.motion)
        self.overlap = overlap
        self.turned_poles = turned_poles
        self.border_consistency = border_consistency
        self._overlaps: Overlaps | None = None

    @property
    def overlaps(self) -> Overlaps:
        """How the faces at hand overlap; there is none before the first frame."""
        assert self._overlaps is not None
        return self._overlaps

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
        """See ``Stylizer.stylize``. UsageError for faces that cannot overlap this much."""
        frames = iter(frames)
        head = next(frames, None)
        if head is None:
            return
        across, down = np.broadcast_to(self.overlap, 2).tolist()
        height, width = head.shape[1:3]
        cube = Cube(width, across, height, down, self.turned_poles).check()
        if self._overlaps is None or self._overlaps.cube != cube:
            self._overlaps = Overlaps(cube, self.device)
        frames = chain([head], frames)
        with closing(super().stylize(frames, cuts, first, step, state, seed, mixed)) as painted:
            for stylized in painted:
                motion = stylized.motion
                if isinstance(motion, Sequence):
                    motion = dict(zip(self.names, motion, strict=True))
                yield replace(stylized, motion=motion)

    def _picture(self, frame: np.ndarray) -> Tensor:
        return torch.cat([preprocess(face, self.device) for face in frame])

    def _still(self, frame: np.ndarray) -> Moved:
        known = super()._still(frame[0])
        assert isinstance(known, Motion)
        return [known] * len(frame)

    def _parts(self, whole: Any) -> Sequence[Any]:
        return list(whole)

    def _carried(self, motion: Moved, previous: Tensor) -> Known:
        assert isinstance(motion, Sequence)
        each = map(super()._carried, motion, previous.split(1))
        priors, certainties = zip(*each, strict=True)
        return torch.cat(priors), torch.cat(certainties)

    def _run_network(
        self,
        network: nn.Module,
        index: int | tuple[int, int],
        picture: Tensor,
        previous: Tensor | None,
        known: Known | None,
        drift: Tensor | None = None,
    ) -> Tensor:
        """All six faces, (6, 3, H, W) float32."""
        faces = super()._run_network(network, index, picture, previous, known, drift)
        return self.overlaps.blend(faces) if self.border_consistency else faces


class FaceAfterFace(CubeStylizer):
    """Paints one face after another, each normalized by itself, as published (REFERENCE D3).

    What a face sees of neighbours that are painted already is its prior there: alone where nothing
    is carried over from the frame before, else fading from the neighbours' painting at the face's
    edge to its own earlier one inside. The strips are exact geometry, not an approximation; and a
    neighbour's painting also takes the place of an earlier one that cannot be relied on, where
    there only the border's ramp decides. Only video models (7 channels) take priors at borders.
    """

    together = False

    def _run_network(
        self,
        network: nn.Module,
        index: int | tuple[int, int],
        picture: Tensor,
        previous: Tensor | None,
        known: Known | None,
        drift: Tensor | None = None,
    ) -> Tensor:
        """All six faces, (6, 3, H, W) float32."""
        assert isinstance(index, int), "of a frame, as faces are numbered here"
        known = known or (torch.zeros_like(picture), torch.zeros_like(picture[:, :1]))
        painted: dict[int, Tensor] = {}
        for group in map(list, GROUPS):
            prior, certainty = known[0][group], known[1][group]
            if painted and self.border_consistency and self.network.in_channels == 7:
                network = self.network  # an image model paints the first face only
                beside = [
                    self._beside(face, prior[i, None], certainty[i, None], painted)
                    for i, face in enumerate(group)
                ]
                prior, certainty = (torch.cat(part) for part in zip(*beside, strict=True))
            before = None if previous is None else previous[group]
            came = None if drift is None else drift[group]
            output = Stylizer._run_network(
                self, network, (index, group[0]), picture[group], before, (prior, certainty), came
            )
            painted |= zip(group, output.split(1), strict=True)
        faces = torch.cat([painted[face] for face in range(len(FACES))])
        return self.overlaps.blend(faces) if self.border_consistency else faces

    def _beside(
        self, face: int, prior: Tensor, certainty: Tensor, painted: dict[int, Tensor]
    ) -> Known:
        """A face's prior and certainty with what its painted neighbours show of it."""
        around, weights = self.overlaps.seen(face, painted)
        seen = (weights > 0).float()
        share = torch.maximum(self.overlaps.share(weights), 1 - certainty) * seen
        shrunk = min_filter(seen.cpu().numpy(), self.min_filter_width)
        shrunk = torch.from_numpy(shrunk).to(certainty)
        return torch.lerp(prior, around, share), torch.maximum(certainty, shrunk)


class SphericalStylizer(CubeStylizer):
    """Paints the frames of a spherical video on the faces of a cube.

    Frames are (H, W, 3) of any layout; state and output are those of the faces, and ``as_frame``
    makes a frame of them.

    In stereo, a frame holds two spheres, and there are twelve faces, the first eye's first. That
    eye is painted as if it were alone. What of it the other one sees is carried over from there,
    as from the frame before, so that both eyes see the same strokes on things.

    Args:
        layout, stereo, face_size, overlap: see ``SphereFrames``.
        Others as for ``CubeStylizer``.
    """

    def __init__(
        self,
        model: StyleModel,
        *arguments: Any,
        layout: str = "equirect",
        face_size: int | None = None,
        overlap: int | None = None,
        stereo: str = "none",
        **options: Any,
    ) -> None:
        super().__init__(model, *arguments, overlap=overlap or 0, **options)
        self.held = SphereFrames(layout, stereo, face_size, overlap)
        if stereo != "none":
            self.names = tuple(f"{eye}-{face}" for eye in stereo.split("-") for face in FACES)
        self._panoramas: dict[tuple[int, int], Panorama] = {}
        # Between the eyes; ``motion`` may be shared by layers, and is of frame after frame.
        self._across = self.motion

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
        """See ``Stylizer.stylize``.

        Raises:
            UsageError: frames or faces of a size that is no sphere's.
        """
        frames = iter(frames)
        head = next(frames, None)
        if head is None:
            return
        panorama = self.panorama(head.shape[1], head.shape[0])
        self.overlap = panorama.cube.overlap
        held: deque[np.ndarray] = deque()

        def faces() -> Iterator[np.ndarray]:
            for frame in chain([head], frames):
                held.append(frame)
                yield np.concatenate([panorama.faces_of(eye) for eye in self.held.parted(frame)])

        with closing(super().stylize(faces(), cuts, first, step, state, seed, mixed)) as painted:
            for number, stylized in enumerate(painted):
                if number == 0 and state is not None:
                    held.popleft()  # the frame of the state
                yield replace(stylized, frame=held.popleft())

    @torch.inference_mode()
    def _next_state(
        self,
        index: int,
        frame: np.ndarray,
        before: np.ndarray | None,
        motion: Moved | None,
        previous: State | None,
    ) -> State:
        if len(frame) == len(FACES):
            return super()._next_state(index, frame, before, motion, previous)
        assert motion is None or isinstance(motion, Sequence)
        half = len(FACES)
        one, other = frame[:half], frame[half:]
        came = previous.drift if previous else None
        drifts = (None, None) if came is None else came.split(half)
        state = super()._next_state(
            index,
            one,
            None if before is None else before[:half],
            None if motion is None else motion[:half],
            previous and replace(previous, output=previous.output[:half], drift=drifts[0]),
        )
        earlier = None if previous is None else previous.output[half:]
        known = memory = drift = None
        if motion is not None and earlier is not None:
            known = self._carried(motion[half:], earlier)
            drift = self._drifted(motion[half:], drifts[1])
        if self._across is not None:
            with ThreadPoolExecutor(self.workers, "motion") as pool:
                across = self._across(other, one, index, pool)
            memory = self._remembered(other, one, across, State(state.output))[1:]
            known = _over(known, *memory)
        network = self.first_network if earlier is None and known is None else self.network
        output = self._run_network(network, index, self._picture(other), earlier, known, drift)
        if memory is not None:
            output = torch.lerp(output, *memory)
        if state.drift is not None and drift is not None:
            drift = torch.cat([state.drift, drift])
        return State(torch.cat([state.output, output]), state.anchors, drift)

    def panorama(self, width: int, height: int) -> Panorama:
        """The way between the eyes' pictures in frames of this size and the faces; made once."""
        if (width, height) not in self._panoramas:
            cube, eye = self.held.cube(width, height), self.held.eye(width, height)
            panorama = Panorama(*eye, self.held.layout, cube, self.device)
            self._panoramas = {(width, height): panorama}
        return self._panoramas[width, height]

    @torch.inference_mode()
    def as_frame(self, stylized: Stylized, median_filter: int = 1) -> Stylized:
        """The same with the output (1, 3, H, W) as a frame has it, no longer a state."""
        frame = stylized.frame if stylized.seen is None else stylized.seen
        height, width = frame.shape[:2]
        panorama = self.panorama(width, height)
        eyes = smoothed(stylized.output, median_filter).split(len(FACES))
        beside = -1 if self.held.eyes[0] > 1 else -2
        return replace(stylized, output=torch.cat([panorama.frame(eye) for eye in eyes], beside))


def _over(known: Known | None, seen: Tensor, sight: Tensor) -> Known:
    """What is ``known`` with what is ``seen`` elsewhere over it, as far as it is in ``sight``."""
    if known is None:
        return seen, sight
    return torch.lerp(known[0], seen, sight), torch.maximum(known[1], sight)


def smoothed(faces: Tensor, median_filter: int) -> Tensor:
    """Faces (6, 3, H, W) after a median filter of this odd width, which no frame's border stops."""
    if median_filter == 1:
        return faces
    pictures = faces.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    filtered = np.stack([median(picture, median_filter) for picture in pictures])
    return torch.from_numpy(filtered).permute(0, 3, 1, 2).to(faces.device)


class EachFace:
    """Motion of faces, each on its own."""

    def __init__(self, motion: Callable[[np.ndarray, np.ndarray, int, Executor], Motion]) -> None:
        self.motion = motion

    def __call__(
        self, frame: np.ndarray, previous: np.ndarray, index: int, executor: Executor
    ) -> Sequence[Motion]:
        return [
            self.motion(face, before, index, executor)
            for face, before in zip(frame, previous, strict=True)
        ]
