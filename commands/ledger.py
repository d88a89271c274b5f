"""`matchcast ledger`: prove that no forecast and no settlement was changed."""

from typing import TYPE_CHECKING, Annotated

import typer

from commands.environment import database_url

if TYPE_CHECKING:
    from matchcast.usecases.ledger import Walked

app = typer.Typer(no_args_is_help=True, help="Prove the ledger of forecasts and their settlements.")


@app.command()
def verify(
    head: Annotated[
        list[str] | None,
        typer.Option(help="A hash that this command printed earlier; it must still be in the ledger. Repeatable."),
    ] = None,
) -> None:
    """Walk both chains; name the first broken row of each. Ends with exit code 1 unless they are whole.

    Note the printed heads somewhere else: only they show later that the end was cut off or all was written anew.
    """
    from matchcast.adapters.database.chains import SqlChains
    from matchcast.adapters.database.engine import Database
    from matchcast.errors import BadInput
    from matchcast.usecases.ledger import verify as verified

    heads = [given.strip().lower() for given in head or []]
    for given in heads:
        if len(given) != 64 or set(given) - set("0123456789abcdef"):
            raise BadInput(f"--head: {given!r} is no hash; give the 64 hexadecimal digits printed before", "head")
    found = verified(SqlChains(Database(database_url())), heads)
    _tell("forecasts", found.forecasts)
    _tell("settlements", found.settlements)
    for given in found.missing:
        typer.secho(f"head {given} is in neither chain: rows were cut off, or written anew", err=True, fg="red")
    if not found.whole:
        raise typer.Exit(1)


def _tell(chain: str, walked: "Walked") -> None:
    typer.echo(f"{chain}: {walked.rows} rows whole, head {walked.head}")
    if walked.broken is not None:
        typer.secho(f"{chain}: row {walked.broken.row_id} is broken: {walked.broken.fault}", err=True, fg="red")
