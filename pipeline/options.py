"""The settings of a stylization run, and what each of them is: see ``OptionField``."""

from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from brushflow.common.errors import UsageError
from brushflow.common.option_fields import option_field
from brushflow.common.sizes import fit_size
from brushflow.common.torch_devices import DEVICES, PRECISIONS
from brushflow.flow.estimators import NAMES_TOLD
from brushflow.models.network_input import FILLS
from brushflow.pipeline.long_term import LONG_TERM
from brushflow.pipeline.strokes import COARSEST, FINEST
from brushflow.shots.bars import NO_BARS, Sides, sides_of
from brushflow.shots.looks import scaled
from brushflow.spherical import LAYOUTS, SphereFrames
from brushflow.video import (
    EncodeSettings,
    Source,
    VideoInfo,
    default_codec,
    encoder_meant,
    holds_alpha,
)
from brushflow.video.picture_files import holds_pictures, lossless
from brushflow.video.sphere import STEREO, stereo_by_shape

ALPHA = "alpha"  # a mask that is no file: the source's own transparency
ALL = "all"  # a style that is every bundled one
KEEPS = ("frames", "flow", "reliability")

# What an option may be of use for: kinds of source (an animation is a video), a contact sheet of
# one, and what the frames show.
VIDEO, IMAGES, IMAGE, LIVE, STREAM = "video", "images", "image", "live", "stream"
SHEET, FLAT, SPHERE = "sheet", "flat", "sphere"
VIDEOS = frozenset({VIDEO, IMAGES, FLAT, SPHERE})
MOVING = VIDEOS | {SHEET}  # also what a sheet takes, so that it shows what the video will be
FILES = MOVING | {IMAGE}
ANYTHING = FILES | {LIVE, STREAM}

_what = partial(option_field, group="What", kinds=ANYTHING)
_motion = partial(option_field, group="Motion", kinds=ANYTHING - {IMAGE})
_output = partial(option_field, group="Output", kinds=MOVING | {LIVE})
_sphere = partial(option_field, group="Sphere", kinds=FILES - {FLAT})
_run = partial(option_field, group="Run", kinds=ANYTHING)


