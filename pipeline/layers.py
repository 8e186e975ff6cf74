"""Several recurrences over the same frames: styles that follow one another, or lie side by side.

Each has a state of its own and sees nothing of the others; what they share is the motion. Their
finished pictures are mixed, by the moment and by the mask. One that is not seen for a while is not
painted, and begins anew when it is needed, as at a cut.
"""

import itertools
from collections.abc import Callable, Container, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from threading import Lock

import numpy as np
from torch import Tensor

from brushflow.common.queues import result_of
from brushflow.models import available
from brushflow.occlusion.motion import MotionSource, Moved
from brushflow.pipeline.long_term import State
from brushflow.pipeline.masks import shown
from brushflow.pipeline.options import ALL, ALPHA, StylizeOptions
from brushflow.pipeline.painter import Painter, model_digests
from brushflow.pipeline.stylizer import Moment, Stylized, Stylizer
from brushflow.pipeline.timeline import Moments, first_moment, keyframes_of, kinds_of, paints
from brushflow.shots.looks import Looks, plain_look


@dataclass(frozen=True)
class LayeredState:
    """The states of those layers that are being painted, by their number."""

    states: Mapping[int, State]

    def tensors(self) -> dict[str, Tensor]:
        """Everything by name, see ``State.tensors``."""
        return joined_tensors({number: state.tensors() for number, state in self.states.items()})


