"""Options turned into what paints: models, motion, and the last touches."""

from collections import deque
from collections.abc import Container, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from brushflow.common.atomic_files import file_digest
from brushflow.common.errors import UsageError
from brushflow.common.sizes import resized
from brushflow.common.torch_devices import choose_precision, usable_device
from brushflow.flow import load_estimator
from brushflow.flow.estimators import find_loader
from brushflow.models import ModelFile, available, read_model
from brushflow.occlusion.motion import EstimatedMotion
from brushflow.pipeline.finishing import finish
from brushflow.pipeline.masks import parted, shown
from brushflow.pipeline.options import ALL, ALPHA, StylizeOptions
from brushflow.pipeline.spherical_stylizer import EachFace, SphericalStylizer
from brushflow.pipeline.strokes import painted_size, stroke_for
from brushflow.pipeline.stylizer import Stylized, Stylizer
from brushflow.pipeline.timeline import keyframes_of, paints
from brushflow.shots.looks import Look, Looks, plain_look
from brushflow.spherical import FACES, LAYOUTS, SphereFrames


def model_digests(options: StylizeOptions) -> dict[str, str]:
    """SHA-256 of each file of weights that the options name, by its use; errors as of ``load``."""
    if not paints(options):
        return {}
    if options.style == ALL:
        return {name: read_model(name).digest for name in available()} | _flow_digest(options)
    digests = {"style": read_model(options.style).digest, **_flow_digest(options)}
    if options.style_outside is not None:
        digests["style_outside"] = read_model(options.style_outside).digest
    for number, key in enumerate(keyframes_of(options)[1:], 1):
        digests[f"style_at {number}"] = read_model(key.style).digest
    if options.image_model is not None:
        digests["image_model"] = read_model(options.image_model).digest
    return digests


def _flow_digest(options: StylizeOptions) -> dict[str, str]:
    """Of the weights of a flow network, where they are in a file; errors are told when it loads."""
    weights = options.flow_weights
    if weights is None or not weights.is_file():
        return {}
    return {"flow_weights": file_digest(weights)}


