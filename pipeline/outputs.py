"""The file that a run is to make: where it lies, what it says of itself, how it is put together.

What exists is not overwritten, so an output tells what it was made of, and the same command knows
its own work.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import brushflow
from brushflow.common.atomic_files import file_digest, is_special
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.wording import all_of
from brushflow.pipeline.folder import RunFolder, Segment
from brushflow.pipeline.masks import check_mask, mask_identity
from brushflow.pipeline.options import ALL, StylizeOptions
from brushflow.pipeline.painter import model_digests
from brushflow.pipeline.timeline import is_file_of_keyframes
from brushflow.shots.scan import CUTS, Scan, check_cuts
from brushflow.video import (
    Fates,
    Source,
    Trim,
    assemble,
    check_encoder,
    check_output,
    settle_tracks,
    try_settings,
)
from brushflow.video.picture_files import (
    check_pictures,
    files_of,
    first_file,
    holds_pictures,
    write_pictures,
)
from brushflow.video.sphere import Sphere, new_sphere
from brushflow.video.tags import maker

_LONGEST_NAME = 255  # bytes, on the file systems in use
_FOLDER_SUFFIX = ".brushflow"
# Pixels along a side that the usual encoders take without being asked.
_SURE_SIDES = range(16, 4097)
# What says where and by whom, but not what: another place or device makes the same painting.
_OF_NO_MATTER = {
    "source": ("path", "mtime_ns"),
    "mask": ("path", "mtime_ns"),
    "options": ("device",),
}


def check_early(source: Source, output: Path, options: StylizeOptions, replace: bool) -> None:
    """Find what a run would only find after the scan, or other processes while they paint.

    ``options`` are those for this source; ``replace``: an output that is there is no hindrance.
    Raises UsageError, or BrushflowError for what cannot be written.
    """
    info = source.info
    if options.style == ALL:
        raise UsageError("One file cannot be in all styles.", "style")
    check_destination(info.path, output, replace)
    encoding = options.encoding(output)
    check_encoder(encoding)
    if holds_pictures(output):
        check_pictures(output)
    else:
        check_output(output, encoding.codec)
    check_cuts(options.cuts)
    options.bars(info)
    check_mask(options, info)
    width, height = options.output_size(info.width, info.height)
    width *= 1 + options.compare
    unusual = encoding != StylizeOptions().encoding(output)
    if unusual or not all(side in _SURE_SIDES for side in (width, height)):
        suffix = ".mkv" if holds_pictures(output) else output.suffix
        try_settings(encoding, width, height, info.output_color, suffix)


def check_destination(source: str | Path, output: Path, replace: bool) -> None:
    """Refuse an output that cannot be written or that would destroy something, before the work."""
    if not output.absolute().parent.is_dir():
        raise UsageError(
            f"There is no folder {output.absolute().parent} to write {output.name} in."
        )
    try:
        TemporaryFile(dir=output.absolute().parent).close()
    except OSError as error:
        raise UsageError(
            f"Nothing can be written in {output.absolute().parent} ({error.strerror}).",
            about="output",
        ) from error
    if len(os.fsencode(output.name)) > _LONGEST_NAME:
        raise UsageError(f"The name {output.name} is too long.", about="output")
    if output.is_dir():
        raise UsageError(f"{output} is a folder, and a file is to be written.", about="output")
    if output.is_symlink() and not output.exists():
        raise UsageError(f"{output} is a link that leads nowhere.", about="output")
    if is_special(output):
        raise UsageError(f"{output} is no file but a device or a pipe.", about="output")
    there = next(iter(files_of(output)), None)
    if there is None:
        return
    if _is_source(Path(source), there):
        raise UsageError(f"{output} is the source itself.", about="output")
    if not replace:
        raise already_there(there)


def _is_source(source: Path, file: Path) -> bool:
    """Whether a file is the source, or one of the images in it."""
    if source.is_dir():
        return source.samefile(file.parent)
    return source.exists() and source.samefile(file)


def already_there(output: Path) -> UsageError:
    """The error about an output, or a folder of by-products, that exists."""
    return UsageError(f"{output} exists already.", about="exists")


def run_folder(output: Path, work_dir: Path | None) -> Path:
    """The folder that an unfinished run for ``output`` is kept in: beside it or in ``work_dir``."""
    name, ending = output.name, _FOLDER_SUFFIX
    # Outputs of the same name in different places must not meet in one work folder, nor long names
    # that begin alike in one place.
    if work_dir is not None or len(os.fsencode(name + ending)) > _LONGEST_NAME:
        ending = f"-{_digest(output)}{ending}"
    return (work_dir or output.parent) / shortened(name, ending)


def forget_run(output: Path, options: StylizeOptions) -> None:
    """Remove the note that ``keep_note`` has left."""
    folder = RunFolder(run_folder(output, options.work_dir))
    with folder.locked():
        folder.remove()


def kept_folder(output: Path, options: StylizeOptions) -> Path | None:
    """Where by-products of the run go, None if none are wanted."""
    return output.with_name(f"{output.stem}.kept") if options.keep else None


def shortened(name: str, ending: str) -> str:
    """``name + ending`` if a file system takes that, else as much of the name as goes with it."""
    if len(os.fsencode(name + ending)) <= _LONGEST_NAME:
        return name + ending
    kept = os.fsencode(name)[: _LONGEST_NAME - len(os.fsencode(ending))]
    return kept.decode("utf-8", "ignore") + ending


def _digest(output: Path) -> str:
    return hashlib.sha256(os.fsencode(output.absolute())).hexdigest()[:8]


def settings_of(
    source: Source, options: StylizeOptions, models: Mapping[str, str]
) -> dict[str, Any]:
    """What decides the result of a run, as JSON values; ``options`` are those for this source.

    ``models``: digests of the weights by their use.
    """
    settings = {
        "brushflow": brushflow.__version__,
        "source": source.identity(),
        "options": options.settings(),
        "models": dict(models),
    }
    mask = mask_identity(options, source.info)
    if mask is not None:
        settings["mask"] = mask
    for given in options.style_at:
        if is_file_of_keyframes(given):
            settings[f"keyframes {given}"] = file_digest(Path(given))
    if options.cuts not in CUTS:
        settings["list of cuts"] = file_digest(Path(options.cuts))
    return settings


def mark_of(settings: Mapping[str, Any], moments: int | None = None) -> str:
    """The note that outputs with these settings carry; ``moments`` of a contact sheet."""
    content = {name: value for name, value in settings.items() if name != "brushflow"}
    for name, left_out in _OF_NO_MATTER.items():
        if name in content:
            content[name] = {key: v for key, v in content[name].items() if key not in left_out}
    # 18 and 18.0 are one number, whoever has read it.
    options = content["options"].items()
    content["options"] = {key: float(v) if type(v) is int else v for key, v in options}
    text = json.dumps([content, moments], sort_keys=True)
    return f"brushflow {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def is_made(
    source: Source, output: Path, options: StylizeOptions, moments: int | None = None
) -> bool:
    """Whether ``output`` is there and was made of this source with these options and models."""
    shown = first_file(output)
    if not shown.is_file():
        return False
    options = options.for_source(source.info)
    settings = settings_of(source, options, model_digests(options))
    return maker(shown) == mark_of(settings, moments)


def is_done(source: Source, output: Path, options: StylizeOptions) -> bool:
    """Whether there is nothing to do or to finish; what remains of a run is that run's to judge."""
    if options.restart or run_folder(output, options.work_dir).is_dir():
        return False
    return is_made(source, output, options)


