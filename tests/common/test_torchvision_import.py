"""torchvision's Python parts work where its compiled operators do not load."""

import sys

import pytest
import torch

from brushflow.common import torchvision_import
from brushflow.common.torchvision_import import import_torchvision

UNDECLARED = RuntimeError("operator torchvision::nms does not exist")


@pytest.fixture
def imported(monkeypatch):
    """What is imported, by name; the first import fails with ``errors``' first."""
    calls, declared = [], []

    def fake(name):
        calls.append(name)
        if errors := fake.errors:
            raise errors.pop()
        return sys

    class Library:
        def __init__(self, namespace, kind):
            assert (namespace, kind) == ("torchvision", "DEF")

        def define(self, schema):
            declared.append(torch._C.parse_schema(f"torchvision::{schema}").name)

    monkeypatch.setattr(torchvision_import.importlib, "import_module", fake)
    monkeypatch.setattr(torchvision_import.torch.library, "Library", Library)
    fake.calls, fake.declared, fake.errors = calls, declared, []
    return fake


def test_raft_and_vgg_can_be_built_here():
    assert import_torchvision("models.optical_flow").raft_small(weights=None)


def test_undeclared_operators_are_declared_and_the_import_tried_again(imported):
    imported.errors.append(UNDECLARED)
    assert import_torchvision("models") is sys
    assert imported.calls == ["torchvision.models"] * 2
    assert imported.declared == ["torchvision::nms", "torchvision::qnms"]


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), ImportError("no module")])
def test_other_failures_pass_through(error, imported):
    imported.errors.append(error)
    with pytest.raises(type(error), match=str(error)):
        import_torchvision("models")
    assert imported.calls == ["torchvision.models"] and not imported.declared
