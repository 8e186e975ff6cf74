"""What all commands share, before any of them has begun."""

import signal
import subprocess
import sys
import textwrap

import click
import pytest

from brushflow.cli import run
from brushflow.memory import NOT_ENOUGH


def test_ctrl_c_while_modules_are_imported_shows_no_traceback(tmp_path):
    (tmp_path / "slow.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    script = """
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        import brushflow.cli
        import slow
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGINT  # which shells show as 130
    assert done.stderr == "Interrupted.\n"


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("can't start new thread"), RuntimeError("bad alloc")],
)
def test_too_little_memory_is_a_sentence_wherever_it_shows(error, monkeypatch, capsys):
    @click.command()
    def hungry():
        raise error

    monkeypatch.setattr(sys, "argv", ["hungry"])
    with pytest.raises(SystemExit) as stop:
        run(hungry)
    assert stop.value.code == 1
    assert capsys.readouterr().err == f"Error: {NOT_ENOUGH}\n"


def test_a_defect_still_shows_itself(monkeypatch):
    @click.command()
    def defective():
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(sys, "argv", ["defective"])
    with pytest.raises(RuntimeError, match="shapes"):
        run(defective)
