"""The files in a folder and below it that may be something to learn from."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

# Beside frames, datasets keep pictures of other things under these names.
_NO_FRAMES = {"annotations", "occlusions", "occlusions_rev", "invalid", "flow", "flows", "flow_viz"}
_OURS = (".brushflow", ".training")  # folders of runs


def files_by_folder(folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Every folder with the files in it, but for what is hidden, masks and flow, and our runs'."""
    left_out: set[str] = set()
    for place, folders, names in os.walk(folder):
        here = Path(place)
        left_out |= {name for name in folders if name.lower() in _NO_FRAMES}
        folders[:] = [
            name
            for name in folders
            if not (name.startswith(".") or name.endswith(_OURS) or name in left_out)
        ]
        yield here, [here / name for name in names if not name.startswith(".")]
    if left_out:
        listed = ", ".join(sorted(left_out))
        logger.info("Left out of %s what is called as masks and flow are: %s.", folder, listed)
