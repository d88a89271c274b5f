"""Prices of a table of matches as the market's features read them: taken before the match, never at its close."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from matchcast.domain.match import OddsMoment
from matchcast.model.market import market_log_odds
from pipeline.match_table import odds_of


def market_columns(finished: pa.Table, future: pa.Table, bookmakers: Sequence[str]) -> NDArray[np.float64]:
    """Log-odds of home, draw and away in opening prices: of finished matches, then of future ones.

    Args:
        bookmakers: whose prices count, the preferred first.
    Returns:
        Shape (n, 3), NaN where none of them has prices.
    """
    return market_log_odds(np.concatenate([opening_odds(finished, bookmakers), opening_odds(future, bookmakers)]))


def opening_odds(table: pa.Table, bookmakers: Sequence[str]) -> NDArray[np.float64]:
    """Prices taken before the match, of the first of these bookmakers that has them; shape (n, 3), NaN where none has."""
    odds = np.full((len(table), 3), np.nan)
    for bookmaker in bookmakers:
        theirs = odds_of(table, bookmaker, OddsMoment.OPENING.value)
        lacking = np.isnan(odds).any(axis=1) & ~np.isnan(theirs).any(axis=1)
        odds[lacking] = theirs[lacking]
    return odds
