"""Stage: the champion forecasts every match to come; ledger, snapshot file and pointer follow."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.objects_folder import objects_at
from matchcast.adapters.snapshot_writer import write_snapshot
from matchcast.domain.forecast import Cause, Forecast, LedgerRow, Probabilities
from matchcast.errors import BundleBroken, NotFound, Unavailable
from matchcast.features.compiled import run_pass
from matchcast.features.state import State
from matchcast.model.bundle import Bundle, features_known
from matchcast.ports import ObjectStore, TeamRecord
from matchcast.usecases.champion import load_champion
from matchcast.usecases.publish import SNAPSHOT_KEY, SnapshotPointer, publish_snapshot
from pipeline.files import read_json, read_parquet, unfinished_folder, write_json, write_parquet
from pipeline.market import market_columns
from pipeline.match_table import as_of_of, fixtures_of, match_columns, read_as_of
from pipeline.paths import FINISHED, FORECASTS, FUTURE, PROMOTED, PUBLISHED, RAW_MANIFEST, RAW_TEAMS
from pipeline.stage import code_revision, environment, now, run_stage, say


@dataclass(frozen=True)
class Batch:
    """The champion's forecasts of all matches to come, and the state they were read from.

    Attributes:
        features_known: share of each forecast's features that have a value.
    """

    forecasts: tuple[Forecast, ...]
    features_known: tuple[float, ...]
    state: State


def main() -> None:
    """Read data/interim and the champion, write data/predictions, the ledger and the published snapshot."""
    settings = environment()
    objects = objects_at(settings.objects_url)
    bundle = champion_or_none(objects)
    if bundle is None:
        say("no champion yet, so nothing is forecast; data/promotion/gate.json says why the candidate was refused")
        write_parquet(FORECASTS, forecast_table([]))
        write_json(PUBLISHED, {"snapshot": None, "forecasts": 0, "recorded": 0})
        return
    finished, future = read_parquet(FINISHED), read_parquet(FUTURE)
    as_of = as_of_of(read_json(RAW_MANIFEST)).replace(microsecond=0)
    ledger = SqlLedger(Database(settings.database_url))
    history = [row for fixture in fixtures_of(future) for row in ledger.history(fixture.match_id or 0)]
    revision, cause = code_revision(settings), cause_of(bundle.version, history)
    batch = forecast_all(finished, future, bundle, as_of, code_revision=revision, cause=cause)
    batch, fresh = reconciled(batch, history)
    at = now(settings)
    ledger.append(fresh, at)
    pointer = publish(batch, read_parquet(RAW_TEAMS), bundle, objects, at)
    write_parquet(FORECASTS, forecast_table(batch.forecasts))
    write_json(PUBLISHED, {"snapshot": asdict(pointer), "forecasts": len(batch.forecasts), "recorded": len(fresh)})
    say(f"{len(batch.forecasts)} forecasts by {bundle.version}, {len(fresh)} new in the ledger; snapshot {pointer.key}")


def champion_or_none(objects: ObjectStore) -> Bundle | None:
    """The serving bundle; None only if no candidate was ever let through.

    Raises:
        Unavailable: there should be a champion, but the store is away or has lost it.
        BundleBroken: it is damaged, or was made by other feature code.
    """
    try:
        return load_champion(objects).bundle
    except BundleBroken:
        raise
    except Unavailable:
        if read_json(PROMOTED)["champion"] is not None:
            raise
        return None


def forecast_all(
    finished: pa.Table, future: pa.Table, bundle: Bundle, as_of: datetime, *, code_revision: str, cause: Cause
) -> Batch:
    """Forecast the future matches from all that is known at `as_of`; rows are made by the bundle's own contract.

    A model that reads prices forecasts those matches that have them.
    """
    matches = match_columns(finished, future, market_columns(finished, future, bundle.contract.market_from))
    end = int(as_of.timestamp())
    result = run_pass(matches, bundle.contract, read_as_of(matches, as_of), end)
    rows = result.rows[len(finished) :]
    readable = bundle.contract.readable(rows)
    fixtures = fixtures_of(future.filter(pa.array(readable)))
    rows = rows[readable]
    probs = bundle.predict(rows)
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
            for fixture, row in zip(fixtures, probs.tolist(), strict=True)
        ),
        tuple(features_known(rows).tolist()),
        result.state,
    )


def cause_of(model_version: str, history: Sequence[LedgerRow]) -> Cause:
    """Why the batch is made: a model that the ledger has not seen on these matches is a new one."""
    known = any(row.forecast.model_version == model_version for row in history)
    return Cause.NEW_RESULTS if known else Cause.NEW_MODEL


def reconciled(batch: Batch, history: Sequence[LedgerRow]) -> tuple[Batch, list[Forecast]]:
    """The batch with forecasts the ledger holds already as they stand there, and those it does not hold yet.

    So a batch made twice adds nothing, and gives the same snapshot. The fixtures stay the batch's: the ledger does not
    hold whether the kick-off time is known.
    """
    recorded = {_content(row.forecast): row.forecast for row in history}
    fresh = [forecast for forecast in batch.forecasts if _content(forecast) not in recorded]
    shown = (replace(recorded.get(_content(f), f), fixture=f.fixture) for f in batch.forecasts)
    return replace(batch, forecasts=tuple(shown)), fresh


def publish(batch: Batch, teams: pa.Table, bundle: Bundle, objects: ObjectStore, now: datetime) -> SnapshotPointer:
    """Put the snapshot file and the pointer to it; nothing is put if the store has this very snapshot already.

    Args:
        teams: columns team_id, name, country, aliases (a list of names).
    """
    rows = teams.to_pylist()
    with unfinished_folder() as folder:
        file = folder / "snapshot.sqlite"
        write_snapshot(
            file,
            state=batch.state,
            teams=[TeamRecord(row["team_id"], row["name"], row["country"]) for row in rows],
            aliases={row["team_id"]: row["aliases"] or () for row in rows},
            fixtures=[forecast.fixture for forecast in batch.forecasts],
            forecasts=batch.forecasts,
            features_known=batch.features_known,
            model_version=bundle.version,
        )
        content = file.read_bytes()
    current = _pointer(objects)
    if current is not None and current.sha256 == hashlib.sha256(content).hexdigest():
        return current
    return publish_snapshot(
        objects,
        content,
        state_hash=batch.state.hash,
        as_of=datetime.fromtimestamp(batch.state.as_of, UTC),
        model_version=bundle.version,
        run_id=bundle.run_id,
        published_at=now,
    )


def forecast_table(forecasts: Sequence[Forecast]) -> pa.Table:
    """One row a forecast, in the order given."""
    return pa.table(
        {
            "match_id": pa.array([f.fixture.match_id for f in forecasts], pa.int64()),
            "tournament": pa.array([f.fixture.tournament for f in forecasts], pa.string()),
            "home_team": pa.array([f.fixture.home_team for f in forecasts], pa.string()),
            "away_team": pa.array([f.fixture.away_team for f in forecasts], pa.string()),
            "kickoff_at": pa.array([f.fixture.kickoff_at for f in forecasts], pa.timestamp("us", "UTC")),
            "as_of": pa.array([f.as_of for f in forecasts], pa.timestamp("us", "UTC")),
            "home_prob": pa.array([f.probabilities.home for f in forecasts], pa.float64()),
            "draw_prob": pa.array([f.probabilities.draw for f in forecasts], pa.float64()),
            "away_prob": pa.array([f.probabilities.away for f in forecasts], pa.float64()),
            "model_version": pa.array([f.model_version for f in forecasts], pa.string()),
            "snapshot_hash": pa.array([f.snapshot_hash for f in forecasts], pa.string()),
        }
    )


def _content(forecast: Forecast) -> tuple[Any, ...]:
    key = (forecast.fixture.match_id, forecast.as_of, forecast.model_version, forecast.snapshot_hash)
    return (*key, forecast.probabilities)


def _pointer(objects: ObjectStore) -> SnapshotPointer | None:
    """The pointer in the store; None where there is none or it is damaged, and so must be written anew."""
    try:
        return SnapshotPointer(**json.loads(objects.get(SNAPSHOT_KEY)))
    except (NotFound, ValueError, TypeError):
        return None


if __name__ == "__main__":
    run_stage(main)
