"""The command `matchcast`. Commands import what they need when they run, so that `--help` is quick."""

from typing import Any

import typer
from typer.core import TyperGroup

from commands import (
    backtest,
    buckets,
    dead_letters,
    demo,
    export,
    ingest,
    keys,
    ledger,
    model,
    openapi,
    reparse,
    replay,
    teams,
    tournaments,
    up,
    up_full,
    value,
)
from matchcast.errors import MatchcastError


class _House(TyperGroup):
    """Shows the errors raised on purpose as one line, and ends with exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except MatchcastError as error:
            typer.secho(f"matchcast: {error}", err=True, fg=typer.colors.RED)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=_House,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Calibrated football forecasts, from match records to a scored forecast.",
)
app.command()(ingest.migrate)
app.command()(ingest.ingest)
app.command()(reparse.reparse)
app.add_typer(teams.app, name="teams")
app.add_typer(tournaments.app, name="tournaments")
app.add_typer(keys.app, name="keys")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(ledger.app, name="ledger")
app.command()(export.export)
app.command()(buckets.buckets)
app.command()(backtest.backtest)
app.command()(model.models)
app.command()(model.promote)
app.command()(model.rollback)
app.command()(model.challenge)
app.command()(replay.replay)
app.command()(value.value)
app.command()(openapi.openapi)
app.command()(demo.demo)
app.command()(demo.stop)
app.command()(up.up)
app.command()(up_full.up_full)
app.command()(up_full.down_full)
