"""`matchcast teams`: deciding which club a source's name means."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from commands.environment import database_url

if TYPE_CHECKING:
    from matchcast.adapters.database.match_store import SqlMatchStore

app = typer.Typer(no_args_is_help=True, help="Decide which club a source's name means.")

Source = Annotated[str, typer.Argument(help="The source that tells the name.")]
Country = Annotated[str, typer.Argument(help="The club's country, as in england.")]
Name = Annotated[str, typer.Argument(help="The name, exactly as told.")]


@app.command()
def review() -> None:
    """List the names that wait for a decision."""
    from rich.console import Console
    from rich.table import Table

    from matchcast.usecases.team_review import waiting_names

    waiting = waiting_names(_store())
    if not waiting:
        typer.echo("no name waits for a decision")
        return
    table = Table("source", "country", "name", "may be")
    for alias in waiting:
        table.add_row(alias.source, alias.country, alias.name, ", ".join(alias.proposals) or "a new club")
    Console(soft_wrap=True).print(table)
    typer.echo(
        f"{len(waiting)} wait; decide with `matchcast teams alias SOURCE COUNTRY NAME TEAM_ID` or"
        " `matchcast teams new SOURCE COUNTRY NAME`, then load their files again"
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


def _tell(name: str, team_id: str, moved: int, reload: bool) -> None:
    rest = f"; {moved:,} matches moved to it" if moved else ""
    if reload:
        rest += "; load its files again to move its matches"
    typer.echo(f"{name} is {team_id}{rest}")


def _store() -> "SqlMatchStore":
    from matchcast.adapters.database.engine import Database
    from matchcast.adapters.database.match_store import SqlMatchStore

    return SqlMatchStore(Database(database_url()))
