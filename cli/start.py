"""What a command imports first: from here on, Ctrl-C ends it with a sentence.

Most of a short command's time passes while modules are imported, and ``end_with`` answers only
afterwards. So this file imports little, and nothing that takes long.
"""

from __future__ import annotations

import sys

_tell_others = sys.excepthook
_ignore_others = sys.unraisablehook


def _say_interrupted(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        _say("Interrupted.\n")  # Python leaves by the signal itself then, shells know it as 130
    elif interrupts.came:  # what a library makes of it while it is imported
        _say("Interrupted.\n")
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
    else:
        _tell_others(kind, error, trace)


def _say(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _pass_on(unraisable: Any) -> None:
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        interrupts.was_lost()
    else:
        _ignore_others(unraisable)


sys.excepthook = _say_interrupted  # even the next lines take their time
sys.unraisablehook = _pass_on

import contextlib  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import time  # noqa: E402

TYPE_CHECKING = False  # as type checkers take it, without an import
if TYPE_CHECKING:
    import threading
    from types import FrameType, TracebackType
    from typing import Any, NoReturn

    import click

EXIT_INTERRUPTED = 130

# PyTorch's threads spin while they wait for each other, which starves the threads that find
# motion: without this, a run on two cores takes a fifth longer. It counts only if it is set
# before PyTorch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class Interrupts:
    """The handler of Ctrl-C and of a polite kill.

    Work that can end at a good place is asked to, by ``stop``; if that is not soon enough, and
    where there is no such work, KeyboardInterrupt is raised. That happens once, because it could
    strike again while files are closed and processes ended. Who insists leaves at once, which
    does no more harm than ``kill -9``.
    """

    def __init__(self) -> None:
        self.stop: threading.Event | None = None
        self._begun = False
        self._reset()

    def _reset(self) -> None:
        self.came = False
        self.calm = False
        self._insisted = 0
        self._lost = False

    def begin(self) -> None:
        """A command begins: nobody has interrupted it.

        KeyboardInterrupt if somebody has while modules were imported, and one of them hid it.
        """
        hidden = self.came and not self._begun
        self._begun = True
        self._reset()
        if hidden:
            self.came = self.calm = True
            raise KeyboardInterrupt

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        self.came = True
        if self.stop is not None and not self.stop.is_set():
            self.stop.set()
        elif not self.calm:
            self.calm = True
            raise KeyboardInterrupt
        elif self._insisted:
            with contextlib.suppress(OSError):
                os.write(2, b"Interrupted.\n")
            os._exit(EXIT_INTERRUPTED)
        else:
            self._insisted += 1

    def was_lost(self) -> None:
        """The exception met code that cannot pass it on, such as a destructor: raise it again.

        As soon as that code is left, and again if it is lost again.
        """
        import threading

        if self._lost:
            return
        self._lost = True
        threading.Thread(target=self._raise_again, daemon=True).start()

    def _raise_again(self) -> None:
        pause = 0.1
        while self._lost:
            time.sleep(pause)
            pause = 1.0  # what is being tidied up has its time
            if self._lost:
                self.calm = False
                _interrupt_main()

    def heard(self) -> None:
        """The exception has arrived where commands end: nothing is raised from now on."""
        self._lost = False
        self.calm = True


def _interrupt_main() -> None:
    import _thread
    import threading

    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()


interrupts = Interrupts()


def run(command: click.Command) -> NoReturn:
    """Run a click command to the process's end; see ``brushflow.cli.commands.run_to_the_end``."""
    from brushflow.cli.commands import run_to_the_end

    run_to_the_end(command)


if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, interrupts)
