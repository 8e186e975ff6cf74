"""What an output is made of, and how it tells, so that the same command knows its own work."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import brushflow
from brushflow.common.atomic_files import file_digest
from brushflow.pipeline.destination import run_folder
from brushflow.pipeline.options import StylizeOptions
from brushflow.pipeline.painting import model_digests
from brushflow.shots.scan import CUTS
from brushflow.video import Source
from brushflow.video.tags import maker

# What says where and by whom, but not what: another place or device makes the same painting.
_OF_NO_MATTER = {"source": ("path", "mtime_ns"), "options": ("device",)}


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
    if options.cuts not in CUTS:
        settings["list of cuts"] = file_digest(Path(options.cuts))
    return settings


def mark_of(settings: Mapping[str, Any], moments: int | None = None) -> str:
    """The note that outputs with these settings carry; ``moments`` of a contact sheet."""
    content = {name: value for name, value in settings.items() if name != "brushflow"}
    for name, left_out in _OF_NO_MATTER.items():
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
    if not output.is_file():
        return False
    options = options.for_source(source.info)
    settings = settings_of(source, options, model_digests(options))
    return maker(output) == mark_of(settings, moments)


def is_done(source: Source, output: Path, options: StylizeOptions) -> bool:
    """Whether there is nothing to do or to finish; what remains of a run is that run's to judge."""
    if options.restart or run_folder(output, options.work_dir).is_dir():
        return False
    return is_made(source, output, options)
