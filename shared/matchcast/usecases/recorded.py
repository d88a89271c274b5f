"""A ledger row as instances hand it to one another through a cache.

A row is believed only if it hashes as the ledger made it hash, so that what is cut off, mixed up or of another version is
as good as not there.
"""

import hashlib
import json
from datetime import datetime
from typing import Final

from matchcast.domain.forecast import Cause, Coverage, Forecast, LedgerRow, Probabilities, ledger_hash
from matchcast.domain.match import Fixture

_PREFIX: Final = "forecast:"


def key_of(fixture: Fixture, model_version: str, snapshot_hash: str, cause: Cause) -> str:
    """Where a forecast is remembered."""
    what = [
        model_version, snapshot_hash, cause.value, fixture.match_id, fixture.tournament, fixture.home_team,
        fixture.away_team, fixture.season, fixture.kickoff_at.isoformat(), fixture.kickoff_known,
    ]  # fmt: skip
    return _PREFIX + hashlib.sha256(json.dumps(what).encode()).hexdigest()


def packed(row: LedgerRow, coverage: Coverage) -> bytes:
    """A row and its coverage as text."""
    forecast = row.forecast
    return json.dumps(
        {
            "forecast_id": row.forecast_id,
            "as_of": forecast.as_of.isoformat(),
            "probabilities": forecast.probabilities,
            "code_revision": forecast.code_revision,
            "recorded_at": row.recorded_at.isoformat(),
            "previous_hash": row.previous_hash,
            "hash": row.hash,
            "coverage": coverage,
        }
    ).encode()


def unpacked(
    raw: bytes, fixture: Fixture, model_version: str, snapshot_hash: str, cause: Cause
) -> tuple[LedgerRow, Coverage] | None:
    """What `packed` wrote of this very forecast; None if it did not."""
    try:
        told = json.loads(raw)
        forecast = Forecast(
            fixture=fixture,
            as_of=datetime.fromisoformat(told["as_of"]),
            probabilities=Probabilities(*map(float, told["probabilities"])),
            model_version=model_version,
            snapshot_hash=snapshot_hash,
            code_revision=told["code_revision"],
            cause=cause,
        )
        row = LedgerRow(
            int(told["forecast_id"]), forecast, datetime.fromisoformat(told["recorded_at"]), told["previous_hash"],
            told["hash"],
        )  # fmt: skip
        known, home, away = told["coverage"]
        coverage = Coverage(float(known), int(home), int(away))
        expected = ledger_hash(forecast, row.recorded_at, row.previous_hash)
    except (ValueError, TypeError, KeyError):
        return None
    return (row, coverage) if row.hash == expected else None
