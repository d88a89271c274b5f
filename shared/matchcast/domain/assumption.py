"""What may be assumed of a match that is otherwise forecast as it is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from matchcast.domain.forecast import Coverage, Pairing, Probabilities
from matchcast.domain.match import Fixture

MOST_REST_DAYS: Final = 21
"""Forecasts read no more days of rest than that: whoever rested longer rested so long."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """What is assumed.

    Attributes:
        neutral_venue: neither club plays at home.
        home_rest_days, away_rest_days: whole days from that club's last match to the kick-off, 1 to MOST_REST_DAYS; None for
            those that it had.
    """

    neutral_venue: bool = False
    home_rest_days: int | None = None
    away_rest_days: int | None = None


@dataclass(frozen=True, slots=True)
class Hypothetical:
    """A match to forecast under an assumption, by id or as a pairing."""

    asked: int | Pairing
    assumed: Assumption


@dataclass(frozen=True, slots=True)
class Supposed:
    """What would be forecast. It is no `Forecast`: nobody forecast this, and the ledger takes none of it.

    Attributes:
        as_of, model_version, snapshot_hash, code_revision: as of a `Forecast`.
    """

    fixture: Fixture
    assumed: Assumption
    as_of: datetime
    probabilities: Probabilities
    model_version: str
    snapshot_hash: str
    code_revision: str
    coverage: Coverage
