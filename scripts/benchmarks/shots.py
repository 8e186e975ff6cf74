"""Command: what it costs to hand out a shot, measured on shots that take no time."""

import time
from concurrent.futures import Executor, wait
from pathlib import Path

import click

from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.folder import Segment
from brushflow.pipeline.parallel.dask_cluster import ClusterExecutor
from brushflow.pipeline.parallel.processes import PaintingProcesses
from brushflow.pipeline.parallel.worker import RunDescription
from brushflow.scripts.benchmarks.measuring import describe_machine, table, write_json


def empty_shot(run: RunDescription, segments: list[Segment]) -> int:
    """Takes what ``paint_shots`` takes, and does nothing."""
    return 0


@click.command("shots")
@click.option("--shots", default=10_000, show_default=True, type=click.IntRange(1))
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--cluster", metavar="ADDRESS", help="Measure this Dask scheduler, too.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write the numbers here.")
def command(shots: int, jobs: int, cluster: str | None, output: Path | None) -> None:
    """The scheduler's cost per shot: empty ones, in processes of this machine and on a cluster."""
    rows = []
    with PaintingProcesses(jobs, threads=jobs) as executor:
        rows.append(_measured(f"--jobs {jobs}", executor, shots, jobs))
    if cluster is not None:
        with ClusterExecutor(cluster) as executor:
            name = f"cluster of {len(executor.workers)}"
            rows.append(_measured(name, executor, shots, len(executor.workers)))
    click.echo(table(rows))
    if output is not None:
        write_json(output, {"machine": describe_machine(), "rows": rows})


def _measured(name: str, executor: Executor, shots: int, workers: int) -> dict[str, object]:
    run = RunDescription(
        "/film.mp4", Path("/film.out.mp4"), Path("/film.brushflow"), StylizeOptions(), "mark"
    )
    segments = [Segment(0, 47), Segment(48, 95)]
    # The processes are up before the clock starts.
    wait([executor.submit(empty_shot, run, segments) for _ in range(8 * workers)])
    began = time.perf_counter()
    wait([executor.submit(empty_shot, run, segments) for _ in range(shots)])
    seconds = time.perf_counter() - began
    return {"executor": name, "shots": shots, "seconds": seconds, "ms/shot": 1000 * seconds / shots}
