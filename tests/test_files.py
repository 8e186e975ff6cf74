"""Files appear whole or not at all."""

import fcntl

import pytest

from brushflow.errors import UsageError
from brushflow.files import alone_in, atomic_path


def test_a_file_appears_only_when_it_is_complete(tmp_path):
    path = tmp_path / "result.bin"
    path.write_bytes(b"old")
    with atomic_path(path) as partial:
        partial.write_bytes(b"new")
        assert path.read_bytes() == b"old"
        assert partial.suffix == ".bin"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_path(path) as partial:
        partial.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_overwritten(tmp_path):
    path = tmp_path / ("n" * 240 + ".bin")
    with atomic_path(path) as partial:
        left = partial
    left.write_bytes(b"left over")
    with atomic_path(path) as partial:
        partial.write_bytes(b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_second_run_is_kept_out(tmp_path):
    with alone_in(tmp_path), pytest.raises(UsageError, match="Another run"), alone_in(tmp_path):
        pass


def test_a_lock_that_goes_away_while_it_is_taken_is_none(tmp_path, monkeypatch):
    lock = fcntl.flock

    def ended_meanwhile(descriptor, how):
        (tmp_path / "lock").unlink()
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", ended_meanwhile)
    with pytest.raises(UsageError, match="just ended"), alone_in(tmp_path):
        pass
