"""Weights fetched once from where their authors publish them, checked before use."""

import logging
from pathlib import Path
from urllib.parse import urlsplit

import torch

from brushflow.common.errors import BrushflowError

_log = logging.getLogger(__name__)


def download_file(url: str, what: str, about: str, name: str | None = None) -> Path:
    """What is at ``url``, kept in torch's hub cache.

    The file's name there ends in the first digits of its SHA-256; a download that does not match
    is thrown away.

    Args:
        url: where the file is.
        what: names the weights in messages, e.g. "flow weights".
        about: see BrushflowError; files that are given need no network.
        name: of the file in the cache; None: as in the address, which torchvision publishes so.

    Raises:
        BrushflowError: it cannot be downloaded, or what arrived is damaged.
    """
    name = name or Path(urlsplit(url).path).name
    cached = Path(torch.hub.get_dir(), "checkpoints", name)
    if cached.exists():
        return cached
    _log.info("Downloading %s to %s", url, cached)
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        digest = cached.stem.rpartition("-")[2]
        torch.hub.download_url_to_file(url, str(cached), digest, progress=False)
    except (OSError, RuntimeError) as error:
        raise BrushflowError(
            f"Cannot download the {what} {url} ({error}); fetch them on a machine that can.", about
        ) from error
    return cached
