"""The training loop: from paintings, photographs and clips to a model file."""

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Generator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from brushflow.common.atomic_files import alone_in
from brushflow.common.errors import BrushflowError, Interrupted, UsageError
from brushflow.common.memory import out_of_memory
from brushflow.common.torch_devices import autocast, usable_device
from brushflow.models.model_file import StyleModel
from brushflow.report.training_page import write_report
from brushflow.training.checkpoint import Journal, read_checkpoint, write_checkpoint
from brushflow.training.data.batches import Batch, batches
from brushflow.training.data.folders import open_data
from brushflow.training.distributed import Workers, worker_device
from brushflow.training.images import debug_sheet
from brushflow.training.network import make_network, make_recurrence
from brushflow.training.norms_apart import NormsApart
from brushflow.training.objective import Objective
from brushflow.training.options import ResolvedOptions, TrainOptions
from brushflow.training.outcome import foreseen, seen
from brushflow.training.places import KNOWN, check_places, folder_of
from brushflow.training.schedule import Schedule, one_cycle
from brushflow.training.unroll import Network, Step
from brushflow.training.validation import Validation

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

logger = logging.getLogger(__name__)

# Painted around the picture and cropped off by the finished model: zero padding in its halving
# layers leaves a dotted rim that training alone hardly removes.
MARGIN = 16
_PAINTING = 4  # what random numbers are for: see training.data.batches


@dataclass(frozen=True)
class Progress:
    """One finished iteration, for whoever watches.

    ``losses``: weighted terms by name; ``validation``: the same where there was one; ``model``
    gives the network as it is at that moment.
    """

    iteration: int
    iterations: int
    losses: dict[str, float]
    validation: dict[str, float]
    model: Callable[[], StyleModel]


