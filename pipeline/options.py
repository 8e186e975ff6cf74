"""The settings of a stylization run."""

from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from brushflow.common.errors import UsageError
from brushflow.pipeline.long_term import LONG_TERM
from brushflow.shots.bars import NO_BARS, Sides, sides_of
from brushflow.spherical import LAYOUTS
from brushflow.video import EncodeSettings, Source, VideoInfo, default_codec, encoder_meant

KEEPS = ("frames", "flow", "reliability")
# What frames are: whatever the file says of itself, the layout of a sphere, or flat pictures.
SPHERICAL = ("auto", *LAYOUTS, "off")


@dataclass(frozen=True)
class StylizeOptions:
    """What ``stylize_video`` does; every field is explained by the command's option of that name.

    ``start`` and ``end`` are seconds from the first frame, ``fps`` is for images only.
    """

    style: str = "starry-night"
    image_model: Path | None = None
    start: Fraction | None = None
    end: Fraction | None = None
    fps: Fraction = Fraction(25)
    max_size: int | None = None
    strength: float = 1.0
    stroke: float | None = None
    keep_colors: bool = False
    crop_bars: str = "auto"

    flow: str = "dis"
    flow_weights: Path | None = None
    flow_size: int | None = None
    occlusion: str = "fast"
    min_filter: int = 7
    median_filter: int = 3
    fill: str = "mean"
    cuts: str = "auto"
    max_shot: int | None = None
    backward: bool = False
    independent: bool = False
    long_term: float = LONG_TERM

    spherical: str = "auto"
    face_size: int | None = None
    overlap: int | None = None
    border_consistency: bool = True

    codec: str | None = None
    crf: float = 18
    preset: str | None = None
    pix_fmt: str | None = None
    bit_depth: int = 8
    compare: bool = False
    keep: tuple[str, ...] = ()

    device: str = "auto"
    precision: str = "auto"
    restart: bool = False
    work_dir: Path | None = None

    def encoding(self, output: Path) -> EncodeSettings:
        """How segments of this output are encoded; UsageError for a suffix that is no video's."""
        codec = encoder_meant(self.codec) if self.codec else default_codec(output)
        return EncodeSettings(codec, self.crf, self.preset, self.pix_fmt, self.bit_depth)

    def output_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) within ``max_size``; a picture is never enlarged."""
        longest = max(width, height)
        if self.max_size is None or self.max_size >= longest:
            return width, height
        if self.spherical == "cubemap":
            tile = max(2, self.max_size // 6 * 2)
            return 3 * tile, 2 * tile
        # Even sides, which most codecs ask for.
        scale = Fraction(self.max_size // 2 * 2, longest)
        return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)

    def bars(self, info: VideoInfo) -> Sides | None:
        """Bars around this source's pictures in its pixels, None if they are to be found.

        UsageError for those that leave nothing. Pictures of spheres have none.
        """
        if self.crop_bars == "auto":
            return None if self.spherical == "off" else NO_BARS
        if self.crop_bars == "none":
            return NO_BARS
        sides = sides_of(int(side) for side in self.crop_bars.split(":"))
        top, bottom, left, right = sides
        if info.height - top - bottom < 2 or info.width - left - right < 2:
            raise UsageError(
                f"--crop-bars {self.crop_bars} leaves nothing of the {info.width}×{info.height} "
                f"pixels of {info.path}."
            )
        return sides

    def for_source(self, info: VideoInfo) -> "StylizeOptions":
        """The same with ``spherical`` decided: a layout, or "off"."""
        if self.spherical != "auto":
            return self
        return replace(self, spherical=info.sphere.layout if info.sphere else "off")

    def check_use(self, source: Source) -> None:
        """UsageError for options that this source has no use for."""
        path = source.info.path
        if source.kind != "images" and self.fps != StylizeOptions.fps:
            raise UsageError(f"--fps is for images that make a video; {path} is none of that.")
        of_spheres = {
            "--face-size": self.face_size,
            "--overlap": self.overlap,
            "--no-border-consistency": not self.border_consistency,
        }
        flat = self.for_source(source.info).spherical == "off"
        if self.crop_bars not in ("auto", "none"):
            if not flat:
                raise UsageError(
                    f"--crop-bars is for flat frames, and those of {path} show a whole sphere."
                )
            self.bars(source.info)
        unfit = [name for name, given in of_spheres.items() if given]
        if unfit and flat:
            raise UsageError(
                f"{unfit[0]} is for spherical frames, and those of {path} are taken for flat "
                f"ones; leave it out or add --spherical."
            )

    def settings(self) -> dict[str, Any]:
        """What decides the result, as JSON values by field name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("restart", "work_dir"):
            del values[name]
        return {
            name: str(value)
            if isinstance(value, Path | Fraction)
            else list(value)
            if isinstance(value, tuple)
            else value
            for name, value in values.items()
        }
