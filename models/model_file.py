"""Model files: one ``.safetensors`` with weights and everything needed to run them."""

import difflib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.memory import out_of_memory
from brushflow.common.tensor_files import safetensors_bytes, tensors_digest
from brushflow.models.importers.detect import network_from_other
from brushflow.models.network import StyleNetwork
from brushflow.models.styles import PRETRAINED, SUFFIXES, available, learned_styles
from brushflow.models.weights import checked_weights, network_with

FORMAT = "brushflow-1"
BASE = Path(__file__).parent / "base.safetensors"  # where learning another painting begins
DEFAULT_STYLE = "starry-night"
_LARGEST_FILE = 256 * 2**20  # bytes; the paper's network takes 7 million


@dataclass(frozen=True)
class StyleModel:
    """A network with its description.

    ``network`` is in evaluation mode with float32 weights; ``style`` names the painting;
    ``training`` holds the settings it was trained with (JSON values).
    """

    network: StyleNetwork
    style: str
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of what decides its paintings, whatever kind of file that came from."""
        return _digest(_description(self.network), self.network.state_dict())

    def save(self, path: Path | str, dtype: torch.dtype = torch.float32) -> None:
        """Write the file, atomically; ``dtype`` float16 halves it, but for what is beyond that."""
        metadata = {
            "format": FORMAT,
            **_written(_description(self.network)),
            "style": self.style,
            "training": json.dumps(self.training, sort_keys=True),
        }
        tensors = {
            name: _narrowed(tensor, dtype).contiguous()
            for name, tensor in self.network.state_dict().items()
        }
        try:
            with atomic_path(path) as partial:
                partial.write_bytes(safetensors_bytes(tensors, metadata))
        except OSError as error:
            raise BrushflowError(f"Could not write the model {path}: {error.strerror}.") from error


@dataclass(frozen=True)
class ModelFile:
    """What a file holds of a model: all that tells it from others, without a network.

    ``description``: arguments of ``build``; ``weights``: float32, checked to be that network's;
    ``style`` and ``training`` as of ``StyleModel``.
    """

    description: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    style: str
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """That of the model."""
        return _digest(self.description, self.weights)

    @property
    def in_channels(self) -> int:
        """What its network sees: 3, a picture; 6, the output before too; 7, see ``input_for``."""
        return int(self.description["in_channels"])

    def model(self) -> StyleModel:
        """Build the network."""
        network = network_with(self.weights, **self.description)
        return StyleModel(network, self.style, self.training)


def _narrowed(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    narrow = tensor.to(dtype)
    return narrow if narrow.isfinite().all() else tensor


def _description(network: StyleNetwork) -> dict[str, Any]:
    """All that a network is built from, but its weights."""
    return {
        "arch": network.arch,
        "in_channels": network.in_channels,
        "norm": network.norm,
        "padding_type": network.padding_type,
        "tanh_constant": network.tanh_constant,
        "margin": network.margin,
        "preprocessing": network.preprocessing,
        "fill": network.fill,
    }


def _written(description: Mapping[str, Any]) -> dict[str, str]:
    """A description as it stands in a file."""
    return {name: str(value) for name, value in description.items()}


def _digest(description: Mapping[str, Any], weights: Mapping[str, Tensor]) -> str:
    about = json.dumps(_written(description), sort_keys=True)
    return hashlib.sha256(f"{about} {tensors_digest(weights)}".encode()).hexdigest()


def load(path_or_name: Path | str) -> StyleModel:
    """Load a bundled or learned style by name, or a file; errors are those of ``read_model``."""
    return read_model(path_or_name).model()


def read_model(path_or_name: Path | str) -> ModelFile:
    """Read a bundled or learned style by name, a ``.safetensors`` file, or another program's.

    Those are ``.t7`` and ``.pth``, also called ``.pt``, ``.model`` or ``.pth.tar``: see
    ``importers``. Reading runs no code from the file. UsageError for a name that is no style and no
    file; BrushflowError for a file that holds something else.
    """
    path = _find(str(path_or_name))
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise BrushflowError(f"Could not read the model {path}: {error.strerror}.") from error
    if size > _LARGEST_FILE:
        raise BrushflowError(f"{path} is far larger than a stylization network.")
    if path.suffix.lower() == ".safetensors":
        return _read_safetensors(path)
    network = network_from_other(path)
    style = path.stem.removesuffix(".pth")
    return ModelFile(_description(network), network.state_dict(), style)


def _find(name: str) -> Path:
    if name in available():
        return PRETRAINED / f"{name}.safetensors"
    learned = learned_styles()
    if name in learned:
        return learned[name]
    path = Path(name)
    if path.suffix.lower() in SUFFIXES:
        if path.is_file():
            return path
        raise UsageError(f"There is no model file {name}.")
    if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
        raise UsageError(
            f"{name} is a picture, and a style is a model.", about="painting", value=name
        )
    if path.is_file():
        raise UsageError(f"{name} is not called as model files are: {', '.join(SUFFIXES)}.")
    near = difflib.get_close_matches(name, (*available(), *learned), n=3, cutoff=0.3)
    hint = f"; did you mean {' or '.join(near)}?" if near else "."
    raise UsageError(f"There is no style called {name!r}{hint}", about="style")


def _read_safetensors(path: Path) -> ModelFile:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise BrushflowError(
                    f"{path} is not a brushflow model: it has no format entry {FORMAT!r}."
                )
            # Copies: the library's tensors hold the file, which Windows cannot replace then.
            state = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        description = {
            "arch": metadata["arch"],
            "in_channels": int(metadata["in_channels"]),
            "padding_type": metadata["padding_type"],
            "tanh_constant": float(metadata["tanh_constant"]),
            "norm": metadata["norm"],
            "margin": int(metadata.get("margin", 0)),
            "preprocessing": metadata.get("preprocessing", "vgg"),
            "fill": metadata.get("fill", "mean"),
        }
        weights = checked_weights(state, **description)
        training = json.loads(metadata.get("training", "{}"))
        if not isinstance(training, dict):
            raise ValueError("its entry 'training' is not a table")
    except (SafetensorError, KeyError, ValueError, RuntimeError, UsageError) as error:
        if out_of_memory(error):
            raise
        reason = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        raise BrushflowError(
            f"{path} is not a usable brushflow model: {reason.splitlines()[0].rstrip('.')}."
        ) from error
    return ModelFile(description, weights, metadata.get("style", path.stem), training)
