"""The output made of its segments and of what the source has beside its frames."""

from collections.abc import Sequence
from pathlib import Path

from brushflow.pipeline.folder import RunFolder
from brushflow.pipeline.options import StylizeOptions
from brushflow.pipeline.plan import Segment
from brushflow.pipeline.scan import Scan
from brushflow.video import Source, assemble
from brushflow.video.sphere import Sphere, new_sphere


def join_segments(
    source: Source,
    options: StylizeOptions,
    folder: RunFolder,
    scan: Scan,
    plan: Sequence[Segment],
    output: Path,
) -> list[str]:
    """Write ``output`` of the segments of ``plan``, which all are there.

    ``options`` are those for this source. Returns sentences about what had to be changed.
    """
    info = source.info
    origin = scan.pts[0] * info.time_base
    report = assemble(
        [folder.segment_path(segment) for segment in plan],
        scan.pts[plan[0].first : plan[-1].last + 1],
        info.time_base,
        output,
        info.path if source.kind == "video" else None,
        start=None if options.start is None else origin + options.start,
        end=None if options.end is None else origin + options.end,
        sphere=_sphere(source, options),
    )
    return report.notes


def _sphere(source: Source, options: StylizeOptions) -> Sphere | None:
    """What the output says of itself: two spheres side by side are none."""
    if options.spherical == "off" or options.compare:
        return None
    known = source.info.sphere
    if known is not None and known.layout == options.spherical:
        return known
    return new_sphere(options.spherical)
