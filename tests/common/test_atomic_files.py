"""Files appear whole or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from brushflow.common import atomic_files
from brushflow.common.atomic_files import InUse, alone_in, atomic_path, left_over, remove_own
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.pipeline.outputs import check_destination


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


def test_what_a_killed_process_left_of_this_file_is_removed(tmp_path):
    path, other = tmp_path / ("n" * 240 + ".bin"), tmp_path / "other.bin"
    with atomic_path(path) as partial, atomic_path(other) as of_other:
        left = (partial, partial.with_name(f"{partial.name}.sphere"))
    for leftover in (*left, of_other):
        leftover.write_bytes(b"left over")
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    link = partial.with_name(partial.name.rsplit("-", 1)[0] + "-0123456789abcdef.bin")
    link.symlink_to(precious)
    left_over.cache_clear()
    with atomic_path(path) as partial:
        partial.write_bytes(b"new")
    assert sorted(tmp_path.iterdir()) == sorted([path, other, of_other, precious, link])
    assert precious.read_bytes() == b"precious"


def test_a_temporary_name_cannot_be_guessed_and_nothing_there_is_followed(tmp_path, monkeypatch):
    path = tmp_path / "result.bin"
    names = set()
    for _ in range(8):
        with atomic_path(path) as partial:
            names.add(partial.name)
    assert len(names) == 8
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    monkeypatch.setattr(
        "brushflow.common.atomic_files.secrets.token_hex", lambda count: "0" * 2 * count
    )
    with atomic_path(path) as partial:
        guessed = partial
    guessed.symlink_to(precious)
    with pytest.raises(FileExistsError), atomic_path(path):
        pass
    assert precious.read_bytes() == b"precious" and guessed.is_symlink()


def test_what_stands_at_the_name_is_replaced_and_a_link_is_not_followed(tmp_path):
    precious, path = tmp_path / "precious", tmp_path / "result.bin"
    precious.write_bytes(b"precious")
    path.symlink_to(precious)
    with atomic_path(path) as partial:
        partial.write_bytes(b"new")
    assert (precious.read_bytes(), path.read_bytes()) == (b"precious", b"new")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
@pytest.mark.parametrize("linked", [False, True])
def test_devices_and_pipes_are_never_replaced(linked, tmp_path):
    pipe, path = tmp_path / "pipe", tmp_path / ("link" if linked else "pipe")
    os.mkfifo(pipe)
    if linked:
        path.symlink_to(pipe)
    before = path.lstat()
    with pytest.raises(UsageError, match="a device or a pipe"), atomic_path(path) as partial:
        partial.write_bytes(b"new")
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    with pytest.raises(UsageError, match="a device or a pipe"):
        check_destination("film.mp4", path, replace=True)


@pytest.mark.parametrize("inside", ["", "lock", "brushflow.txt", "deeper/link"])
def test_links_are_refused_where_files_are_removed(inside, tmp_path):
    precious, folder = tmp_path / "precious", tmp_path / "folder"
    precious.mkdir()
    (folder / inside).parent.mkdir(parents=True, exist_ok=True)
    (folder / inside).symlink_to(precious)
    with pytest.raises(UsageError, match="is a link"), alone_in(folder):
        pass
    assert list(precious.iterdir()) == []


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "lock").touch()
    with alone_in(tmp_path):  # as a run that was killed at once may leave it
        (tmp_path / "more").touch()
    with alone_in(tmp_path):  # it is marked now
        pass
    (tmp_path / "brushflow.txt").unlink()
    with pytest.raises(UsageError, match="not brushflow's"), alone_in(tmp_path):
        pass
    with alone_in(tmp_path, "m.*e"):
        pass


def test_only_own_files_are_removed(tmp_path):
    folder, precious = tmp_path / "folder", tmp_path / "12"
    folder.mkdir()
    precious.touch()
    for name in ("1", "22", "333", "letter"):
        (folder / name).touch()
    (folder / "4").mkdir()
    (folder / "5").symlink_to(precious)
    remove_own(folder, r"\d\d?")
    assert sorted(path.name for path in folder.iterdir()) == ["333", "4", "5", "letter"]
    (tmp_path / "link").symlink_to(folder)
    remove_own(tmp_path / "link", ".*")
    assert precious.exists() and len(list(folder.iterdir())) == 4


def test_a_second_run_is_kept_out(tmp_path):
    with alone_in(tmp_path), pytest.raises(UsageError, match="Another run"), alone_in(tmp_path):
        pass


def test_a_lock_that_goes_away_while_it_is_taken_is_none(tmp_path, monkeypatch):
    lock = atomic_files.lock_descriptor

    def ended_meanwhile(descriptor, blocking):
        (tmp_path / "lock").unlink()
        return lock(descriptor, blocking=blocking)

    monkeypatch.setattr(atomic_files, "lock_descriptor", ended_meanwhile)
    with pytest.raises(UsageError, match="just ended"), alone_in(tmp_path):
        pass


def test_a_lock_ends_with_the_process_that_holds_it(tmp_path):
    code = (
        "import sys; from pathlib import Path; from brushflow.common.atomic_files import alone_in\n"
        "with alone_in(Path(sys.argv[1])): print('mine', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline().strip() == b"mine"
        with pytest.raises(InUse, match="Another run is writing"), alone_in(tmp_path):
            pass
        other.kill()
    with alone_in(tmp_path):
        pass


def test_where_what_is_open_cannot_be_removed_a_lock_goes_when_it_is_released(
    tmp_path, monkeypatch
):
    """As on Windows: the lock is refused to whoever removes the folder's files while it is held."""
    monkeypatch.setattr(atomic_files, "_SHARES_NO_DELETION", True)
    folder, held = tmp_path / "folder", []
    unlink = Path.unlink

    def refuse(path, missing_ok=False):
        if held and path.name == "lock":
            raise PermissionError(errno.EACCES, "used by another process", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    close = os.close
    monkeypatch.setattr(os, "close", lambda file: (file in held and held.clear(), close(file)))
    lock = atomic_files.lock_descriptor
    monkeypatch.setattr(
        atomic_files,
        "lock_descriptor",
        lambda file, blocking: (held.append(file), lock(file, blocking=blocking))[1],
    )
    for whole in (False, True):
        with alone_in(folder):
            remove_own(folder, "lock|brushflow.txt" if whole else "brushflow.txt")
            assert [path.name for path in folder.iterdir()] == ["lock"]
        assert not folder.exists()
    with alone_in(folder):
        pass
    assert sorted(path.name for path in folder.iterdir()) == ["brushflow.txt", "lock"]


@pytest.mark.parametrize("second_names", [True, False])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_came_meanwhile_is_not_replaced(second_names, kind, monkeypatch, tmp_path):
    def refuse(source, target):
        raise OSError(errno.EPERM, "Operation not permitted")

    if not second_names:  # as on FAT
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "a.txt"
    with atomic_path(path, replace=False) as partial:
        partial.write_text("one")
    assert path.read_text() == "one" and list(tmp_path.iterdir()) == [path]
    path.unlink()
    with (
        pytest.raises(BrushflowError, match="come to lie"),
        atomic_path(path, replace=False) as partial,
    ):
        partial.write_text("two")
        if kind == "file":
            path.write_text("precious")
        else:
            path.symlink_to(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == [path] and path.is_symlink() == (kind == "link")
    assert kind == "link" or path.read_text() == "precious"


def test_a_disk_that_is_full_is_told_with_the_files_own_name(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(OSError, match="No space") as full, atomic_path(path):
        raise OSError(errno.ENOSPC, "No space left on device")  # as of any write
    assert full.value.filename == str(path)
    with pytest.raises(OSError, match="Permission") as refused, atomic_path(path) as partial:
        raise PermissionError(errno.EACCES, "Permission denied", str(partial))
    assert refused.value.filename == str(path)


def test_a_file_that_is_just_being_read_is_replaced_a_moment_later(tmp_path, monkeypatch):
    """Windows refuses while somebody has it open."""
    path, tries, replace = tmp_path / "a.txt", [], Path.replace

    def refuses_twice(self, target):
        tries.append(self)
        if len(tries) < 3:
            raise PermissionError(errno.EACCES, "Access is denied", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuses_twice)
    monkeypatch.setattr(atomic_files, "_SHARES_NO_DELETION", True)
    with atomic_path(path) as partial:
        partial.write_text("whole", encoding="ascii")
    assert path.read_text(encoding="ascii") == "whole" and len(tries) == 3
    monkeypatch.setattr(atomic_files, "_SHARES_NO_DELETION", False)
    tries.clear()
    with pytest.raises(PermissionError), atomic_path(path):
        pass
    assert len(tries) == 1
