"""The recurrence on a sphere: every face knows its neighbours' paintings as well as its own."""

from collections.abc import Container, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from brushflow.models import StyleModel, preprocess
from brushflow.occlusion import min_filter
from brushflow.pipeline.motion import Motion, MotionSource
from brushflow.pipeline.stylizer import Stylized, Stylizer
from brushflow.spherical import FACES, Cube, Overlaps, Panorama, default_cube

# Faces of a group share no border, so that they are painted at once (the paper's order).
GROUPS = ((0,), (1, 2), (3,), (4, 5))

Known = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class _Seen:
    """A frame of a spherical video, and its faces (6, size, size, 3)."""

    frame: np.ndarray
    faces: np.ndarray


class SphericalStylizer(Stylizer):
    """Paints spherical frames on the six overlapping faces of a cube (Ruder et al. 2018, sec. 5.3).

    Faces are painted one after another. What a face sees of neighbours that are painted already is
    its prior there: alone where nothing is carried over from the frame before, else fading from
    the neighbours' painting at the face's edge to its own earlier one inside. When all six are
    done they are blended into one painting, which is both the output and the next state.

    That differs from REFERENCE D3 in two ways: the strips are exact geometry, not an approximation;
    and the blend weighs a direction by how far inside each face sees it, so that all faces agree
    everywhere and nothing jumps at borders or in corners.

    The state and ``Stylized.output`` are float32 (6, 3, size, size) in network space, in the order
    of ``FACES``; ``Stylized.motion`` is a dict by the face's name. Only video models (7 channels)
    take priors at borders; the faces of others are blended all the same.

    Args:
        layout: of the frames, see ``Panorama``.
        face_size, overlap: of the cube's faces in pixels; None: what suits the frames.
        border_consistency: False paints six faces that know nothing of each other.
        Others as for ``Stylizer``.
    """

    def __init__(
        self,
        model: StyleModel,
        *arguments: Any,
        layout: str = "equirect",
        face_size: int | None = None,
        overlap: int | None = None,
        border_consistency: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(model, *arguments, **options)
        if self.motion is not None:
            self.motion = _FaceMotion(self.motion)
        self.layout = layout
        self.face_size = face_size
        self.overlap = overlap
        self.border_consistency = border_consistency
        self._frame_size: tuple[int, int] | None = None

    def stylize(
        self,
        frames: Iterable[np.ndarray],
        cuts: Container[int] = frozenset(),
        first: int = 0,
        step: int = 1,
        state: Tensor | None = None,
    ) -> Iterator[Stylized]:
        """See ``Stylizer.stylize``.

        Raises:
            UsageError: frames or faces of a size that is no sphere's.
        """
        frames = iter(frames)
        head = next(frames, None)
        if head is None:
            return
        self.prepare(head.shape[1], head.shape[0])
        seen = (_Seen(frame, self.panorama.faces_of(frame)) for frame in chain([head], frames))
        with closing(super().stylize(seen, cuts, first, step, state)) as painted:
            for stylized in painted:
                motion = stylized.motion and dict(zip(FACES, stylized.motion, strict=True))
                yield replace(stylized, frame=stylized.frame.frame, motion=motion)

    def prepare(self, width: int, height: int) -> None:
        """Get ready for frames of this size."""
        if self._frame_size == (width, height):
            return
        cube = self.cube(width, height)
        self.panorama = Panorama(width, height, self.layout, cube, self.device)
        self.use_faces(cube)
        self._frame_size = width, height

    def cube(self, width: int, height: int) -> Cube:
        """The cube that frames of this size are painted on."""
        default = default_cube(width, height, self.layout)
        if self.face_size is not None:
            size = self.face_size
            default = Cube(size, max(16, round(size * default.overlap / default.size)))
        return replace(default, overlap=self.overlap or default.overlap).check()

    def use_faces(self, cube: Cube) -> None:
        """Get ready for the faces of this cube."""
        self.overlaps = Overlaps(cube, self.device)

    @torch.inference_mode()
    def as_frame(self, stylized: Stylized, median_filter: int = 1) -> Stylized:
        """The same with the output (1, 3, H, W) as a frame has it, no longer a state.

        The median filter (odd width) is applied to the faces, where there is no border to stop at.
        """
        faces = stylized.output
        if median_filter > 1:
            filtered = [
                cv2.medianBlur(face, median_filter)
                for face in faces.permute(0, 2, 3, 1).contiguous().cpu().numpy()
            ]
            faces = torch.from_numpy(np.stack(filtered)).permute(0, 3, 1, 2).to(faces.device)
        return replace(stylized, output=self.panorama.frame(faces))

    def _picture(self, frame: _Seen) -> Tensor:
        return torch.cat([preprocess(face, self.device) for face in frame.faces])

    def _still(self, frame: _Seen) -> Sequence[Motion]:
        return [super(SphericalStylizer, self)._still(face) for face in frame.faces]

    def _carried(self, motion: Sequence[Motion], previous: Tensor) -> Known:
        each = map(super()._carried, motion, previous.split(1))
        priors, certainties = zip(*each, strict=True)
        return torch.cat(priors), torch.cat(certainties)

    def _run(
        self,
        network: nn.Module,
        index: int,
        picture: Tensor,
        previous: Tensor | None,
        known: Known | None,
    ) -> Tensor:
        """All six faces, (6, 3, size, size) float32."""
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
            output = super()._run(
                network, (index, group[0]), picture[group], before, (prior, certainty)
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


class _FaceMotion:
    """Motion of six faces, each on its own."""

    def __init__(self, motion: MotionSource) -> None:
        self.motion = motion

    def __call__(
        self, frame: _Seen, previous: _Seen, index: int, executor: Executor
    ) -> Sequence[Motion]:
        return [
            self.motion(face, before, index, executor)
            for face, before in zip(frame.faces, previous.faces, strict=True)
        ]
