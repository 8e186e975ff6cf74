"""What all commands share: how they end, whatever happens when, and how they read their options."""

from brushflow.cli.start import Interrupts

import ast
import errno
import io
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import click
import pytest

import brushflow
from brushflow.cli import commands as cli
from brushflow.cli import ending
from brushflow.common.errors import BrushflowError, told
from brushflow.common.memory import NOT_ENOUGH

BEGIN = """
    import os, signal, sys, threading, time
    from pathlib import Path
    import click
    from brushflow.cli.start import run
    from brushflow.cli.commands import stop_on_interrupt
    from brushflow.common.errors import BrushflowError
"""


@pytest.fixture
def start(tmp_path):
    """Start a command whose body is given, in a shell line where {} is the command."""

    def start(body, line="{}"):
        program = tmp_path / "program.py"
        begin, body = textwrap.dedent(BEGIN), textwrap.dedent(body)
        indented = textwrap.indent(body, "    ")
        program.write_text(f"{begin}\n@click.command()\ndef command():\n{indented}\nrun(command)\n")
        shell = ["bash", "-c", line.format(f"{sys.executable} {program}")]
        attributes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(shell, cwd=tmp_path, **attributes)

    return start


@pytest.fixture
def ended(start):
    """The same to the end: (exit code, stdout, stderr)."""

    def run(body, line="exec {}"):
        process = start(body, line)
        out, err = process.communicate()
        return process.returncode, out, err

    return run


@pytest.fixture
def answer(monkeypatch, capsys):
    """Run a click command in this process: (exit code, stdout, stderr)."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.getsignal(number) for number in numbers]

    def run(command, *arguments):
        monkeypatch.setattr(sys, "argv", ["program", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.run_to_the_end(command)
        return stop.value.code, *capsys.readouterr()

    yield run
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


ROOT = Path(brushflow.__file__).parent
AT_IMPORT = """
    import runpy, signal, sys
    signal.signal(signal.SIGINT, signal.default_int_handler)
    class Interrupt:
        def find_spec(self, name, path=None, target=None):
            if name == MODULE:
                HOW
    sys.meta_path.insert(0, Interrupt())
    sys.argv = ["command", "--version"]
    runpy.run_path(COMMAND, run_name="__main__")
"""
RAISE = "signal.raise_signal(signal.SIGINT)"
HIDE = f"""
                try:
                    {RAISE}
                except BaseException:
                    pass
"""
WRAP = f"""
                try:
                    {RAISE}
                except BaseException:
                    raise ImportError("it does not load")
"""


def started(command, module, how):
    """Start a program that Ctrl-C meets where it imports a module: (exit code, stdout, stderr)."""
    script = textwrap.dedent(AT_IMPORT.replace("HOW", how))
    script = script.replace("MODULE", repr(module)).replace("COMMAND", repr(str(command)))
    line = [sys.executable, "-c", script]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("how", [RAISE, WRAP])
@pytest.mark.parametrize("module", ["click", "logging", "brushflow.cli.commands", "torch"])
def test_ctrl_c_while_a_command_imports_what_it_needs(module, how):
    code, out, err = started(ROOT / "stylize_video.py", module, how)
    assert code == -signal.SIGINT  # which shells show as 130
    assert (out, err) == ("", "Interrupted.\n")


def test_ctrl_c_that_a_module_hides_ends_the_command_when_all_is_imported(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "from brushflow.cli.start import run\nimport click\nrun(click.Command('a'))\n"
    )
    assert started(program, "click", HIDE) == (130, "", "Interrupted.\n")


def test_ctrl_c_is_answered_before_anything_else_is_imported():
    """What comes before is a few modules of Python's own that nearly every start has loaded."""
    commands = [*ROOT.glob("*.py"), *ROOT.glob("scripts/**/*.py")]
    commands = [path for path in commands if "__main__" in path.read_text(encoding="utf-8")]
    assert len(commands) > 15
    for path in commands:
        first, *_ = imports(path)
        assert ast.unparse(first) == "from brushflow.cli.start import run", path
    assert not [*imports(ROOT / "__init__.py"), *imports(ROOT / "cli" / "__init__.py")]
    early = {ast.unparse(node) for node in imports(ROOT / "cli" / "start.py")}
    few = {"contextlib", "os", "signal", "sys", "time"}
    assert early == {"from __future__ import annotations", *(f"import {name}" for name in few)}


def imports(path):
    """What a file imports as it is imported itself, in order."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("can't start new thread"), RuntimeError("bad alloc")],
)
def test_too_little_memory_is_a_sentence_wherever_it_shows(error, answer):
    @click.command()
    def hungry():
        raise error

    code, _, err = answer(hungry)
    assert code == 1 and err == f"Error: {NOT_ENOUGH}\n"


def test_a_defect_still_shows_itself(answer):
    @click.command()
    def defective():
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        answer(defective)


TALK = """
    with open("made", "w") as file:
        for i in range(3000):
            click.echo(f"said {i}")
            click.echo(f"told {i}", err=True)
            file.write("0123456789")
    os.write(2, b"by a library")
    click.echo("the end")