@dataclass(frozen=True)
class StylizeOptions:
    """What ``stylize_video`` does; every field says of itself what it means, and for what.

    ``start`` and ``end`` are seconds from the first frame.
    """

    style: str = _what(
        "starry-night",
        "A style by its name, all for a file in each, a model file (.safetensors, or .t7 or .pth "
        "of other programs), or a painting (.jpg, .png): it is learned first, once. Several "
        "paintings are blended.",
        repeated=True,
    )
    image_model: Path | None = _what(
        None,
        "Model that paints the first frame of every shot; without it, the video model does, once "
        "with no prior and twice more with its own painting.",
    )
    start: Fraction | None = _what(
        None, "Begin here, in seconds or hh:mm:ss.", written="time", kinds=MOVING
    )
    end: Fraction | None = _what(None, "Stop before this time.", written="time", kinds=MOVING)
    fps: Fraction = _what(
        Fraction(25),
        "Frames per second: of a folder or pattern of images, or to hold while painting live.",
        written="rate",
        kinds={IMAGES, LIVE, SHEET, FLAT, SPHERE},
    )
    max_size: int | None = _what(
        None,
        "Shrink the video so that its longest side is at most this; never enlarges. 720p is 1280.",
        written="side",
        least=16,
        metavar="N",
        kinds=FILES,
    )
    strength: float = _what(1.0, "From 0, the source, to 1, the painting.", written="share")
    stroke: float | None = _what(
        None,
        "How many times as wide strokes are as the style has them; auto [default]: as wide on any "
        "size of frame as on 480 lines.",
        written="stroke",
        least=FINEST,
        most=COARSEST,
        metavar="N|auto",
    )
    keep_colors: bool = _what(
        False, "Keep the video's own colours; take only brush strokes from the style."
    )
    mask: str | None = _what(
        None,
        "Paint only where a mask is white: a picture, a video or images in step with the source, "
        "or alpha, its own, which is kept where the output can hold it (.mov, .webm, .png, .gif, "
        ".webp, .apng).",
        metavar="FILE|alpha",
        kinds=FILES,
    )
    mask_invert: bool = _what(False, "Paint where the mask is black instead.", kinds=FILES)
    style_outside: str | None = _what(
        None, "Paint what the mask leaves out too, in this style.", metavar="STYLE", kinds=FILES
    )
    style_at: tuple[str, ...] = _what(
        (),
        "Turn to another style at a time, in a second, or at a cut, as in 12.5:great-wave or "
        "cut2:great-wave; or a .toml file of [[keyframe]]s with at, style, strength, stroke, "
        "keep-colors, blend (seconds) and ease (smooth or linear). Two paintings are mixed then, "
        "where several given as {style} make one style.",
        metavar="AT:STYLE|FILE",
        repeated=True,
        kinds=MOVING,
    )
    crop_bars: str = _what(
        "auto",
        "Black or other bars around the picture, which stay as they are: auto finds those of every "
        "shot, none paints them, or how many pixels at the top, bottom, left and right.",
        written="bars",
        metavar="auto|none|T:B:L:R",
        kinds=FILES - {SPHERE},
    )

    flow: str = _motion("dis", f"How motion is found: {NAMES_TOLD}.")
    flow_weights: Path | None = _motion(
        None, "Weights of a flow network, instead of downloading them."
    )
    flow_size: int | None = _motion(
        None,
        "Find motion on frames whose longest side is at most this [default: half of theirs, "
        "but 320 to 1024].",
        written="side",
        least=16,
        metavar="N",
    )
    occlusion: str = _motion(
        "fast",
        "How it is decided what can be carried over: fast lets motion edges pass, "
        "slow leaves them out and is soft.",
        choices=("fast", "slow"),
    )
    min_filter: int = _motion(
        7, "Shrink what is carried over by a window of this odd width.", written="odd"
    )
    median_filter: int = _motion(
        3,
        "Smooth the written picture with this odd window; 1 for none.",
        choices=(1, 3, 5),
        kinds=ANYTHING,
    )
    fill: str = _motion(
        "auto",
        "What the network sees where nothing is carried over: auto is what it has learned with.",
        choices=("auto", *FILLS),
        kinds=ANYTHING,
    )
    cuts: str = _motion(
        "auto",
        "Where shots begin: auto finds them, none is a single shot, or a file with frame "
        "numbers (from 0) or a PySceneDetect list.",
        kinds=MOVING | {STREAM},
    )
    max_shot: int | None = _motion(
        None,
        "Divide longer shots into parts that can be painted side by side; changes the picture a "
        "little where they meet.",
        least=2,
        metavar="N",
        kinds=MOVING,
    )
    backward: bool = _motion(False, "Paint from the last frame to the first.", kinds=MOVING)
    independent: bool = _motion(
        False, "Paint every frame alone, for comparison: this flickers.", kinds=ANYTHING
    )
    long_term: float = _motion(
        LONG_TERM,
        "Share of an older painting of what is still in sight; 0: only the frame before counts.",
        least=0,
        most=1,
    )

    spherical: str = _sphere(
        "auto",
        "The frames show a whole sphere; without a value (give it behind the "
        "files), equirectangular. auto is what the file says.",
        choices=("auto", *LAYOUTS, "off"),
        bare="equirect",
        kinds=FILES,
    )
    stereo: str = _sphere(
        "auto",
        "Where the pictures of the two eyes lie in a frame. auto is what the file says, or "
        "the frames' shape: an eye's are twice as wide as high.",
        choices=("auto", *STEREO),
    )
    face_size: int | None = _sphere(
        None,
        "Side of the six faces that are painted, overlap included [default: as fine as the "
        "frames].",
        least=32,
        metavar="N",
    )
    overlap: int | None = _sphere(
        None,
        "Pixels of a face that its neighbours see too, over both sides [default: a sixth].",
        least=16,
        metavar="N",
    )
    border_consistency: bool = _sphere(
        True,
        "Faces know nothing of each other, for comparison: this shows their borders.",
        names=("no-border-consistency",),
    )

    codec: str | None = _output(
        None,
        "h264, hevc, av1, vp9, prores, ffv1, or any video encoder by ffmpeg's name; auto-hw: a "
        "GPU's own for h264, if one works here [default: what suits the file].",
        written="codec",
    )
    crf: float = _output(18, "Quality on the encoder's scale, lower is better.", least=0)
    preset: str | None = _output(
        None, "Speed of the encoder, by its own names [default: veryfast for x264 and x265]."
    )
    pix_fmt: str | None = _output(None, "Stored pixel format [default: 4:2:0].")
    bit_depth: int = _output(8, "Bits per sample of the result.", choices=(8, 10), kinds=FILES)
    compare: bool = _output(False, "Put source and result side by side.", kinds=FILES | {LIVE})
    keep: tuple[str, ...] = _output(
        (),
        f"Also write files, into the folder NAME.kept: any of {','.join(KEEPS)}.",
        choices=KEEPS,
        kinds=VIDEOS,
    )

    device: str = _run("auto", DEVICES)
    precision: str = _run("auto", "auto is fp16 on CUDA and XPU, else fp32.", choices=PRECISIONS)
    restart: bool = _run(
        False, "Start over: forget an unfinished run, replace an existing output.", kinds=FILES
    )
    work_dir: Path | None = _run(
        None, "Where an unfinished run is kept [default: beside the output].", kinds=FILES
    )

    def encoding(self, output: Path) -> EncodeSettings:
        """How segments of this output are encoded; UsageError for a suffix that is no video's."""
        alpha = self.mask == ALPHA
        if holds_pictures(output):
            for name in ("codec", "crf", "preset", "pix_fmt"):
                if getattr(self, name) != getattr(StylizeOptions, name):
                    raise UsageError(f"{output} holds pictures, which no encoder makes.", name)
            return lossless(self.bit_depth, alpha)
        codec = encoder_meant(self.codec) if self.codec else default_codec(output, alpha)
        return EncodeSettings(
            codec,
            self.crf,
            self.preset,
            self.pix_fmt,
            self.bit_depth,
            alpha=alpha and holds_alpha(codec),
        )

    def output_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) within ``max_size``; a picture is never enlarged."""
        longest = max(width, height)
        if self.max_size is None or self.max_size >= longest:
            return width, height
        if self.spherical == "cubemap":
            eyes = SphereFrames(self.spherical, self.stereo).eyes
            across, down = 3 * eyes[0], 2 * eyes[1]
            tile = max(2, self.max_size // max(across, down) // 2 * 2)
            return across * tile, down * tile
        # Even sides, which most codecs ask for.
        return fit_size((width, height), self.max_size // 2 * 2, step=2)

    def bars(self, info: VideoInfo) -> Sides | None:
        """Bars around this source's pictures in its pixels, None if they are to be found.

        UsageError for those that leave nothing. Pictures of spheres have none, nor have those with
        transparent parts, which lie on black.
        """
        if self.crop_bars == "none" or self.for_source(info).spherical != "off":
            return NO_BARS
        if self.crop_bars == "auto":
            transparent = self.mask == ALPHA or (info.has_alpha and not info.begins_opaque)
            return NO_BARS if transparent else None
        sides = sides_of(int(side) for side in self.crop_bars.split(":"))
        size = self.output_size(info.width, info.height)
        top, bottom, left, right = scaled(sides, (info.width, info.height), size)
        if size[1] - top - bottom < 2 or size[0] - left - right < 2:
            raise UsageError(
                f"Bars of {self.crop_bars} pixels leave nothing of the {info.width}×{info.height} "
                f"of {info.path}.",
                about="crop_bars",
            )
        return sides

    def for_source(self, info: VideoInfo) -> "StylizeOptions":
        """The same with ``spherical`` and ``stereo`` decided: a layout or "off", "none" if flat."""
        known = info.sphere
        spherical, stereo = self.spherical, self.stereo
        if spherical == "auto":
            spherical = known.layout if known else "off"
        if stereo == "auto" and known is None and spherical == "equirect":
            stereo = stereo_by_shape(info.width, info.height)
        elif stereo == "auto":
            stereo = known.stereo if known else "none"
        return replace(self, spherical=spherical, stereo="none" if spherical == "off" else stereo)

    def uses(self, source: Source) -> frozenset[str]:
        """What this source is, in the words of ``OptionField.kinds``: its kind, and its frames."""
        kind = source.kind if source.kind in (IMAGES, IMAGE) else VIDEO
        flat = self.for_source(source.info).spherical == "off"
        return frozenset({kind, FLAT if flat else SPHERE})

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
