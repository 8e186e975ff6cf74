"""Running readers on damaged files, with bounds on memory and time."""

import importlib.util
import os
import resource
import tempfile
import time
from pathlib import Path

import pytest

from brushflow.common.errors import BrushflowError

_COUNT = int(os.environ.get("BRUSHFLOW_FUZZ", 500))  # inputs of each kind
_SLOWEST = 2.0  # seconds of computing for one input
_MOST_MEMORY = 2**30  # bytes above what the process has taken before
_results = []


def _load(place):
    spec = importlib.util.spec_from_file_location(place.stem, place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def t7():
    """The makers of Torch 7 files beside the tests of their reader."""
    return _load(Path(__file__).parents[1] / "models" / "t7_files.py")


@pytest.fixture(scope="session")
def mutate():
    """The damages of ``mutate.py``."""
    return _load(Path(__file__).parent / "mutate.py")


@pytest.fixture
def folder(tmp_path):
    """A folder for the files, in memory where the system has one: disks are slow."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.fixture
def bounded():
    """The system refuses memory beyond the bound, even if it would never be touched."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    taken = int(pages) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + _MOST_MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture
def fuzz(bounded, request):
    """Give a reader one damaged input after another; it may read it or refuse it."""

    def run(make, read):
        name = request.node.name.removeprefix("test_")
        refused = number = 0
        slowest = (0.0, 0)
        begin = time.perf_counter()
        while number < _COUNT:
            data = make(number)
            start = time.process_time()
            try:
                read(data)
            except BrushflowError as error:
                refused += 1
                assert str(error).endswith("."), f"input {number}: {error}"
                assert "\n" not in str(error), f"input {number}: {error}"
                while (error := error.__cause__) is not None:
                    assert not isinstance(error, MemoryError), f"input {number}"
                    assert "allocate memory" not in str(error), f"input {number}: {error}"
            except Exception as error:
                raise AssertionError(f"input {number} of {name}: {error!r}") from error
            slowest = max(slowest, (time.process_time() - start, number))
            assert slowest[0] < _SLOWEST, f"input {number} took {slowest[0]:.1f} s"
            number += 1
        seconds = time.perf_counter() - begin
        _results.append(
            f"{name}: {number} inputs, {refused} refused, {number - refused} read, slowest "
            f"{1000 * slowest[0]:.0f} ms, {seconds:.0f} s"
        )

    return run


def pytest_terminal_summary(terminalreporter):
    """Say how many inputs there were."""
    for line in _results:
        terminalreporter.write_line(f"fuzz {line}")
