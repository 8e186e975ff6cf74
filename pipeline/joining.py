"""The output made of its segments and of what the source has beside its frames."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from brushflow.common.errors import BrushflowError
from brushflow.pipeline.folder import RunFolder
from brushflow.pipeline.options import StylizeOptions
from brushflow.pipeline.plan import Segment
from brushflow.shots.scan import Scan
from brushflow.video import Fates, Source, Trim, assemble, settle_tracks
from brushflow.video.sphere import Sphere, new_sphere


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
    if source.kind != "video":
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
    segments = [folder.segment_path(segment) for segment in plan]
    pts = scan.pts[plan[0].first : plan[-1].last + 1]
    bare = folder.segments / "painting.mkv"
    try:
        bare.unlink(missing_ok=True)
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
            kept = f"All {len(pts)} frames are painted and kept in {folder.path}"
        else:
            kept = f"All {len(pts)} frames are painted, and {bare} shows them without sound"
        reason = str(error).rstrip(".")
        raise BrushflowError(
            f"{reason}. {kept}; the same command puts them together when that is mended."
        ) from error
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
    if known is not None and known.layout == options.spherical:
        return known
    return new_sphere(options.spherical)
