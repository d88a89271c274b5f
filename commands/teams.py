"""`matchcast teams`: deciding which club a source's name means."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.environment import database_url

if TYPE_CHECKING:
    from matchcast.adapters.database.match_store import SqlMatchStore
    from matchcast.ports.reviews import HeldName

_WIDE = 200
"""Columns of a table that is not shown but piped."""

app = typer.Typer(no_args_is_help=True, help="Decide which club a source's name means.")


class ListFormat(StrEnum):
    """How to write the names that wait."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


Source = Annotated[str, typer.Argument(help="The source that tells the name.")]
Country = Annotated[str, typer.Argument(help="The club's country, as in england.")]
Name = Annotated[str, typer.Argument(help="The name, exactly as told.")]


@app.command()
def review(
    format: Annotated[ListFormat, typer.Option(help="A table to look at, or a list to fill in.")] = ListFormat.TABLE,
) -> None:
    """List the names that wait for a decision, the clubs they may be, and what speaks for each.

    Of a proposal it is told how many matches agree (same day, same opponent), how many more may agree (the opponent's name is
    not settled either), in how many results differ, on how many days both played different matches, and how similar
    the names are (0 to 100). Fill in the column `decision` of a CSV or JSON list with a club's id or `new`, and apply it
    with `matchcast teams decide`.
    """
    from matchcast.usecases.team_review import held_names

    held = held_names(_store())
    if format is not ListFormat.TABLE:
        from matchcast.adapters.reviewed_names import as_csv, as_json

        typer.echo(as_csv(held) if format is ListFormat.CSV else as_json(held), nl=False)
        return
    if not held:
        typer.echo("no name waits for a decision")
        return
    _show(held)
    typer.echo(
        f"{len(held)} wait; decide with `matchcast teams alias SOURCE COUNTRY NAME TEAM_ID` or"
        " `matchcast teams new SOURCE COUNTRY NAME`, or many at once: `matchcast teams review --format csv > names.csv`,"
        " fill in `decision`, `matchcast teams decide --file names.csv`; then load their files again"
    )


@app.command()
def decide(
    file: Annotated[Path, typer.Option(help="A list of `matchcast teams review --format csv` or json, filled in.")],
) -> None:
    """Apply a reviewed list: all of it, or nothing where lines contradict one another or the matches."""
    from matchcast.adapters.reviewed_names import read_reviewed
    from matchcast.errors import BadInput
    from matchcast.usecases.team_decisions import decide_all

    try:
        content = file.read_bytes()
    except OSError as error:
        raise BadInput(f"--file: {file} cannot be read ({error.strerror})", "file") from error
    decided = decide_all(_store(), read_reviewed(content, file.name), now=datetime.now(UTC))
    for alias in decided.aliases:
        typer.echo(f"{alias.name} is {alias.team_id}")
    typer.echo(
        f"{len(decided.aliases)} settled, {len(decided.new_teams)} of them new clubs; {decided.known} were settled so"
        f" before, {decided.left} still wait; load the files of what is settled again"
    )


@app.command()
def alias(
    source: Source,
    country: Country,
    name: Name,
    team_id: Annotated[str, typer.Argument(help="The club, as in england:manchester-united.")],
) -> None:
    """Settle that a name means a known club."""
    from matchcast.usecases.team_review import decide_alias

    decision = decide_alias(_store(), source, country, name, team_id, now=datetime.now(UTC))
    _tell(name, team_id, decision.moved, decision.reload)


@app.command()
def new(source: Source, country: Country, name: Name) -> None:
    """Settle that a name is a club of its own."""
    from matchcast.usecases.team_review import decide_new

    decision = decide_new(_store(), source, country, name, now=datetime.now(UTC))
    _tell(name, decision.alias.team_id or "", decision.moved, decision.reload)


def _show(held: "Sequence[HeldName]") -> None:
    from rich.console import Console
    from rich.table import Column, Table

    columns = ("source", "country", "name", "waiting", "may be", "agree", "may agree", "differ", "against", "similar")
    table = Table(*(Column(title, no_wrap=True) for title in columns))
    for name in held:
        first = (name.alias.source, name.alias.country, name.alias.name, f"{name.matches:,}")
        if not name.proposals:
            table.add_row(*first, "a new club, or one known by another name")
        for place, proposal in enumerate(name.proposals):
            figures = (f"{figure:,}" for figure in proposal[2:])
            table.add_row(*(first if place == 0 else ("",) * 4), proposal.team_id, *figures)
    console = Console(markup=False)
    if not console.is_terminal:
        console.width = _WIDE
    console.print(table)


def _tell(name: str, team_id: str, moved: int, reload: bool) -> None:
    rest = f"; {moved:,} matches moved to it" if moved else ""
    if reload:
        rest += "; load its files again to move its matches"
    typer.echo(f"{name} is {team_id}{rest}")


def _store() -> "SqlMatchStore":
    from matchcast.adapters.database.engine import Database
    from matchcast.adapters.database.match_store import SqlMatchStore

    return SqlMatchStore(Database(database_url()))
