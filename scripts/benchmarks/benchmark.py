"""Command: how fast it is on this machine, part by part."""

from brushflow.cli.start import run

import click

from brushflow.scripts.benchmarks import convolutions as benchmark_convolutions
from brushflow.scripts.benchmarks import flow as benchmark_flow
from brushflow.scripts.benchmarks import network as benchmark_network
from brushflow.scripts.benchmarks import pipeline as benchmark_pipeline
from brushflow.scripts.benchmarks import profiling as benchmark_profiling
from brushflow.scripts.benchmarks import shots as benchmark_shots
from brushflow.scripts.benchmarks import training as benchmark_training


@click.group(context_settings={"max_content_width": 100})
def command() -> None:
    """Measure, print a table, and write JSON with the machine's description."""


command.add_command(benchmark_network.command)
command.add_command(benchmark_profiling.command)
command.add_command(benchmark_convolutions.command)
command.add_command(benchmark_pipeline.pipeline)
command.add_command(benchmark_flow.command)
command.add_command(benchmark_pipeline.scaling)
command.add_command(benchmark_shots.command)
command.add_command(benchmark_training.command)


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
