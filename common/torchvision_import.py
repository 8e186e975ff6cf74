"""Import torchvision even where its compiled operators do not match the installed torch."""

import importlib
from types import ModuleType

import torch


def import_torchvision(module: str) -> ModuleType:
    """Import ``torchvision.<module>``, declaring missing operator schemas if that is all it needs.

    A torchvision built for another torch cannot load its compiled operators, and then fails at
    import because it registers Python parts for operators nobody declared. RAFT and VGG use none
    of them, so declaring the two names is enough. Only that failure is handled; any other error
    of the import passes through.
    """
    name = f"torchvision.{module}"
    try:
        return importlib.import_module(name)
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    schemas = torch.library.Library("torchvision", "DEF")
    schemas.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    schemas.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _kept_alive.append(schemas)
    return importlib.import_module(name)


# Schemas vanish with the Library object that declared them.
_kept_alive: list[torch.library.Library] = []
