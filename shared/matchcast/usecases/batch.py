"""The champion's forecasts of all matches to come, made in one pass: by the pipeline's batch and on events alike."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from matchcast.domain.forecast import Cause, Forecast, LedgerRow, Probabilities
from matchcast.domain.match import Fixture
from matchcast.features.columns import MatchColumns
from matchcast.features.compiled import run_pass
from matchcast.features.history import read_as_of
from matchcast.features.state import State
from matchcast.model.bundle import Bundle, features_known
from matchcast.ports import TeamRecord


@dataclass(frozen=True)
class Batch:
    """The champion's forecasts of all matches to come, and the state they were read from.

    Attributes:
        features_known: share of each forecast's features that have a value.
    """

    forecasts: tuple[Forecast, ...]
    features_known: tuple[float, ...]
    state: State


class SnapshotWriter(Protocol):
    """Writes a snapshot file, equal input to equal bytes (`adapters.snapshot_writer`)."""

    def __call__(
        self,
        *,
        state: State,
        teams: Sequence[TeamRecord],
        aliases: Mapping[str, Sequence[str]],
        fixtures: Sequence[Fixture],
        forecasts: Sequence[Forecast],
        features_known: Sequence[float],
        model_version: str,
    ) -> bytes: ...


def forecast_all(
    matches: MatchColumns,
    to_come: Sequence[Fixture],
    bundle: Bundle,
    as_of: datetime,
    *,
    code_revision: str,
    cause: Cause,
) -> Batch:
    """Forecast the matches to come from all that is known at `as_of`; rows are made by the bundle's own contract.

    A model that reads prices forecasts those matches that have them.

    Args:
        matches: finished ones, then those of `to_come` in their order.
        as_of: aware, whole seconds.
    """
    end = int(as_of.timestamp())
    result = run_pass(matches, bundle.contract, read_as_of(matches, as_of), end)
    rows = result.rows[~matches.finished]
    readable = bundle.contract.readable(rows)
    rows = rows[readable]
    fixtures = [fixture for fixture, is_readable in zip(to_come, readable.tolist(), strict=True) if is_readable]
    return Batch(
        tuple(
            Forecast(
                fixture=fixture,
                as_of=datetime.fromtimestamp(end, UTC),
                probabilities=Probabilities(*row),
                model_version=bundle.version,
                snapshot_hash=result.state.hash,
                code_revision=code_revision,
                cause=cause,
            )
            for fixture, row in zip(fixtures, bundle.predict(rows).tolist(), strict=True)
        ),
        tuple(features_known(rows).tolist()),
        result.state,
    )


def cause_of(model_version: str, history: Iterable[LedgerRow]) -> Cause:
    """Why the batch is made: a model that the ledger has not seen on these matches is a new one."""
    known = any(row.forecast.model_version == model_version for row in history)
    return Cause.NEW_RESULTS if known else Cause.NEW_MODEL


def reconciled(
    batch: Batch, history: Iterable[LedgerRow], content: Callable[[Forecast], Hashable]
) -> tuple[Batch, list[Forecast]]:
    """The batch with forecasts the ledger holds already as they stand there, and those it does not hold yet.

    So a batch made twice adds nothing, and gives the same snapshot. The fixtures stay the batch's: the ledger does not
    hold whether the kick-off time is known.

    Args:
        content: what makes two forecasts the same, `made_alike` or `says_alike`.
    """
    recorded = {content(row.forecast): row.forecast for row in history}
    fresh = [forecast for forecast in batch.forecasts if content(forecast) not in recorded]
    shown = (replace(recorded.get(content(f), f), fixture=f.fixture) for f in batch.forecasts)
    return replace(batch, forecasts=tuple(shown)), fresh


def made_alike(forecast: Forecast) -> Hashable:
    """What two forecasts share that were made from the same state."""
    key = (forecast.fixture.match_id, forecast.as_of, forecast.model_version, forecast.snapshot_hash)
    return (*key, forecast.probabilities)


def says_alike(forecast: Forecast) -> Hashable:
    """What two forecasts share that say the same of the same match, whenever they were made."""
    fixture = forecast.fixture
    return (fixture.match_id, fixture.kickoff_at, forecast.model_version, forecast.probabilities)


def snapshot_of(
    batch: Batch, teams: Sequence[TeamRecord], other_names: Mapping[str, Sequence[str]], model_version: str,
    write: SnapshotWriter,
) -> bytes:  # fmt: skip
    """The snapshot file with a batch."""
    return write(
        state=batch.state,
        teams=teams,
        aliases=other_names,
        fixtures=[forecast.fixture for forecast in batch.forecasts],
        forecasts=batch.forecasts,
        features_known=batch.features_known,
        model_version=model_version,
    )