"""


@pytest.mark.parametrize(
    "line",
    [
        "{} | true; exit ${{PIPESTATUS[0]}}",
        "{} 2>&1 >&- | true; exit ${{PIPESTATUS[0]}}",
        "exec {} >&-",
        "exec {} 2>&-",
        "exec {} <&- >&- 2>&-",
    ],
)
def test_who_does_not_listen_does_not_stop_the_work(line, ended, tmp_path):
    code, out, err = ended(TALK, line)
    assert code == 0 and "Traceback" not in err and "Error" not in err
    assert (tmp_path / "made").read_text() == 3000 * "0123456789"
    assert out.endswith("the end\n") == (line == "exec {} 2>&-")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
def test_what_could_not_be_said_for_want_of_room_is_a_failure_afterwards(ended, tmp_path):
    code, _, err = ended(TALK, "exec {} > /dev/full")
    assert code == 1 and err.endswith("The output could not be written: No space left on device.\n")
    assert len((tmp_path / "made").read_text()) == 30000


WORK = """
    try:
        with stop_on_interrupt() as stop:
            Path("begun").touch()
            while not stop.is_set():
                time.sleep(0.01)
            time.sleep(LONG)
            raise KeyboardInterrupt("Interrupted. It goes on.")
    finally:
        time.sleep(LONG)
        Path("tidied").touch()
"""


@pytest.mark.parametrize("times", [1, 2, 3, math.inf])
@pytest.mark.parametrize("pause", [0.002, 0.2])
def test_ctrl_c_several_times_in_a_row(times, pause, start, tmp_path):
    process = start(WORK.replace("LONG", "0.3" if times < 4 else "300"), "exec {}")
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    sent = 0
    while sent < times and process.poll() is None:
        process.send_signal(signal.SIGINT)
        sent += 1
        time.sleep(pause)
    _, err = process.communicate()  # who insists does not wait for the end
    assert process.returncode == 130 and "Traceback" not in err
    assert "Interrupted" in err
    assert (tmp_path / "tidied").exists() or times > 3
    if times == 1:
        assert err.strip() == "Interrupted. It goes on."


@pytest.mark.parametrize(
    "error",
    [
        "BrushflowError('ffmpeg does not run')",
        "OSError(32, 'Broken pipe')",
        "ValueError('odd')",
        "click.UsageError('wrong')",
        "SystemExit(1)",
    ],
)
def test_what_ctrl_c_has_broken_elsewhere_is_not_blamed(error, ended):
    body = f"""
        with stop_on_interrupt():
            signal.raise_signal(signal.SIGINT)  # as of a terminal: it ends children as well
            raise {error}
    """
    assert ended(body) == (130, "", "Interrupted.\n")


def test_an_interrupt_that_a_destructor_swallows_is_not_lost(ended):
    body = """
        class Odd:
            def __del__(self):
                signal.raise_signal(signal.SIGINT)
        Odd()
        while True:
            time.sleep(0.01)
    """
    code, _, err = ended(body)
    assert code == 130 and err.strip() == "Interrupted."


def test_interrupts_that_are_lost_together_are_raised_by_one(monkeypatch):
    interrupts, begun = Interrupts(), []
    monkeypatch.setattr(interrupts, "_raise_again", lambda: begun.append(1))
    for _ in range(3):
        interrupts.was_lost()
    assert begun == [1]


def test_ctrl_c_when_all_is_done_changes_nothing(ended):
    body = """
        from brushflow.cli.start import interrupts
        def late():
            while not interrupts.calm:
                time.sleep(0.001)
            signal.raise_signal(signal.SIGINT)
        threading.Thread(target=late).start()
        click.echo("done")
    """
    assert ended(body) == (0, "done\n", "")


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EINVAL, errno.ENOSPC])
def test_a_reader_who_has_left_is_no_failure(number, tmp_path, monkeypatch):
    """Windows says so by another number than all others."""

    class Refusing(io.FileIO):
        def write(self, data):
            raise OSError(number, os.strerror(number))

    class Stream(ending._Patient, Refusing):
        pass

    monkeypatch.setattr(ending, "_LEFT", (errno.EPIPE, errno.EINVAL))
    with Stream(tmp_path / "said", "w") as stream:
        assert stream.write(b"words") == 5
    assert (stream.problem is not None) == (number == errno.ENOSPC)
    assert (tmp_path / "said").read_bytes() == b""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space", "film.mp4"), "disk is full, and film.mp4 could not be"),
        (OSError(errno.ENOSPC, "No space"), "The disk is full, and the output could not"),
        (PermissionError(errno.EACCES, "Permission denied", "a"), "Permission denied (a)."),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "Error: Broken pipe."),
        (BrushflowError("It is so."), "Error: It is so."),
    ],
)
def test_what_fails_is_a_sentence_with_its_place(error, words, answer):
    @click.command()
    def command():
        raise error

    code, _, err = answer(command)
    assert code == 1 and words in err
    assert not isinstance(error, OSError) or told(error) in err


@click.group()
def group():
    """Several."""


@group.command()
@click.option("--size", type=int)
@click.option("--many", multiple=True)
@click.option("--on/--off", default=True)
def part(size, many, on):
    """Do it."""
    click.echo(f"{size} {many} {on}")


def test_an_option_given_twice_is_refused(answer):
    assert answer(group, "part", "--many", "a", "--many", "b", "--size", "3")[0] == 0
    for twice in (("--size", "3", "--size", "4"), ("--on", "--off"), ("--size=3", "--size=3")):
        code, _, err = answer(group, "part", *twice)
        assert code == 2 and f"{twice[0].split('=')[0]}" in err and "given twice" in err


def test_all_commands_say_their_version_and_help(answer):
    assert answer(group, "--version") == (0, f"brushflow {brushflow.__version__}\n", "")
    for arguments in (("-h",), ("part", "-h"), ("part", "--help")):
        code, out, _ = answer(group, *arguments)
        assert code == 0 and "Usage" in out and "-h, --help" in out