def settle_early(
    source: Source,
    options: StylizeOptions,
    scan: Scan,
    output: Path,
    check_stop: Callable[[], None],
) -> Fates | None:
    """Try everything that ``output`` takes over from the source, before any work is spent on it.

    Returns what ``join_segments`` must know of that; errors are those of ``settle_tracks``.
    """
    if source.kind != "video" or holds_pictures(output):
        return None
    return settle_tracks(source.info.path, output, _trim(source, options, scan), check_stop)


def join_segments(
    source: Source,
    options: StylizeOptions,
    folder: RunFolder,
    scan: Scan,
    plan: Sequence[Segment],
    output: Path,
    fates: Fates | None = None,
    replace: bool = False,
    made_by: str = "",
) -> list[str]:
    """Write ``output`` of the segments of ``plan``, which all are there.

    ``options`` are those for this source; ``replace`` and ``made_by`` as of ``assemble``. Returns
    sentences about what had to be changed. Should this fail, the frames alone are left in a file
    of their own, and the BrushflowError names it.
    """
    info = source.info
    trim = _trim(source, options, scan)
    segments = folder.coded(plan)
    pts = scan.pts[plan[0].first : plan[-1].last + 1]
    bare = folder.segments / "painting.mkv"
    try:
        bare.unlink(missing_ok=True)
        if holds_pictures(output):
            until = _shown_until(source, trim, scan, plan[-1].last)
            origin = pts[0] * info.time_base
            assemble(segments, pts, info.time_base, bare, start=origin, until=until)
            return write_pictures(bare, output, options.encoding(output), replace, made_by)
        report = assemble(
            segments,
            pts,
            info.time_base,
            output,
            info.path if source.kind == "video" else None,
            start=trim.start,
            end=trim.end,
            sphere=_sphere(source, options),
            fates=fates,
            until=_shown_until(source, trim, scan, plan[-1].last),
            replace=replace,
            made_by=made_by,
        )
    except (BrushflowError, OSError) as error:
        try:
            assemble(segments, pts, info.time_base, bare, start=pts[0] * info.time_base)
        except BrushflowError:
            kept = f"{all_of(len(pts), 'frame')} painted and kept in {folder.path}"
        else:
            kept = (
                f"{all_of(len(pts), 'frame')} painted, and {bare} shows the painting without sound"
            )
        reason = str(error).rstrip(".")
        raise BrushflowError(f"{reason}. {kept}.", about="joining") from error
    return report.notes


def _trim(source: Source, options: StylizeOptions, scan: Scan) -> Trim:
    """What of the source is taken, on its own clock: options count from its first frame."""
    origin = scan.pts[0] * source.info.time_base
    start, end = (None if t is None else origin + t for t in (options.start, options.end))
    return Trim(start, end)


def _shown_until(source: Source, trim: Trim, scan: Scan, last: int) -> Fraction | None:
    """When an animation or a set of images has shown its frame ``last``, on its own clock."""
    info = source.info
    if source.kind == "video" or info.duration is None:
        return None
    until = Fraction(info.duration).limit_denominator(1_000_000) + scan.pts[0] * info.time_base
    if last + 1 < len(scan.pts):
        until = scan.pts[last + 1] * info.time_base
    return until if trim.end is None else min(until, trim.end)


def _sphere(source: Source, options: StylizeOptions) -> Sphere | None:
    """What the output says of itself: two spheres side by side are none."""
    if options.spherical == "off" or options.compare:
        return None
    known = source.info.sphere
    if known is not None and (known.layout, known.stereo) == (options.spherical, options.stereo):
        return known
    return new_sphere(options.spherical, options.stereo)
