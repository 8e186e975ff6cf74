"""A container's limits count, not those of the machine it runs on."""

import pytest

from brushflow import memory
from brushflow.pipeline import workers


@pytest.fixture
def limits(tmp_path, monkeypatch):
    """Write files of a machine and of a container, which are read in place of the real ones."""
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    for module in (memory, workers):
        monkeypatch.setattr(module, "CGROUP", tmp_path)
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda process: range(8), raising=False)

    def write(**files):
        for name, text in files.items():
            (tmp_path / name.replace("_", ".")).write_text(text)

    return write


def test_memory_is_what_the_container_leaves(limits):
    assert memory.available_memory() is None
    limits(meminfo="MemTotal: 900 kB\nMemAvailable:  500 kB\n")
    assert memory.available_memory() == 500 << 10
    limits(memory_max="max\n", memory_current="1000\n")
    assert memory.available_memory() == 500 << 10
    limits(memory_max="9000\n", memory_stat="anon 500\ninactive_file 300\n")
    assert memory.available_memory() == 9000 - 1000 + 300
    limits(memory_current="20000\n")
    assert memory.available_memory() == 0


def test_cores_are_those_that_the_container_may_use(limits):
    assert workers.usable_cores() == 8
    limits(cpu_max="max 100000\n")
    assert workers.usable_cores() == 8
    limits(cpu_max="250000 100000\n")
    assert workers.usable_cores() == 2
    limits(cpu_max="50000 100000\n")
    assert workers.usable_cores() == 1
