"""A warm process that forks a run per request, so that hundreds of runs pay for imports once.

The request {"start": {…}} is answered with a process id, {"wait": pid} with its exit code, or with
minus a signal's number.
"""

import os
import resource
import signal
import traceback
from dataclasses import replace
from pathlib import Path

from brushflow.cli.commands import stop_on_interrupt
from brushflow.common.errors import BrushflowError
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.pipeline.folder import RunFolder
from brushflow.tests.warm import shorten_segments
from brushflow.video.ffmpeg import decoders, demuxers, ffmpeg_version, filters, video_encoders


def work(request):
    """One run, with the exit codes of the command; the last stage and the error go to files."""
    status = os.open(request["status"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    message = Path(request["status"]).with_suffix(".message")
    message.write_text("")
    if request["limit"]:
        # A write beyond this fails with an error instead of a signal: a disk that is full.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["limit"],) * 2)

    stops = list(request["stop_at"])
    seal, sealed = RunFolder.seal, []

    def seal_or_die(folder, path):
        sealed.append(path)
        if 0 < request["killed_after"] < sum(path.suffix == ".mkv" for path in sealed):
            os.kill(os.getpid(), signal.SIGKILL)
        seal(folder, path)

    RunFolder.seal = seal_or_die  # of this process, which ends with the run

    def progress(stage, done, total):
        os.pwrite(status, f"{stage} {done}".ljust(24).encode(), 0)
        if stage in stops:
            stops.remove(stage)
            os.kill(os.getpid(), signal.SIGSTOP)

    options = StylizeOptions(**request["options"])
    if options.work_dir is not None:
        options = replace(options, work_dir=Path(options.work_dir))
    try:
        with stop_on_interrupt() as stop:
            report = stylize_video(
                request["source"], Path(request["output"]), options, progress, stop
            )
        return 1 if report.problem else 0
    except KeyboardInterrupt:
        return 130
    except BrushflowError as error:
        code, words = error.exit_code, str(error)
    except OSError as error:
        code, words = 1, f"{error.strerror} ({error.filename})"
    except BaseException:
        code, words = 99, traceback.format_exc()
    if not request["limit"]:
        message.write_text(words)
    else:
        os.write(2, words.encode())
    return code


def serve(line, errors):
    """Answer what comes over the line, until it is closed; ``errors`` is for what runs complain."""
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    shorten_segments()
    for ask in (ffmpeg_version, filters, video_encoders, decoders, demuxers):
        ask()  # all runs know the answer
    while True:
        try:
            request = line.recv()
        except EOFError:
            return
        if "wait" in request:
            status = os.waitpid(request["wait"], 0)[1]
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if answer == 0:
                os.setsid()
                line.close()
                os._exit(work(request["start"]))
        line.send(answer)
