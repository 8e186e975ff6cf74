"""The ffmpeg program: which one, what it can do, and a process that never stays behind."""

from __future__ import annotations

import functools
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from brushflow.common.errors import BrushflowError
from brushflow.common.processes import kill_family

logger = logging.getLogger(__name__)

BINARY_VARIABLE = "BRUSHFLOW_FFMPEG"
ERROR_TAIL = 8192
_PATIENCE = 0.2  # seconds
# What ffmpeg's parts say when another one has failed; newer versions have more to say.
_CONSEQUENCE = re.compile(
    "maybe incorrect parameters|Nothing was written into|Task finished with error"
    "|Terminating thread|encoder before EOF|Error sending frames|Conversion failed"
)
# What a new session is elsewhere: Ctrl-C does not reach the process.
if sys.platform == "win32":
    _APART = subprocess.CREATE_NEW_PROCESS_GROUP
else:
    _APART = 0


@functools.cache
def _find_binary(override: str | None) -> str:
    if override:
        found = shutil.which(override)
        if found is None:
            raise BrushflowError(
                f"{BINARY_VARIABLE} is set to {override}, which is not a program that can be run; "
                "correct it or unset it."
            )
        return found
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    import imageio_ffmpeg

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise BrushflowError(
            "No ffmpeg was found on the PATH or in the imageio-ffmpeg package; "
            "install ffmpeg and try again."
        ) from error


def ffmpeg_binary() -> str:
    """Return the ffmpeg to run: ``$BRUSHFLOW_FFMPEG``, else the PATH's, else imageio-ffmpeg's."""
    return _find_binary(os.environ.get(BINARY_VARIABLE))


