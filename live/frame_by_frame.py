"""One frame in, its painting out: the recurrence at the pace of whoever asks."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace

import numpy as np

from brushflow.pipeline import Stylized, StylizeOptions
from brushflow.pipeline.painter import Painter


class FrameByFrame:
    """Paints single frames in the order they come, each knowing the one painted before.

    A frame is done when ``paint`` returns: none is held back for the sake of those to come, and a
    first frame is painted once, not settled, because nobody would see the passes in between.
    """

    def __init__(self, options: StylizeOptions) -> None:
        # The model is needed at any strength, which may be turned up.
        self._painter = Painter(replace(options, strength=1.0))
        stylizer = self._painter.stylizer
        assert stylizer is not None
        stylizer.lookahead = 0
        stylizer.settle = 0
        self._painting: Generator[Stylized, None, None] | None = None
        self._frame: np.ndarray | None = None

    def paint(self, frame: np.ndarray) -> Stylized:
        """Paint a frame, RGB uint8 (H, W, 3); one of another size begins anew."""
        if self._frame is not None and self._frame.shape != frame.shape:
            self.forget()
        self._frame = frame
        if self._painting is None:
            self._painting = self._painter.paint(self._handed_in())
        try:
            return next(self._painting)
        except BaseException:
            self.forget()  # what has raised gives nothing any more
            raise

    def forget(self) -> None:
        """Paint the next frame knowing nothing."""
        if self._painting is not None:
            self._painting.close()
        self._painting = None

    def _handed_in(self) -> Iterator[np.ndarray]:
        while True:
            assert self._frame is not None
            yield self._frame


class Studio:
    """Several styles to change between, with and without the painting before carried over.

    ``names`` are the styles' in their order; ``styles`` says which model each one is. Networks
    are loaded when they are first asked for.
    """

    def __init__(self, options: StylizeOptions, styles: Mapping[str, str]) -> None:
        self.names = list(styles)
        self._options = options
        self._styles = styles
        self._painters: dict[tuple[str, bool], FrameByFrame] = {}
        self._last: FrameByFrame | None = None

    def paint(self, frame: np.ndarray, style: str, carry: bool) -> Stylized:
        """Paint a frame; what was painted in another style is not carried over."""
        painter = self.load(style, carry)
        if painter is not self._last:
            painter.forget()
        self._last = painter
        return painter.paint(frame)

    def load(self, style: str, carry: bool) -> FrameByFrame:
        """What paints this style, so that its first frame need not wait for the network."""
        key = (style, carry)
        if key not in self._painters:
            options = replace(self._options, style=self._styles[style], independent=not carry)
            self._painters[key] = FrameByFrame(options)
        return self._painters[key]

    def close(self) -> None:
        """End the threads that look for motion."""
        for painter in self._painters.values():
            painter.forget()