class Painter:
    """A stylizer as the options describe it. With strength 0 no model runs, nor is one loaded.

    Models are read at once, and networks built when they are needed: not where other processes
    paint. ``digests``: SHA-256 of each file of weights by its use. ``moves``: whether motion is
    found. ``recurrent``: whether a frame depends on the one painted before it.
    """

    def __init__(self, options: StylizeOptions) -> None:
        self.options = options
        self.digests: dict[str, str] = {}
        self.moves = self.recurrent = False
        self._device = usable_device(options.device, options.precision)
        self._precision = choose_precision(options.precision, self._device)
        self._files: list[ModelFile] = []  # until networks are built of them
        self._paints = options.strength > 0
        self._sphere: SphereFrames | None = None
        if options.spherical in LAYOUTS:
            sizes = options.face_size, options.overlap
            self._sphere = SphereFrames(options.spherical, options.stereo, *sizes)
        if not self._paints:
            return
        model = read_model(options.style)
        self._files.append(model)
        self.digests = {"style": model.digest, **_flow_digest(options)}
        self.recurrent = model.in_channels > 3 and not options.independent
        self.moves = model.in_channels == 7 and not options.independent
        if self.moves:
            find_loader(options.flow)
        if options.image_model is not None:
            if not self.recurrent:
                raise UsageError(
                    f"{options.style} paints every frame alone, so there is no first frame that "
                    f"{options.image_model} could paint.",
                    about="image_model",
                )
            first = read_model(options.image_model)
            self._files.append(first)
            if first.in_channels != 3:
                raise UsageError(
                    f"{options.image_model} is a video model, and first frames are painted by a "
                    f"network that sees a single picture.",
                    about="image_model",
                )
            self.digests["image_model"] = first.digest

    @cached_property
    def motion(self) -> EstimatedMotion | None:
        """Finds motion; None if there is no need for it. Errors are those of ``load_estimator``."""
        options = self.options
        if not self.moves:
            return None
        estimator = load_estimator(options.flow, self._device, options.flow_weights)
        return EstimatedMotion(estimator, options.occlusion, options.flow_size)

    @cached_property
    def stylizer(self) -> Stylizer | None:
        """What paints; None with strength 0. Errors are those of ``load_estimator``."""
        options = self.options
        if not self._paints:
            return None
        model, *others = (file.model() for file in self._files)
        self._files.clear()
        settings: dict[str, Any] = {
            "first_frame_model": others[0] if others else None,
            "min_filter_width": options.min_filter,
            "fill": None if options.fill == "auto" else options.fill,
            "independent": options.independent,
            "long_term": options.long_term,
            "device": self._device,
            "precision": self._precision,
        }
        if self._sphere is None:
            return Stylizer(model, motion=self.motion, **settings)
        return SphericalStylizer(
            model,
            motion=EachFace(self.motion) if self.motion is not None else None,
            layout=options.spherical,
            stereo=options.stereo,
            face_size=options.face_size,
            overlap=options.overlap,
            border_consistency=options.border_consistency,
            **settings,
        )

    @property
    def on_cpu(self) -> bool:
        return self._paints and self._device.type == "cpu"

    def prepare(self) -> None:
        """Build now what paints, so that its errors are told before other work."""
        _ = self.stylizer

    def longest_for_motion(self, size: tuple[int, int]) -> int | None:
        """The longest side of what motion is sought in, the frame or a face; None without motion.

        ``size``: of the frames, (width, height).
        """
        if not self.moves:
            return None
        size = self.painted_at(size)
        return max(size) if self._sphere is None else self._sphere.cube(*size).size

    def painted_at(self, size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) at which frames of this size are painted."""
        stroke = self.options.stroke
        if not self._paints:
            return size
        if self._sphere is None:
            return painted_size(size, stroke_for(size, stroke))
        if self._sphere.layout != LAYOUTS[0]:
            return size  # the tiles of other layouts cannot take any size
        across, down = self._sphere.eyes
        eye = size[0] // across, size[1] // down
        width, height = painted_size(eye, stroke_for(eye, stroke))
        if (width, height) == eye:
            return size
        # A picture of another size may as well be as a sphere's is, twice as wide as it is high.
        return across * 2 * height, down * height

    def pixels(self, size: tuple[int, int]) -> int:
        """How many pixels of a frame of this size (width, height) are painted at once."""
        size = self.painted_at(size)
        if not self._paints or self._sphere is None:
            return size[0] * size[1]
        return len(FACES) * self._sphere.cube(*size).size ** 2

    def paint(
        self,
        frames: Iterable[np.ndarray],
        cuts: Container[int] = frozenset(),
        first: int = 0,
        step: int = 1,
        state: Mapping[str, Tensor] | None = None,
        looks: Looks = plain_look,
    ) -> Generator[Stylized, None, None]:
        """See ``Stylizer.stylize``; with strength 0 the frames pass through.

        Frames of four channels have a mask in the last, see ``masks``.

        What is painted is what each frame ``looks`` like within its bars and at full light, at
        ``painted_at``; ``Stylized.seen`` is that where it has another size.
        """
        if self.stylizer is None:
            for number, frame in enumerate(frames):
                frame, mask = parted(frame)
                yield Stylized(first + step * number, frame, None, None, mask=mask)
            return
        held: deque[tuple[np.ndarray, np.ndarray | None, Look, np.ndarray | None]] = deque()

        def seen() -> Iterator[np.ndarray]:
            for number, whole in enumerate(frames):
                frame, mask = parted(whole)
                look = looks(first + step * number)
                picture = look.picture(frame)
                small = self._resized(picture)
                held.append((frame, mask, look, None if small is picture else small))
                yield small

        def mixed(index: int) -> bool:
            return looks(index).mixed

        painting = self.stylizer.stylize(seen(), cuts, first, step, state, mixed=mixed)
        with closing(painting) as painted:
            for number, stylized in enumerate(painted):
                if number == 0 and state is not None:
                    held.popleft()  # the frame of the state
                frame, mask, look, small = held.popleft()
                yield replace(stylized, frame=frame, mask=mask, seen=small, look=look)

    def _resized(self, picture: np.ndarray) -> np.ndarray:
        return resized(picture, self.painted_at((picture.shape[1], picture.shape[0])))

    def finish(self, stylized: Stylized) -> np.ndarray:
        """The picture to write, see ``finishing``, within its mask.

        RGB, or RGBA where the mask is the source's own alpha.
        """
        options, mask = self.options, stylized.mask
        picture = self.picture(stylized, options.strength, float(options.keep_colors))
        return shown(picture, stylized.frame, mask, options.mask == ALPHA)

    def picture(self, stylized: Stylized, strength: float, keep_colors: float) -> np.ndarray:
        """The whole painting, RGB, whatever its mask."""
        median = self.options.median_filter
        if isinstance(self.stylizer, SphericalStylizer):
            stylized, median = self.stylizer.as_frame(stylized, median), 1
        return finish(stylized, median, keep_colors, strength)
