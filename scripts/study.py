"""Command: let people compare results blindly, and count their votes."""

from brushflow.cli.start import run

from pathlib import Path

import click

from brushflow.common.errors import UsageError
from brushflow.common.wording import counted
from brushflow.evaluation.study import QUESTIONS, make_study, summarize_votes

_PATH = click.Path(path_type=Path)


@click.group(context_settings={"max_content_width": 100})
def command() -> None:
    """A blind comparison of videos by people, two at a time."""


@command.command()
@click.argument("results", nargs=-1, required=True, metavar="NAME=FOLDER...")
@click.option("-o", "--output", required=True, type=_PATH, help="Folder to write the page to.")
@click.option(
    "--question",
    "questions",
    multiple=True,
    default=tuple(QUESTIONS),
    type=click.Choice(list(QUESTIONS)),
    help="What to ask; both without it.",
)
@click.option(
    "--repeats",
    default=0.2,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of the trials that come twice, to check the voter.",
)
def make(
    results: tuple[str, ...], output: Path, questions: tuple[str, ...], repeats: float
) -> None:
    """Build a static page that compares folders of videos with the same file names.

    Put the folder on any web server, or open index.html. Votes stay in the browser until they are
    exported. key.json says which method is which: keep it to yourself.
    """
    folders = {}
    for text in results:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder) or name in folders:
            raise UsageError(f"{text!r} is not of the form NAME=FOLDER with names of their own.")
        folders[name] = Path(folder)
    if len(folders) < 2:
        raise UsageError("A comparison needs the results of two methods at least.")
    count = make_study(folders, output, questions, repeats)
    click.echo(f"{counted(count, 'trial')} in {output / 'index.html'}.")


@command.command()
@click.argument("votes", nargs=-1, required=True, type=_PATH)
@click.option("--key", required=True, type=_PATH, help="key.json of the study.")
@click.option(
    "--min-consistency",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Leave out voters who answered fewer of the repeated trials alike.",
)
def summarize(votes: tuple[Path, ...], key: Path, min_consistency: float) -> None:
    """Preference rates with 95 % confidence intervals and significance, from exported VOTES."""
    summary = summarize_votes(key, votes, min_consistency)
    click.echo("| question | preferred to | | votes | rate | 95 % interval | p |")
    click.echo("|---|---|---|---:|---:|---:|---:|")
    for row in summary.preferences:
        click.echo(
            f"| {row.question} | {row.first} | {row.second} | {row.wins}:{row.votes - row.wins} | "
            f"{row.rate:.1%} | {row.low:.1%}–{row.high:.1%} | {row.p:.2g} |"
        )
    used = len(votes) - len(summary.excluded)
    click.echo(
        f"{counted(used, 'voter')}; repeated trials answered alike: " + _listed(summary.consistency)
    )
    if summary.excluded:
        click.echo(f"Left out: {', '.join(summary.excluded)}.")


def _listed(consistency: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in consistency.items()) + "."


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
