"""`matchcast value`: what a recorded forecast says about a bookmaker's prices."""

from typing import Annotated, Literal

import typer


def value(
    match_id: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="A match with a forecast; its last one counts.")],
    odds: Annotated[tuple[float, float, float], typer.Option(help="Decimal prices of home, draw and away.")],
    method: Annotated[Literal["power", "shin"], typer.Option(help="How the book's margin is taken off.")] = "power",
) -> None:
    """Set a match's forecast beside prices: fair odds, and the value of a bet on each outcome."""
    from rich.console import Console
    from rich.table import Table

    from commands.environment import database_url
    from matchcast.adapters.database.engine import Database
    from matchcast.adapters.database.ledger import SqlLedger
    from matchcast.model.market import OUTCOMES, DeVig
    from matchcast.usecases.value import Prices, last_forecast, valuation

    row = last_forecast(match_id, SqlLedger(Database(database_url())))
    found = valuation(row.forecast.probabilities, Prices(*odds), DeVig(method))
    fixture = row.forecast.fixture
    console = Console(soft_wrap=True, markup=False)
    console.print(
        f"{fixture.home_team} against {fixture.away_team}, {fixture.kickoff_at:%Y-%m-%d}: forecast {row.forecast_id}, "
        f"as of {row.forecast.as_of:%Y-%m-%d %H:%M} UTC, by model {row.forecast.model_version}"
    )
    table = Table("", "forecast", "fair odds", "price", "value", f"market ({method})", "its fair odds")
    for i, outcome in enumerate(OUTCOMES):
        table.add_row(
            outcome,
            f"{found.probabilities[i]:.3f}",
            f"{found.fair_odds[i]:.2f}",
            f"{found.odds[i]:.2f}",
            f"{found.value[i]:+.1%}",
            f"{found.market[i]:.3f}",
            f"{found.market_fair_odds[i]:.2f}",
        )
    console.print(table)
    console.print(
        f"value: mean gain of a stake if the forecast is right, p * price - 1; the book keeps {found.margin:.1%}, "
        f"taken off by the {method} method"
    )
