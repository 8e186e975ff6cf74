"""Model files: one ``.safetensors`` with weights and everything needed to run them."""

import difflib
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from brushflow.errors import BrushflowError, UsageError
from brushflow.files import atomic_path
from brushflow.models.imported import network_from_port
from brushflow.models.network import StyleNetwork, build

FORMAT = "brushflow-1"
PRETRAINED = Path(__file__).parent / "pretrained"
DEFAULT_STYLE = "starry-night"


@dataclass(frozen=True)
class StyleModel:
    """A network with its description.

    ``network`` is in evaluation mode with float32 weights; ``style`` names the painting;
    ``training`` holds the settings it was trained with (JSON values); ``digest`` is the SHA-256
    of the file it came from, "" if it came from none.
    """

    network: StyleNetwork
    style: str
    training: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    def save(self, path: Path | str, dtype: torch.dtype = torch.float32) -> None:
        """Write the file, atomically; ``dtype`` float16 halves it."""
        network = self.network
        metadata = {
            "format": FORMAT,
            "arch": network.arch,
            "in_channels": str(network.in_channels),
            "norm": network.norm,
            "padding_type": network.padding_type,
            "tanh_constant": str(network.tanh_constant),
            "margin": str(network.margin),
            "preprocessing": "vgg",
            "style": self.style,
            "training": json.dumps(self.training, sort_keys=True),
        }
        tensors = {
            name: tensor.to(dtype).contiguous() if tensor.is_floating_point() else tensor
            for name, tensor in network.state_dict().items()
        }
        try:
            with atomic_path(path) as partial:
                partial.write_bytes(save(tensors, metadata))
        except OSError as error:
            raise BrushflowError(f"Could not write the model {path}: {error.strerror}.") from error


def available() -> list[str]:
    """Names of the bundled styles, sorted."""
    return sorted(path.stem for path in PRETRAINED.glob("*.safetensors"))


def load(path_or_name: Path | str) -> StyleModel:
    """Load a bundled style by name, or a ``.safetensors`` or ``.pth`` file.

    Loading runs no code from the file. UsageError for a name that is no style and no file;
    BrushflowError for a file that holds something else.
    """
    path = _find(str(path_or_name))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BrushflowError(f"Could not read the model {path}: {error.strerror}.") from error
    digest = hashlib.sha256(data).hexdigest()
    if path.suffix == ".safetensors":
        return _load_safetensors(path, digest)
    return StyleModel(network_from_port(path), path.stem, digest=digest)


def _find(name: str) -> Path:
    if name in available():
        return PRETRAINED / f"{name}.safetensors"
    path = Path(name)
    if path.suffix in (".safetensors", ".pth", ".pt", ".model"):
        if path.is_file():
            return path
        raise UsageError(f"There is no model file {name}.")
    near = difflib.get_close_matches(name, available(), n=3, cutoff=0.3)
    hint = f"did you mean {' or '.join(near)}?" if near else "--list-styles names them."
    raise UsageError(f"There is no style called {name!r}; {hint}")


def _load_safetensors(path: Path, digest: str) -> StyleModel:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise BrushflowError(
                    f"{path} is not a brushflow model: it has no format entry {FORMAT!r}."
                )
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network = build(
            metadata["arch"],
            int(metadata["in_channels"]),
            metadata["padding_type"],
            float(metadata["tanh_constant"]),
            metadata["norm"],
            int(metadata.get("margin", 0)),
        )
        network.load_state_dict(
            {
                name: tensor.float() if tensor.is_floating_point() else tensor
                for name, tensor in state.items()
            }
        )
        training = json.loads(metadata.get("training", "{}"))
    except (SafetensorError, KeyError, ValueError, RuntimeError, UsageError) as error:
        reason = str(error).splitlines()[0]
        raise BrushflowError(f"{path} is not a usable brushflow model: {reason}.") from error
    return StyleModel(network.eval(), metadata.get("style", path.stem), training, digest)
