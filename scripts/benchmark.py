"""Command: how fast it is on this machine, part by part."""

import click

from brushflow.cli import run
from brushflow.scripts import (
    benchmark_convolutions,
    benchmark_flow,
    benchmark_network,
    benchmark_pipeline,
    benchmark_profile,
    benchmark_shots,
    benchmark_training,
)


@click.group(context_settings={"max_content_width": 100})
def command() -> None:
    """Measure, print a table, and write JSON with the machine's description."""


command.add_command(benchmark_network.command)
command.add_command(benchmark_profile.command)
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
