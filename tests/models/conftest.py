"""What tests of imported networks share."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def t7():
    """The makers of Torch 7 files in ``t7_files.py``."""
    spec = importlib.util.spec_from_file_location("t7_files", Path(__file__).parent / "t7_files.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