def train(
    options: TrainOptions,
    progress: Callable[[Progress], None] = lambda _: None,
    stop: threading.Event | None = None,
    told_apart: Collection[str] = (),
) -> Path:
    """Train a model and return its path; continue if a run was interrupted.

    The folder ``<output>.training`` holds the checkpoint, the best model by validation,
    ``log.jsonl``, pictures and ``report.html``. Setting ``stop`` ends the run after the current
    iteration with a checkpoint and KeyboardInterrupt. UsageError if the output is there, and is not
    of the training in that folder.

    ``told_apart``: settings that name files whose contents have decided where the output is, and
    which may be called otherwise when it goes on.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    folder = folder_of(options.output)
    check_places(options, folder)
    resolved = options.resolved()
    workers = Workers(usable_device(worker_device(options.device), options.precision))
    try:
        with alone_in(folder, KNOWN) if workers.writes else nullcontext():
            run = Run(resolved, workers, folder)
            run.resume(told_apart)
            short = foreseen(resolved)
            if short is not None and workers.writes:
                logger.warning(short)
            _iterate(run, progress, stop or threading.Event())
            if workers.writes:
                run.model().save(options.output, torch.float16)
                if options.apart:
                    for place, painting in enumerate(options.style):
                        part = folder / "styles" / f"{painting.stem}.safetensors"
                        part.parent.mkdir(exist_ok=True)
                        run.model(place).save(part, torch.float16)
                write_report(folder, options.output.stem, resolved.settings())
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise BrushflowError(
            "There is not enough memory to train like this; a batch in parts and smaller windows "
            "take less.",
            about="training_memory",
        ) from error
    finally:
        workers.close()
    return options.output


def _iterate(run: "Run", progress: Callable[[Progress], None], stop: threading.Event) -> None:
    options = run.options
    with closing(run.batches()) as loaded:
        for parts in loaded:
            losses = run.step(parts)
            validation = run.validate() if run.due(options.validate_every) else {}
            progress(Progress(run.iteration, options.iterations, losses, validation, run.model))
            stopping = run.workers.anyone(stop.is_set())
            if stopping or run.due(options.checkpoint_every):
                run.save()
            if stopping:
                raise Interrupted(f"Stopped after iteration {run.iteration}.", about="going_on")


class Run:
    """All that an iteration changes, and how it is kept.

    Whatever is random is drawn from the seed and the iteration, so these two and the states of
    network, optimiser and scaler are all that a run has to remember.
    """

    def __init__(self, options: ResolvedOptions, workers: Workers, folder: Path) -> None:
        self.options = options
        self.workers = workers
        self.folder = folder
        self.device = workers.device
        self.precision = _precision(options.precision, self.device)
        torch.manual_seed(options.seed)
        plain = make_network(options)
        self.network = NormsApart(plain, len(options.style)) if options.apart else plain
        # Measured on the CPU: forward and back take a sixth less time this way.
        self.network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network.train()
        # torch.compile is declared to give a function, and of a module gives one like it.
        compiled = torch.compile(self.network) if options.compile else self.network
        self.forward = cast(Network, compiled)
        self.recurrence = make_recurrence(options, self.device)
        self.objective = Objective(options, self.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), betas=(0.9, options.beta2))
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        self.rate = Schedule.parse(options.learning_rate, "learning_rate")
        self.data = open_data(options, self.device)
        apart = self.network if isinstance(self.network, NormsApart) else None
        self.validation = Validation(
            self.data.validation, options.val_batches, options.iterations, self.device, apart
        )
        self.journal = Journal(folder / "log.jsonl")
        self._check_shares()
        self.iteration = 0
        self.mean_norm = 0.0
        self.best = math.inf
        self.board = _tensorboard(folder) if options.tensorboard and workers.writes else None

    def batches(self) -> Generator[list[Batch], None, None]:
        """This process's parts of the batches of all iterations that are left."""
        parts = self.options.accumulate
        shares = [self.workers.share(part, parts) for part in range(parts)]
        threads = self.options.workers or max(1, torch.get_num_threads() // 2)
        first, last = self.iteration, self.options.iterations
        return batches(self.data.training, first, last, threads, shares)

    def _check_shares(self) -> None:
        """UsageError if some batch of the run cannot be shared by all processes and parts."""
        parts = self.workers.count * self.options.accumulate
        for _, count in self.data.training.shapes.counts.steps:
            if count % parts:
                raise UsageError(
                    f"{self.options.batch_schedule} has a batch of {count:g}, which cannot be "
                    f"shared evenly by {parts}.",
                    about="accumulate",
                )

    def due(self, every: int) -> bool:
        """Whether something done every so often, and at the end, is to be done now."""
        end = self.iteration == self.options.iterations
        return end or (every > 0 and self.iteration % every == 0)

    def step(self, parts: list[Batch]) -> dict[str, float]:
        """One update from all parts of a batch; the weighted losses by name."""
        started = time.monotonic()
        self.optimizer.zero_grad()
        values: dict[str, float] = {}
        painting = self._choose_painting()
        for place, part in enumerate(parts):
            with autocast(self.device, self.precision):
                seed = (self.options.seed * 1_000_003 + self.iteration) * 101 + place
                steps = self.recurrence(self.forward, part.to(self.device), seed)
                losses = self.objective(self.forward, steps, self.iteration, painting=painting)
                total = torch.stack(list(losses.values())).sum() / len(parts)
            self.scaler.scale(total).backward()
            for name, value in losses.items():
                values[name] = values.get(name, 0.0) + value.item() / len(parts)
        values = self.workers.mean(values)
        if not math.isfinite(sum(values.values())):
            raise self._diverged("loss")
        self._update()
        self.objective.remember(self.workers.average)
        self.iteration += 1
        seconds = time.monotonic() - started
        self._record(parts[0].source, seconds, values)
        if self.options.images_every and self.due(self.options.images_every):
            self._sheet("sheet", steps)
        return values

    def _choose_painting(self) -> int:
        """The painting of this iteration, where they are learned apart.

        What shows the picture is the same for all: one set of norms learns it, and all begin there.
        """
        if not isinstance(self.network, NormsApart):
            return 0
        into_style = self.iteration - self.options.identity_iterations
        if into_style == 0:
            self.network.share_norms()
        random = np.random.default_rng([_PAINTING, self.options.seed, self.iteration])
        count = len(self.options.style) if into_style >= 0 else 1
        self.network.chosen = int(random.integers(count))
        return self.network.chosen

    def _update(self) -> None:
        share = one_cycle(self.iteration, self.options.iterations) if self.options.one_cycle else 1
        for group in self.optimizer.param_groups:
            group["lr"] = share * self.rate(self.iteration)
        self.workers.average_gradients(self.network)
        self.scaler.unscale_(self.optimizer)
        limit = self.options.clip_gradients * self.mean_norm or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), limit))
        if not math.isfinite(norm) and not self.scaler.is_enabled():
            raise self._diverged("gradient")
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if math.isfinite(norm):  # in half precision a step may overflow, and is left out
            norm = min(norm, limit)
            self.mean_norm = norm if not self.mean_norm else 0.98 * self.mean_norm + 0.02 * norm

    def _diverged(self, what: str) -> BrushflowError:
        return BrushflowError(
            f"The {what} is no longer a number at iteration {self.iteration}; what is in "
            f"{self.folder} is from before, with its best.safetensors if it was judged already.",
            about="diverged",
        )

    def validate(self) -> dict[str, float]:
        """Losses on unseen data; keeps the network if it is the best so far."""
        self.network.eval()
        with autocast(self.device, self.precision):
            values, steps, likeness = self.validation(self.forward, self.recurrence, self.objective)
        self.network.train()
        total = sum(values.values())
        if self.workers.writes:
            row: dict[str, Any] = {"iteration": self.iteration, "validation": values}
            problem = seen(likeness)
            if problem is not None and self.iteration == self.options.iterations:
                logger.warning(problem)
                row["problem"] = problem
            self.journal.add(row)
            self._show("validation", values)
            self._sheet("validation", steps)
            if total < self.best:
                self.model().save(self.folder / "best.safetensors", torch.float16)
            write_report(self.folder, self.options.output.stem, self.options.settings())
        self.best = min(self.best, total)
        return values

    def model(self, painting: int | None = None) -> StyleModel:
        """The network as it is now, ready to paint; of paintings learned apart, one or the mean."""
        network = make_network(self.options)
        name = self.options.output.stem
        if isinstance(self.network, NormsApart):
            state = self.network.state_of(painting)
            name = name if painting is None else self.options.style[painting].stem
        else:
            state = self.network.state_dict()
        network.load_state_dict(state)
        if network.start_padding == 0:
            network.margin = MARGIN
        return StyleModel(network.eval(), name, self.options.settings())

    def save(self) -> None:
        """Write everything the next iteration depends on."""
        if not self.workers.writes:
            return
        write_checkpoint(
            self.folder,
            {
                "settings": self.options.settings(),
                "iteration": self.iteration,
                "mean_norm": self.mean_norm,
                "best": self.best,
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                "memory": self.objective.memory(),
            },
        )

    def resume(self, told_apart: Collection[str] = ()) -> None:
        """Continue from the checkpoint, if there is one with the same settings but these."""
        state = read_checkpoint(self.folder, self.options.settings(), told_apart)
        self.iteration = state["iteration"] if state else 0
        if self.workers.writes:
            self.journal.rewind(self.iteration)
        if state is None:
            return
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.objective.recall(state["memory"])
        self.mean_norm, self.best = state["mean_norm"], state["best"]
        logger.info("Going on after iteration %d.", self.iteration)

    def _record(self, source: str, seconds: float, losses: dict[str, float]) -> None:
        if self.workers.writes:
            row = {"iteration": self.iteration, "source": source, "seconds": round(seconds, 3)}
            self.journal.add(row | losses)
            self._show("loss", losses)

    def _show(self, group: str, values: dict[str, float]) -> None:
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(f"{group}/{name}", value, self.iteration)

    def _sheet(self, name: str, steps: list[Step]) -> None:
        if self.workers.writes:
            debug_sheet(self.folder / f"{name}-{self.iteration:06d}.jpg", steps)


def _precision(name: str, device: torch.device) -> str:
    """``auto`` is bf16 on GPUs that have it, else full precision."""
    if name != "auto":
        return name
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"


def _tensorboard(folder: Path) -> "SummaryWriter":
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise BrushflowError(
            "Files for TensorBoard need the package tensorboard: pip install tensorboard."
        ) from error
    return SummaryWriter(str(folder / "tensorboard"))
