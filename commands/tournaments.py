"""`matchcast tournaments`: deciding which of ours a source's tournament is."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from commands.environment import database_url
from commands.teams import ListFormat

if TYPE_CHECKING:
    from matchcast.adapters.database.match_store import SqlMatchStore
    from matchcast.ports.tournaments import HeldTournament

_WIDE = 200
"""Columns of a table that is not shown but piped."""

app = typer.Typer(no_args_is_help=True, help="Decide which of ours a source's tournament is.")

Source = Annotated[str, typer.Argument(help="The source that tells the tournament.")]
Code = Annotated[str, typer.Argument(help="The source's code for it.")]


@app.command()
def review(
    format: Annotated[ListFormat, typer.Option(help="A table to look at, or a list.")] = ListFormat.TABLE,
) -> None:
    """List the tournaments that wait for a decision, those of ours that they may be, and what speaks for each.

    Of a proposal it is told how many matches agree (same clubs, same sides, at most a day apart, same result), how many
    more may agree (no result yet), how many speak against it, how similar the names are (0 to 100), and the source's own
    code for it, if it has one already.
    """
    from matchcast.adapters.sources.aliases import committed_aliases
    from matchcast.usecases.tournament_review import held_tournaments

    held = held_tournaments(_store(), committed_aliases())
    if format is not ListFormat.TABLE:
        from matchcast.adapters.held_tournaments import as_csv, as_json

        typer.echo(as_csv(held) if format is ListFormat.CSV else as_json(held), nl=False)
        return
    if not held:
        typer.echo("no tournament waits for a decision")
        return
    _show(held)
    typer.echo(
        f"{len(held)} wait; decide with `matchcast tournaments alias SOURCE CODE TOURNAMENT_ID` or `matchcast tournaments"
        " ignore SOURCE CODE`, then load their files again"
    )


@app.command()
def alias(
    source: Source,
    code: Code,
    tournament_id: Annotated[str, typer.Argument(help="Ours, as in england:premier-league.")],
) -> None:
    """Settle that a tournament is one of ours."""
    from matchcast.usecases.tournament_review import decide_tournament

    found = decide_tournament(_store(), source, code, tournament_id, now=datetime.now(UTC))
    typer.echo(f"{found.told_as} ({found.name}) is {found.tournament_id}; load its files again")


@app.command()
def ignore(source: Source, code: Code) -> None:
    """Settle that a tournament is none of ours: its matches are left out from now on."""
    from matchcast.usecases.tournament_review import ignore_tournament

    found = ignore_tournament(_store(), source, code, now=datetime.now(UTC))
    typer.echo(f"{found.told_as} ({found.name}) is left out")


def _show(held: "Sequence[HeldTournament]") -> None:
    from rich.console import Console
    from rich.table import Column, Table

    columns = (
        "source",
        "code",
        "name",
        "country",
        "waiting",
        "may be",
        "agree",
        "may agree",
        "against",
        "similar",
        "its code",
    )
    table = Table(*(Column(title, no_wrap=True) for title in columns))
    for told, matches, proposals in held:
        first = (told.source, told.code, told.name, told.country, f"{matches:,}")
        if not proposals:
            table.add_row(*first, "none of ours that is alike")
        for place, proposal in enumerate(proposals):
            figures = (f"{figure:,}" for figure in proposal[1:5])
            table.add_row(*(first if place == 0 else ("",) * 5), proposal.tournament_id, *figures, proposal.code or "")
    console = Console(markup=False)
    if not console.is_terminal:
        console.width = _WIDE
    console.print(table)


def _store() -> "SqlMatchStore":
    from matchcast.adapters.database.engine import Database
    from matchcast.adapters.database.match_store import SqlMatchStore

    return SqlMatchStore(Database(database_url()))
