"""Weights fetched once from where their authors publish them, checked before use."""

import logging
import pickle
from pathlib import Path
from urllib.parse import urlsplit

import torch
from torch import Tensor

from brushflow.errors import BrushflowError

_log = logging.getLogger(__name__)


def download_weights(url: str, what: str, instead: str) -> dict[str, Tensor]:
    """The state dict at ``url``, kept in torch's hub cache.

    The file's name ends in the first digits of its SHA-256, as torchvision publishes them; a
    download that does not match is thrown away.

    Args:
        url: where the file is.
        what: names the weights in messages, e.g. "flow weights".
        instead: what the user can do without a network, the end of a sentence.

    Raises:
        BrushflowError: it cannot be downloaded, or what arrived or is in the cache is damaged.
    """
    cached = Path(torch.hub.get_dir(), "checkpoints", Path(urlsplit(url).path).name)
    if not cached.exists():
        _log.info("Downloading %s to %s", url, cached)
    try:
        return torch.hub.load_state_dict_from_url(
            url, map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        if cached.exists():
            raise BrushflowError(
                f"The {what} '{cached}' are damaged: delete that file to download them again."
            ) from error
        raise BrushflowError(
            f"Cannot download the {what} {url} ({error}): fetch them on a machine that can and "
            f"{instead}"
        ) from error
