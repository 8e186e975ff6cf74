"""Command: the styles there are; those that were learned here can be renamed and deleted."""

from brushflow.cli.start import run

import click

from brushflow.models import available, delete_style, learned_styles, rename_style


@click.group(invoke_without_command=True, context_settings={"max_content_width": 100})
@click.pass_context
def command(ctx: click.Context) -> None:
    """Name the bundled styles, and those that were learned here with their files.

    All that takes a --style takes these names.
    """
    if ctx.invoked_subcommand is None:
        for name in available():
            click.echo(name)
        for name, path in learned_styles().items():
            click.echo(f"{name}  {path}")


@command.command()
@click.argument("old")
@click.argument("new")
def rename(old: str, new: str) -> None:
    """Call the learned style OLD NEW; its painting still means it."""
    rename_style(old, new)


@command.command()
@click.argument("names", nargs=-1, required=True)
def delete(names: tuple[str, ...]) -> None:
    """Forget learned styles; their paintings can be learned again."""
    for name in names:
        delete_style(name)


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
