"""What a forecast says about prices."""

from dataclasses import dataclass
from math import isnan
from typing import NamedTuple

import numpy as np

from matchcast.domain.forecast import LedgerRow, Probabilities
from matchcast.errors import BadInput, NotFound
from matchcast.model import market
from matchcast.model.market import DeVig
from matchcast.ports import Ledger


class Prices(NamedTuple):
    """Decimal prices."""

    home: float
    draw: float
    away: float


@dataclass(frozen=True, slots=True)
class Valuation:
    """A forecast beside a bookmaker's prices, and the prices beside the forecast.

    Attributes:
        fair_odds: of the forecast.
        value: mean gain of a stake of 1 at the bookmaker's price if the forecast is right, an outcome each.
        margin: what the book keeps.
        market: the bookmaker's prices as probabilities, by `method`; market_fair_odds: and as fair odds.
    """

    probabilities: Probabilities
    fair_odds: Prices
    odds: Prices
    value: tuple[float, float, float]
    margin: float
    method: DeVig
    market: Probabilities
    market_fair_odds: Prices


def fair_odds(probabilities: Probabilities) -> Prices:
    """The prices at which bets neither gain nor lose on average if the forecast is right."""
    return Prices(*market.fair_odds(np.array(probabilities)).tolist())


def valuation(probabilities: Probabilities, odds: Prices, method: DeVig) -> Valuation:
    """Compare a forecast with prices.

    Raises:
        BadInput: a price is missing or not above 1; names the field `odds`.
    """
    if any(isnan(price) for price in odds):
        raise BadInput("odds: a price is missing; give all three, home, draw and away", "odds")
    probs, prices = np.array([probabilities]), np.array([odds], dtype=np.float64)
    implied = Probabilities(*market.market_probabilities(prices, method)[0].tolist())
    home, draw, away = market.value(probs, prices)[0].tolist()
    return Valuation(
        probabilities=probabilities,
        fair_odds=fair_odds(probabilities),
        odds=odds,
        value=(home, draw, away),
        margin=float(market.margin(prices)[0]),
        method=method,
        market=implied,
        market_fair_odds=fair_odds(implied),
    )


def last_forecast(match_id: int, ledger: Ledger) -> LedgerRow:
    """The forecast of a match that was recorded last.

    Raises:
        NotFound: none was.
        Unavailable: the ledger is away.
    """
    recorded = ledger.history(match_id)
    if not recorded:
        raise NotFound(
            f"match_id: the ledger has no forecast of match {match_id}; GET /predict/ lists the fixtures that have one"
        )
    return recorded[-1]
