"""How far the work is: a bar on a terminal, lines elsewhere."""

import sys
import time

import click
from tqdm import tqdm

from brushflow.common.wording import counted

PLAIN_INTERVAL = 5.0  # seconds between progress lines where there is no terminal


class ProgressDisplay:
    """A bar on a terminal, a line every few seconds elsewhere, nothing if quiet."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.stage = ""
        self.bar: tqdm | None = None
        self.printed = 0.0
        self.began = (0.0, 0)

    def __enter__(self) -> "ProgressDisplay":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def show(self, stage: str, done: int, total: int | None, unit: str = "frame") -> None:
        """The callback for ``stylize_video``; ``unit``: what is counted."""
        if self.quiet:
            return
        if stage != self.stage:
            self._begin(stage, done, total, unit)
        if self.bar is not None:
            self.bar.total = total
            self.bar.update(done - self.bar.n)
        elif time.monotonic() - self.printed >= PLAIN_INTERVAL:
            self.printed = time.monotonic()
            click.echo(self._line(done, total, unit), err=True)

    def _begin(self, stage: str, done: int, total: int | None, unit: str) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
        self.stage, self.began = stage, (time.monotonic(), done)
        self.printed = time.monotonic()
        if sys.stderr.isatty():
            self.bar = tqdm(
                total=total, initial=done, desc=stage, unit=f" {unit}s", dynamic_ncols=True
            )

    def _line(self, done: int, total: int | None, unit: str) -> str:
        began, initial = self.began
        speed = (done - initial) / max(time.monotonic() - began, 1e-6)
        if not total:
            return f"{self.stage}: {counted(done, unit)}"
        left = f", {(total - done) / speed:.0f} s left" if speed > 0 else ""
        return f"{self.stage}: {done} of {counted(total, unit)}, {speed:.2f} per second{left}"
