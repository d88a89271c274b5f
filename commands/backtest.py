"""`matchcast backtest`: walk forward through past matches and say how good the forecasts were."""

import os
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

PARAMS: Final = Path(__file__).parent.parent / "params.yaml"
_DAY: Final = ["%Y-%m-%d"]


def backtest(
    results: Annotated[
        list[Path],
        typer.Option(help="A football-data or results-only file (.gz too); may be repeated, all of one source."),
    ],
    start: Annotated[datetime, typer.Option("--from", formats=_DAY, help="First day to forecast.")],
    end: Annotated[datetime, typer.Option("--to", formats=_DAY, help="Last day to forecast.")],
    output: Annotated[Path, typer.Option(help="CSV to write, one line a match.")],
    retrain: Annotated[Literal["never", "yearly", "monthly"], typer.Option(help="How often to train anew.")] = "yearly",
    tournament: Annotated[
        list[str] | None,
        typer.Option(help="Forecast this tournament only (id such as england:premier-league, or big-five)."),
    ] = None,
    params: Annotated[Path, typer.Option(help="Training knobs.")] = PARAMS,
) -> None:
    """Walk forward through past matches: train on what was known, forecast what came next, score it."""
    os.environ.setdefault(
        "OMP_WAIT_POLICY", "passive"
    )  # read when the libraries below load: waiting threads must not spin
    from rich.console import Console

    from commands.backtest_report import run_backtest
    from matchcast.usecases.backtest import Retrain

    run_backtest(
        results,
        _date(start),
        _date(end),
        output,
        Retrain(retrain),
        tournament or [],
        params,
        Console(width=140, markup=False),
    )


def _date(instant: datetime) -> date:
    return instant.date()