@functools.cache
def _ask(binary: str, *question: str) -> str:
    try:
        answer = subprocess.run(
            [binary, "-hide_banner", *question],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=True,
            start_new_session=True,  # Ctrl-C would end it, and it be blamed
            creationflags=_APART,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BrushflowError(
            f"The ffmpeg at {binary} does not run ({error}); install a working one."
        ) from error
    return answer.stdout.decode(errors="replace")


def ffmpeg_version() -> tuple[int, int]:
    """Return (major, minor); a development build without a number counts as the newest."""
    text = _ask(ffmpeg_binary(), "-version")
    match = re.match(r"ffmpeg version n?(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (99, 0)


@functools.cache
def _names(binary: str, question: str) -> frozenset[str]:
    # One line per entry: flags, name, description. The lines before the entries hold "=" or "--".
    rows = (line.split() for line in _ask(binary, question).splitlines())
    return frozenset(row[1] for row in rows if len(row) > 1 and row[1] != "=")


def filters() -> frozenset[str]:
    """Return the names of the filters this ffmpeg has."""
    return _names(ffmpeg_binary(), "-filters")


@functools.cache
def _video_names(binary: str, question: str) -> frozenset[str]:
    rows = (line.split() for line in _ask(binary, question).splitlines())
    return frozenset(row[1] for row in rows if len(row) > 1 and row[0][0] == "V" and row[1] != "=")


def video_encoders() -> frozenset[str]:
    """Return the names of the video encoders this ffmpeg has; not all need work here."""
    return _video_names(ffmpeg_binary(), "-encoders")


def decoders() -> frozenset[str]:
    """Return the names of the decoders this ffmpeg has."""
    return _names(ffmpeg_binary(), "-decoders")


@functools.cache
def _demuxers(binary: str) -> tuple[str, ...]:
    # Flags stand in the columns before the name; newer versions mark devices in one more.
    rows = (re.match(r" D.[d ]? *(\S+)", line) for line in _ask(binary, "-demuxers").splitlines())
    return tuple(row[1] for row in rows if row and row[1] != "=")


def demuxers() -> tuple[str, ...]:
    """Return the names of the formats that this ffmpeg reads; one may be several with commas."""
    return _demuxers(ffmpeg_binary())


def input_kinds(path: Path, options: Mapping[str, str]) -> list[str]:
    """Return the kinds (``"video"``, ``"audio"``, …) of the streams that this ffmpeg finds."""
    words = [word for name, value in options.items() for word in (f"-{name}", value)]
    with FFmpegProcess([ffmpeg_binary(), "-hide_banner", *words, "-i", file_url(path)]) as process:
        process.finish()  # it complains that there is no output
        found = re.findall(r"^ *Stream #0:\d+.*?: (\w+):", process.messages(), re.MULTILINE)
    return [kind.lower() for kind in found]


def keep_timestamps_option() -> dict[str, str]:
    """Return the output option that neither drops nor repeats frames; it changed its name."""
    name = "fps_mode" if ffmpeg_version() >= (5, 1) else "vsync"
    return {name: "passthrough"}


def keep_borders_option() -> dict[str, str]:
    """Return the input option that leaves borders which a container would have cut off.

    Programs since version 7.1 cut them off themselves, the left one in steps of 32 bytes.
    """
    known = "-apply_cropping[" in _ask(ffmpeg_binary(), "-h", "long")
    return {"apply_cropping": "codec"} if known else {}


def file_url(path: Path | str) -> str:
    """Return ``path`` so that ffmpeg takes it for a plain file, whatever its name looks like."""
    return f"file:{Path(path).absolute()}"


def command_line(graph: Any, files: Mapping[str, Path]) -> list[str]:
    """Return the command that runs a graph of ffmpeg-python.

    The graph knows its files by the keys of ``files``: it must be text, and names need not be.
    """
    urls = {name: file_url(path) for name, path in files.items()}
    return [urls.get(word, word) for word in graph.compile(cmd=ffmpeg_binary())]


def _code_of(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a process once it has ended; on Windows, Ctrl-C is heard between waits."""
    while sys.platform == "win32":
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_PATIENCE)
    return process.wait()


class FFmpegProcess:
    """A running ffmpeg, as a context manager that leaves no process behind.

    ``stdin`` and ``stdout`` say which pipes the caller uses; the others lead nowhere. A thread
    gives ffmpeg what is in ``feed``. Messages are drained by a thread, because a full pipe would
    stop ffmpeg, and the last 8 KiB are kept.
    It runs in a session of its own: Ctrl-C in the terminal reaches only the caller, who decides.
    """

    def __init__(
        self,
        command: list[str],
        *,
        stdin: bool = False,
        stdout: bool = False,
        feed: Iterable[bytes] | None = None,
    ) -> None:
        self.command = command
        self._feed = feed
        self._feeder: threading.Thread | None = None
        self._starved: BrushflowError | None = None
        self._stdin = subprocess.PIPE if stdin or feed is not None else subprocess.DEVNULL
        self._stdout = subprocess.PIPE if stdout else subprocess.DEVNULL
        self._tail = bytearray()

    def __enter__(self) -> FFmpegProcess:
        logger.debug("starting %s", " ".join(self.command))
        try:
            self._process = subprocess.Popen(
                self.command,
                stdin=self._stdin,
                stdout=self._stdout,
                stderr=subprocess.PIPE,
                start_new_session=True,
                creationflags=_APART,
            )
        except OSError as error:
            raise BrushflowError(f"ffmpeg could not be started: {error}.") from error
        self._drain = threading.Thread(target=self._read_messages, daemon=True)
        self._drain.start()
        if self._feed is not None:
            self._feeder = threading.Thread(target=self._give, args=(self._feed,), daemon=True)
            self._feeder.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        if process.poll() is None:
            # What it has started, where it is a script, ends as well.
            if sys.platform == "win32":
                kill_family(process.pid)
            else:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # it leads a session
        process.wait()
        if self._feeder is not None:
            self._feeder.join()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                # Bytes still buffered for a process that is gone cannot be flushed.
                with suppress(OSError):
                    pipe.close()
        self._drain.join()
        assert process.stderr is not None
        process.stderr.close()

    def _give(self, feed: Iterable[bytes]) -> None:
        with suppress(OSError), self.stdin as pipe:  # it may have seen enough
            try:
                for data in feed:
                    pipe.write(data)
            except BrushflowError as error:
                self._starved = error

    def _read_messages(self) -> None:
        pipe = self._process.stderr
        assert pipe is not None
        while block := os.read(pipe.fileno(), ERROR_TAIL):
            self._tail += block
            del self._tail[:-ERROR_TAIL]

    @property
    def stdin(self) -> IO[bytes]:
        """The pipe into ffmpeg; only where it was asked for."""
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe out of ffmpeg; only where it was asked for."""
        assert self._process.stdout is not None
        return self._process.stdout

    def finish(self) -> int:
        """Close the pipe into ffmpeg, wait until it has ended, and return its exit code.

        Raises BrushflowError if what it was fed with could not be read.
        """
        if self._feeder is not None:
            self._feeder.join()
        if self._starved is not None:
            raise self._starved
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        code = _code_of(self._process)
        self._drain.join()
        return code

    def messages(self) -> str:
        """Return the last 8 KiB of what ffmpeg has said."""
        return self._tail.decode(errors="replace")

    def last_message(self) -> str:
        """Return ffmpeg's last line of complaint, without its memory addresses, or ``""``.

        Not one that only tells what followed from what was said before.
        """
        lines = [line.strip() for line in self.messages().strip().splitlines()]
        lines = [line for line in lines if not line.startswith("Last message repeated")]
        causes = [line for line in lines if not _CONSEQUENCE.search(line)]
        last = (causes or lines or [""])[-1]
        return re.sub(r"(\[[^\]@]+) @ 0x[0-9a-f]+\]", r"\1]", last).rstrip(".")


def run_ffmpeg(command: list[str], task: str) -> None:
    """Run ffmpeg to its end; ``task`` completes the sentence "ffmpeg could not …" if it fails."""
    with FFmpegProcess(command) as process:
        if process.finish() != 0:
            raise BrushflowError(f"ffmpeg could not {task}: {process.last_message()}.")
