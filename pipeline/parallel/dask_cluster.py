"""Painting on the workers of a Dask cluster, which share a file system with this machine."""

import logging
import platform
import socket
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch

import brushflow
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.torch_devices import choose_device
from brushflow.pipeline.folder import RunFolder
from brushflow.pipeline.painter import model_digests
from brushflow.pipeline.parallel.lease import TurnOver
from brushflow.pipeline.parallel.worker import RunDescription
from brushflow.pipeline.resources import ShortOfMemory
from brushflow.video import ffmpeg_version, open_source

logger = logging.getLogger(__name__)

_ATTEMPTS = 3  # workers that a task is tried on
_CONNECT_SECONDS = 10


@dataclass(frozen=True)
class _Failure:
    """What a worker returns instead of an error, so that it is known which one it was."""

    worker: str
    error: Exception


class ClusterExecutor(Executor):
    """Tasks on the workers of the scheduler at ``address`` ("tcp://host:8786").

    Where workers declare the resource GPU, a task takes one and the other workers get none. A
    task that fails is tried on other workers; one whose worker dies is moved by Dask itself.

    Raises:
        UsageError: dask.distributed is not installed.
        BrushflowError: nobody answers at the address, or the scheduler has no workers.
    """

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise UsageError(
                "Painting on a cluster needs dask.distributed.", about="cluster_package"
            ) from error
        try:
            self._client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
            workers = self._client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, TimeoutError, ValueError) as error:
            raise BrushflowError(
                f"No Dask scheduler answers at {address}.", about="no_scheduler"
            ) from error
        gpus = {name: worker["resources"].get("GPU", 0) for name, worker in workers.items()}
        self._resources = {"GPU": 1} if any(gpus.values()) else {}
        self.workers = [name for name in workers if gpus[name] or not self._resources]
        self.count = int(
            sum(gpus.values()) or sum(worker["nthreads"] for worker in workers.values())
        )
        if not self.workers:
            self._client.close()
            raise BrushflowError(
                f"The Dask scheduler at {address} has no workers.", "no_workers", address
            )
        logger.info("%d workers at %s.", len(self.workers), address)

    def check(self, run: RunDescription) -> None:
        """Ask all workers whether they would paint the same; BrushflowError for the first not."""
        try:
            answers = self._client.run(look_around, run, workers=self.workers, on_error="return")
        except Exception as error:
            raise _cannot_work("A worker", error) from error
        here = look_around(replace(run, options=replace(run.options, device="cpu")))
        devices = {}
        for worker, there in answers.items():
            if isinstance(there, Exception):
                raise _cannot_work(f"The worker {worker}", there) from there
            for name in here.keys() - {"device", "host"}:
                if there[name] != here[name]:
                    raise BrushflowError(
                        f"The worker {worker} ({there['host']}) has {name} {there[name]}, and "
                        f"here it is {here[name]}; all must have, or see, the same."
                    )
            devices[there["device"]] = worker
        if len(devices) > 1:
            (one, first), (other, second) = list(devices.items())[:2]
            raise BrushflowError(
                f"The worker {first} paints on {one} and {second} on {other}, which differ in "
                f"rounding.",
                about="devices",
            )

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """See Executor; function, arguments and result are pickled."""
        future: Future = Future()
        self._try(future, [], function, args, kwargs)
        return future

    def fewer(self) -> bool:
        """False: a task has a worker of its own, whose memory others do not use."""
        return False

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let go of the cluster; workers notice by themselves that a run has stopped."""
        self._client.close()

    def _try(
        self,
        future: Future,
        failed: list[str],
        function: Callable[..., Any],
        args: tuple,
        kwargs: dict[str, Any],
    ) -> None:
        """Have a worker do it that has not failed at it."""

        def done(inner: Future) -> None:
            if future.cancelled():
                return
            result = _outcome(inner)
            if not isinstance(result, _Failure):
                future.set_result(result)
                return
            final = isinstance(result.error, ShortOfMemory | TurnOver | CancelledError)
            if final or len(failed) + 1 == _ATTEMPTS or not result.worker:
                future.set_exception(result.error)
                return
            logger.info("%s; another worker tries.", result.error)
            self._try(future, [*failed, result.worker], function, args, kwargs)

        executor = self._client.get_executor(
            pure=False,
            resources=self._resources,
            # A preference only: the others may have gone.
            workers=[worker for worker in self.workers if worker not in failed] or self.workers,
            allow_other_workers=not self._resources,
        )
        inner = executor.submit(_on_worker, function, args, kwargs)
        inner.add_done_callback(done)
        future.add_done_callback(lambda outer: outer.cancelled() and inner.cancel())


def _on_worker(function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    from distributed import get_worker

    try:
        return function(*args, **kwargs)
    except Exception as error:
        return _Failure(get_worker().address, error)


def _outcome(inner: Future) -> Any:
    """A task's result, or a failure of the cluster itself."""
    try:
        return inner.result()
    except CancelledError:
        return _Failure("", BrokenExecutor("the cluster has dropped a task"))
    except Exception as error:  # KilledWorker, most of all
        return _Failure("", BrokenExecutor(str(error)))


def look_around(run: RunDescription) -> dict[str, Any]:
    """What decides a result, as seen from here; run on every worker.

    BrushflowError if the source or a model cannot be read.
    """
    return {
        "host": socket.gethostname(),
        "brushflow": brushflow.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "ffmpeg": ".".join(map(str, ffmpeg_version())),
        "models": model_digests(run.options),
        "source": open_source(run.source, run.options.fps).identity(),
        "run folder": RunFolder(run.folder).settings,
        "device": choose_device(run.options.device).type,
    }


def _cannot_work(who: str, error: Exception) -> BrushflowError:
    if isinstance(error, ModuleNotFoundError):
        return BrushflowError(f"{who} lacks {error.name}; install the same there as here.")
    about, value = getattr(error, "about", ""), getattr(error, "value", None)
    return BrushflowError(f"{who} cannot paint this: {error}", about, value)
