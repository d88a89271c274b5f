"""Forecasts and the rows of the ledger that proves them."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from matchcast.domain.match import Fixture, Outcome, day_start

GENESIS_HASH: Final = "0" * 64
"""The `previous_hash` of the ledger's first row."""
LEAST_PROB: Final = 1e-15
"""Probabilities count as no smaller than this where a logarithm is taken."""
LITTLE_HISTORY: Final = 12
"""Before so many matches, the features take a club for a newcomer to its league rather than for itself."""
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
VERSION: Final = re.compile("[0-9a-f]{16}")
"""What a model can be asked for by, besides the two names."""
Reference = Literal["closing odds", "other members"]
"""What an interval around a forecast is to hold."""


class Cause(StrEnum):
    """Why a forecast was made; `compared`: a request named another model than the champion, and it is settled for nobody."""

    REQUESTED = "requested"
    NEW_RESULTS = "new_results"
    NEW_MODEL = "new_model"
    COMPARED = "compared"


class Probabilities(NamedTuple):
    """Home, draw, away; they sum to 1."""

    home: float
    draw: float
    away: float

    @property
    def likeliest(self) -> Outcome:
        """The outcome with the highest probability; the earlier of home, draw, away on a tie."""
        return Outcome(self.index(max(self)))


class Coverage(NamedTuple):
    """How much a forecast knows.

    Attributes:
        features_known: share of the model's features that have a value for this match, 0 to 1.
        home_matches, away_matches: finished matches of each club that the feature state knows.
    """

    features_known: float
    home_matches: int
    away_matches: int

    @property
    def little_history(self) -> bool:
        """Whether a club is as good as new, or half of the features are unknown."""
        return min(self.home_matches, self.away_matches) < LITTLE_HISTORY or self.features_known < 0.5


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two clubs to forecast, by any name they go by.

    Attributes:
        kickoff_at: aware; midnight UTC of the day where only the day is known.
        kickoff_known: False where only the day is known; such a match can be forecast until its day ends.
        season: calendar year in which the season starts; None for the one that `kickoff_at` falls into.
    """

    home_team: str
    away_team: str
    tournament: str
    kickoff_at: datetime
    season: int | None = None
    kickoff_known: bool = True


@dataclass(frozen=True, slots=True)
class Forecast:
    """One forecast of one fixture, with all that is needed to make it again.

    Attributes:
        fixture: what was forecast; `match_id` is None for a pairing that is in no fixture list.
        as_of: nothing known later than this went in; aware UTC.
        model_version: version of the bundle.
        snapshot_hash: hash of the feature state that was read.
        code_revision: git revision of the code that made it.
    """

    fixture: Fixture
    as_of: datetime
    probabilities: Probabilities
    model_version: str
    snapshot_hash: str
    code_revision: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A forecast as it stands in the ledger, chained to the row before it.

    Attributes:
        forecast_id: counts from 1, without gaps.
        kickoff_known_recorded: False for rows from before the ledger kept whether the time of kick-off is known.
    """

    forecast_id: int
    forecast: Forecast
    recorded_at: datetime
    previous_hash: str
    hash: str
    kickoff_known_recorded: bool = True

    @property
    def expected_hash(self) -> str:
        """The hash that follows from the other fields."""
        return ledger_hash(
            self.forecast, self.recorded_at, self.previous_hash, with_kickoff_known=self.kickoff_known_recorded
        )


def ledger_hash(
    forecast: Forecast, recorded_at: datetime, previous_hash: str, *, with_kickoff_known: bool = True
) -> str:
    """SHA-256 (hex) over every field of a ledger row and the hash of the row before it.

    Floats enter by `float.hex`, instants as ISO 8601 in UTC with microseconds, so that equal rows hash alike on every database.

    Args:
        with_kickoff_known: False for rows that were recorded without it.
    """
    fixture = forecast.fixture
    fields = [
        fixture.match_id,
        fixture.tournament,
        fixture.home_team,
        fixture.away_team,
        fixture.season,
        iso(fixture.kickoff_at),
        *([fixture.kickoff_known] if with_kickoff_known else []),
        iso(forecast.as_of),
        *(float(p).hex() for p in forecast.probabilities),
        forecast.model_version,
        forecast.snapshot_hash,
        forecast.code_revision,
        forecast.cause.value,
        iso(recorded_at),
        previous_hash,
    ]
    return hashlib.sha256(json.dumps(fields, separators=(",", ":"), ensure_ascii=True).encode()).hexdigest()


def chained(new: Iterable[Forecast], recorded_at: datetime, after_id: int, after_hash: str) -> list[LedgerRow]:
    """Forecasts as the rows that follow the row `after_id`; 0 and `GENESIS_HASH` for the first."""
    rows = []
    for number, forecast in enumerate(new, after_id + 1):
        own = ledger_hash(forecast, recorded_at, after_hash)
        rows.append(LedgerRow(number, forecast, recorded_at, after_hash, own))
        after_hash = own
    return rows


def iso(instant: datetime) -> str:
    """An instant as hashes take it: ISO 8601 in UTC with microseconds."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def latest_instant(kickoff_at: datetime, kickoff_known: bool) -> datetime:
    """When forecasts of a match are locked: at kick-off, or at the end of the day where only the day is known."""
    return kickoff_at if kickoff_known else day_start(kickoff_at) + timedelta(days=1)


def in_time(as_of: datetime, recorded_at: datetime, kickoff_at: datetime, kickoff_known: bool) -> bool:
    """Whether a forecast was made and on record before kick-off; where only the day is known, before that day is over."""
    latest = latest_instant(kickoff_at, kickoff_known)
    return as_of <= latest and recorded_at < latest


def counts(row: LedgerRow, kickoff_at: datetime, kickoff_known: bool) -> bool:
    """Whether a forecast may be the one that is settled: in time and not compared; of those of a match the last one is."""
    forecast = row.forecast
    return forecast.cause is not Cause.COMPARED and in_time(forecast.as_of, row.recorded_at, kickoff_at, kickoff_known)
