"""Any network of the optional package ptlflow (Morimitsu, PyTorch Lightning Optical Flow)."""

import importlib
import threading
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.torchvision_import import import_torchvision
from brushflow.flow.types import Flow, Frame


class PtlflowModel:
    """A model of ptlflow by ptlflow's name for it.

    Raises:
        UsageError: ptlflow is not installed, or knows no such model or checkpoint.
        BrushflowError: ptlflow cannot load the weights.
    """

    def __init__(
        self, name: str, device: str | torch.device = "cpu", weights: Path | str | None = None
    ) -> None:
        ptlflow = _import_ptlflow(name)
        try:
            checkpoint = weights or _published_checkpoint(ptlflow.get_model_reference(name))
            model = ptlflow.get_model(name, str(checkpoint))
        except ValueError as error:
            raise UsageError(
                f"ptlflow cannot make the flow model '{name}': {error}", about="flow_weights"
            ) from error
        except (OSError, RuntimeError) as error:
            raise BrushflowError(
                f"ptlflow cannot load weights for '{name}' ({error}).", about="flow_weights"
            ) from error
        self.device = torch.device(device)
        self._model = model.eval().to(self.device)
        # Nothing says that these models may be entered twice at once, and some keep state.
        self._one_at_a_time = threading.Lock()

    @torch.inference_mode()
    def __call__(self, frame: Frame, other: Frame) -> Flow:
        full_scale = np.iinfo(frame.dtype).max
        # ptlflow's models take BGR in [0, 1], (batch, frame, channel, row, column), and pad to
        # the sizes they need themselves.
        pair = np.stack([frame, other])[None, ..., ::-1].astype(np.float32) / full_scale
        images = torch.from_numpy(pair).permute(0, 1, 4, 2, 3).contiguous().to(self.device)
        with self._one_at_a_time:
            flow = self._model({"images": images})["flows"][0, 0]
        return np.ascontiguousarray(flow.permute(1, 2, 0).float().cpu().numpy())


def load(name: str, device: str | torch.device, weights: Path | str | None) -> PtlflowModel:
    """See ``types.Loader``; names begin with ``ptlflow:``."""
    return PtlflowModel(name.partition(":")[2], device, weights)


def _import_ptlflow(name: str) -> ModuleType:
    try:
        import_torchvision("ops")  # which ptlflow imports as if it were the one of this torch
        return importlib.import_module("ptlflow")
    except ImportError as error:
        raise UsageError(
            f"The flow estimator 'ptlflow:{name}' needs the package ptlflow ({error}).",
            about="ptlflow",
        ) from error
    except (OSError, RuntimeError) as error:
        raise BrushflowError(
            f"The package ptlflow, which 'ptlflow:{name}' is of, does not work here ({error}).",
            about="flow",
        ) from error


def _published_checkpoint(model_class: type) -> str:
    """The one trained on FlyingThings3D, which most models have and which favours no benchmark."""
    names = list(getattr(model_class, "pretrained_checkpoints", {}))
    if not names:
        raise ValueError("it has no published weights")
    return "things" if "things" in names else names[0]