def joined_tensors(states: Mapping[int, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors of layers, by their number, in one."""
    return {f"{n}/{name}": tensor for n, own in states.items() for name, tensor in own.items()}


def _tensors_of(number: int, tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """What ``joined_tensors`` was given of a layer, None if it was not painted then."""
    start = f"{number}/"
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)} or None


class SharedMotion:
    """Motion that several stylizers ask for, found once.

    ``users``: how many of them will ask about the frame with an index.
    """

    def __init__(self, motion: MotionSource, users: Callable[[int], int]) -> None:
        self._motion = motion
        self._users = users
        self._lock = Lock()
        self._found: dict[int, tuple[Future[Moved], int]] = {}

    def __call__(
        self, frame: np.ndarray, previous: np.ndarray, index: int, executor: Executor
    ) -> Moved:
        with self._lock:
            known = self._found.pop(index, None)
            found, left = known or (Future(), self._users(index))
            if left > 1:
                self._found[index] = found, left - 1
        # Who asks first looks for it and waits for nobody, so no two can wait for each other.
        if known is None:
            try:
                found.set_result(self._motion(frame, previous, index, executor))
            except BaseException as error:
                found.set_exception(error)
        return result_of(found)


def painter_for(options: StylizeOptions) -> "Painter | Layers":
    """What paints as the options say: one style, or several."""
    if options.style == ALL:
        return Layers(options, available())
    several = options.style_at or options.style_outside is not None
    return Layers(options) if several and paints(options) else Painter(options)


class Layers:
    """What paints with several styles; to be used like a Painter.

    ``painters``: one for each of the timeline's kinds, and then, where a style lies outside of the
    mask, one for that. Or one for each of ``styles``, all of which are wanted: see ``finish_one``.
    ``timed``: how many of them the timeline is of.
    """

    def __init__(self, options: StylizeOptions, styles: Sequence[str] = ()) -> None:
        self.options = options
        self.digests = model_digests(options)
        kinds = kinds_of(keyframes_of(options))
        if styles:
            kinds = [(style, options.stroke) for style in styles]
        self.timed = 0 if styles else len(kinds)
        if options.style_outside is not None:
            kinds = [*kinds, (options.style_outside, options.stroke)]
        plain = replace(
            options, mask=None, mask_invert=False, style_outside=None, style_at=(), strength=1.0
        )
        self.painters = [Painter(replace(plain, style=s, stroke=k)) for s, k in kinds]
        self._strokes = [stroke for _, stroke in kinds]

    def prepare(self) -> None:
        """See ``Painter.prepare``."""
        for painter in self.painters:
            painter.prepare()

    @cached_property
    def _motions(self) -> list[MotionSource | None]:
        """What finds motion for each painter, before they share it."""
        return [p.stylizer.motion if p.stylizer else None for p in self.painters]

    @cached_property
    def _at_first(self) -> Moment:
        """What is seen where there is no other moment; keyframes may be in a file."""
        return first_moment(self.options)

    @property
    def stylizer(self) -> Stylizer | None:
        return self.painters[0].stylizer

    @property
    def recurrent(self) -> bool:
        return any(painter.recurrent for painter in self.painters)

    @property
    def on_cpu(self) -> bool:
        return self.painters[0].on_cpu

    def longest_for_motion(self, size: tuple[int, int]) -> int | None:
        """See ``Painter.longest_for_motion``."""
        sides = [painter.longest_for_motion(size) for painter in self.painters]
        return max((side for side in sides if side is not None), default=None)

    def pixels(self, size: tuple[int, int]) -> int:
        """See ``Painter.pixels``: of all styles, as the states of all are held."""
        return sum(painter.pixels(size) for painter in self.painters)

    def paint(
        self,
        frames: Iterable[np.ndarray],
        cuts: Container[int] = frozenset(),
        first: int = 0,
        step: int = 1,
        state: Mapping[str, Tensor] | None = None,
        looks: Looks = plain_look,
        moments: Moments | None = None,
    ) -> Generator[Stylized, None, None]:
        """See ``Painter.paint``; ``Stylized.layers`` are those of the painters at work."""
        moments = moments or (lambda index: self._at_first)

        def at_work(number: int, index: int) -> bool:
            return number >= self.timed or moments(index).shares[number] > 0

        self._share_motion(at_work, step)
        copies = itertools.tee(frames, len(self.painters))
        with ExitStack() as stack:
            streams = []
            for number, copy in enumerate(copies):
                there = partial(at_work, number)
                own = None if state is None else _tensors_of(number, state)
                pairs = zip(itertools.count(first, step), copy, strict=False)
                stream = self._painted(number, pairs, cuts, step, state is None, own, looks, there)
                streams.append(stack.enter_context(closing(stream)))
            start = first if state is None else first + step
            for index, layers in zip(itertools.count(start, step), zip(*streams, strict=True)):
                known = {n: s.state for n, s in enumerate(layers) if s is not None and s.state}
                one = next(layer for layer in layers if layer is not None)
                yield replace(
                    one,
                    layers=layers,
                    moment=moments(index),
                    state=LayeredState(known) if known else None,
                )

    def _share_motion(self, at_work: Callable[[int, int], bool], step: int) -> None:
        """Have painters whose strokes, and so whose frames, are alike ask for motion once."""
        for stroke in set(self._strokes):
            same = [
                (number, painter.stylizer, motion)
                for number, (painter, motion) in enumerate(
                    zip(self.painters, self._motions, strict=True)
                )
                if self._strokes[number] == stroke and painter.stylizer and motion
            ]
            numbers = [number for number, _, _ in same]

            def users(index: int, numbers: Sequence[int] = numbers) -> int:
                return sum(at_work(n, index) and at_work(n, index - step) for n in numbers)

            shared = SharedMotion(same[0][2], users) if same else None
            for _, stylizer, _ in same:
                stylizer.motion = shared

    def _painted(
        self,
        number: int,
        pairs: Iterable[tuple[int, np.ndarray]],
        cuts: Container[int],
        step: int,
        fresh: bool,
        state: Mapping[str, Tensor] | None,
        looks: Looks,
        there: Callable[[int], bool],
    ) -> Generator[Stylized | None, None, None]:
        """What a painter makes of each frame, None where it is not at work.

        Unless this is a ``fresh`` start, the first frame is that of the state.
        """
        for wanted, run in itertools.groupby(pairs, lambda pair: there(pair[0])):
            these = itertools.chain(run)
            begin, frame = next(these)
            own_frames = itertools.chain([frame], (frame for _, frame in these))
            if wanted:
                own = None if fresh else state
                painter = self.painters[number]
                with closing(painter.paint(own_frames, cuts, begin, step, own, looks)) as painted:
                    yield from painted
            else:
                for _ in itertools.islice(own_frames, 0 if fresh else 1, None):
                    yield None
            fresh = True

    def finish_one(self, stylized: Stylized, number: int) -> np.ndarray:
        """The picture of one of the styles, as a Painter of that style finishes it."""
        layer = stylized.layers[number]
        assert layer is not None, "all styles are always at work"
        options = self.options
        picture = self.painters[number].picture(layer, options.strength, float(options.keep_colors))
        return shown(picture, stylized.frame, stylized.mask, options.mask == ALPHA)

    def finish(self, stylized: Stylized) -> np.ndarray:
        """The picture to write, see ``Painter.finish``."""
        moment = stylized.moment or self._at_first
        pictures = {
            number: self.painters[number].picture(layer, moment.strength, moment.keep_colors)
            for number, layer in enumerate(stylized.layers)
            if layer is not None
        }
        shares = [(pictures[n], share) for n, share in enumerate(moment.shares) if share > 0]
        picture = shares[0][0]
        if len(shares) > 1:
            total = sum(each.astype(np.float32) * np.float32(share) for each, share in shares)
            picture = np.rint(total).astype(picture.dtype)
        outside = pictures.get(self.timed, stylized.frame)
        return shown(picture, outside, stylized.mask, self.options.mask == ALPHA)
