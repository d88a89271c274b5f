"""Forecasts beside their results, and the rows of the chain that proves them."""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from matchcast.domain.forecast import Probabilities, iso
from matchcast.domain.match import MatchStatus


class Result(NamedTuple):
    """A result, and how well a forecast foretold it.

    Attributes:
        home_goals, away_goals: after 90 minutes.
        log_loss, rps, brier: as `model.metrics` defines them.
    """

    home_goals: int
    away_goals: int
    log_loss: float
    rps: float
    brier: float


class MarketScores(NamedTuple):
    """How well a bookmaker's closing prices, without their margin, foretold a result."""

    bookmaker: str
    probabilities: Probabilities
    log_loss: float
    rps: float
    brier: float


class Settlement(NamedTuple):
    """A forecast beside its result. Never changed: what it was made of changing makes the next revision.

    Attributes:
        revision: counts from 1; the last one counts.
        forecast_id: the forecast that counts; `tournament`, `model_version` and `probabilities` are copied from it.
        kickoff_at, kickoff_known: of the match, as they were known when it was settled.
        status: of the match.
        result: None where that of the revision before counts no longer: the match is not finished any more, has lost its
            score, or began before every forecast of it.
        market: None where there are no closing prices, or no result.
    """

    match_id: int
    revision: int
    forecast_id: int
    tournament: str
    model_version: str
    probabilities: Probabilities
    kickoff_at: datetime
    kickoff_known: bool
    status: MatchStatus
    result: Result | None
    market: MarketScores | None
    settled_at: datetime


class SettlementRow(NamedTuple):
    """A settlement as it stands in the ledger, chained to the one before it; ids count from 1."""

    settlement_id: int
    settlement: Settlement
    previous_hash: str
    hash: str

    @property
    def expected_hash(self) -> str:
        """The hash that follows from the other fields."""
        return settlement_hash(self.settlement, self.previous_hash)


def settlement_hash(settlement: Settlement, previous_hash: str) -> str:
    """SHA-256 (hex) over every field of a settlement and the hash of the one before it; written as in `ledger_hash`."""
    result, market = settlement.result, settlement.market
    fields = [
        settlement.match_id,
        settlement.revision,
        settlement.forecast_id,
        settlement.tournament,
        settlement.model_version,
        *map(_hex, settlement.probabilities),
        iso(settlement.kickoff_at),
        settlement.kickoff_known,
        int(settlement.status),
        result and [result.home_goals, result.away_goals, *map(_hex, result[2:])],
        market and [market.bookmaker, *map(_hex, market.probabilities), *map(_hex, market[2:])],
        iso(settlement.settled_at),
        previous_hash,
    ]
    return hashlib.sha256(json.dumps(fields, separators=(",", ":"), ensure_ascii=True).encode()).hexdigest()


def chained_settlements(new: Iterable[Settlement], after_id: int, after_hash: str) -> list[SettlementRow]:
    """Settlements as the rows that follow the row `after_id`; 0 and `GENESIS_HASH` for the first."""
    rows = []
    for number, settlement in enumerate(new, after_id + 1):
        own = settlement_hash(settlement, after_hash)
        rows.append(SettlementRow(number, settlement, after_hash, own))
        after_hash = own
    return rows


def _hex(number: float) -> str:
    return float(number).hex()
