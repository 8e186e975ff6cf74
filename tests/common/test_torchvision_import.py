"""torchvision's Python parts work where its compiled operators do not load."""

import subprocess
import sys

import pytest

FAKE = """
import importlib, sys
import brushflow.common.torchvision_import as compat
calls = []
real = importlib.import_module

def fake(name):
    calls.append(name)
    if len(calls) == 1:
        raise {error}
    return sys

compat.importlib.import_module = fake
try:
    compat.import_torchvision("models")
except Exception as error:
    print(type(error).__name__, error)
print(calls)
"""


def outcome(error):
    return subprocess.run(
        [sys.executable, "-c", FAKE.format(error=error)], capture_output=True, text=True
    ).stdout


def test_raft_and_vgg_can_be_built_here():
    from brushflow.common.torchvision_import import import_torchvision

    assert import_torchvision("models.optical_flow").raft_small(weights=None)


def test_undeclared_operators_are_declared_and_the_import_tried_again():
    out = outcome("RuntimeError('operator torchvision::nms does not exist')")
    assert out.splitlines()[-1] == "['torchvision.models', 'torchvision.models']"


@pytest.mark.parametrize("error", ["RuntimeError('out of memory')", "ImportError('no module')"])
def test_other_failures_pass_through(error):
    out = outcome(error).splitlines()
    assert out[0] == error.replace("('", " ").replace("')", "")
    assert out[1] == "['torchvision.models']"
