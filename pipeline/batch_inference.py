"""Stage: the champion forecasts every match to come; ledger, snapshot file and pointer follow."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import pyarrow as pa

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.objects import objects_at
from matchcast.adapters.snapshot_writer import SnapshotWriter
from matchcast.domain.forecast import Cause, Forecast
from matchcast.errors import BundleBroken, Unavailable
from matchcast.model.bundle import Bundle
from matchcast.ports import ObjectStore, TeamRecord
from matchcast.usecases.batch import Batch, cause_of, forecast_all, made_alike, reconciled, snapshot_of
from matchcast.usecases.champion import load_champion
from matchcast.usecases.publish import SnapshotPointer, publish_snapshot, served_snapshot
from pipeline.files import read_json, read_parquet, write_json, write_parquet
from pipeline.market import market_columns
from pipeline.match_table import as_of_of, fixtures_of, match_columns
from pipeline.paths import FINISHED, FORECASTS, FUTURE, PROMOTED, PUBLISHED, RAW_MANIFEST, RAW_TEAMS, UNFINISHED
from pipeline.stage import code_revision, environment, now, run_stage, say


def main() -> None:
    """Read data/interim and the champion, write data/predictions, the ledger and the published snapshot."""
    settings = environment()
    objects = objects_at(settings.objects_url, settings.s3)
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
    batch = forecast_tables(finished, future, bundle, as_of, code_revision=revision, cause=cause)
    batch, fresh = reconciled(batch, history, made_alike)
    ledger.append(fresh, lambda: now(settings))
    pointer = publish(batch, read_parquet(RAW_TEAMS), bundle, objects, now(settings))
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


def forecast_tables(
    finished: pa.Table, future: pa.Table, bundle: Bundle, as_of: datetime, *, code_revision: str, cause: Cause
) -> Batch:
    """Forecast the future matches from all that is known at `as_of`."""
    matches = match_columns(finished, future, market_columns(finished, future, bundle.contract.market_from))
    return forecast_all(matches, fixtures_of(future), bundle, as_of, code_revision=code_revision, cause=cause)


def publish(batch: Batch, teams: pa.Table, bundle: Bundle, objects: ObjectStore, now: datetime) -> SnapshotPointer:
    """Put the snapshot file and the pointer to it; nothing is put if the store has this very snapshot already.

    Args:
        teams: columns team_id, name, country, aliases (a list of names).
    """
    rows = teams.to_pylist()
    records = [TeamRecord(row["team_id"], row["name"], row["country"]) for row in rows]
    other_names = {row["team_id"]: row["aliases"] or () for row in rows}
    content = snapshot_of(batch, records, other_names, bundle.version, SnapshotWriter(UNFINISHED))
    current = served_snapshot(objects)
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


if __name__ == "__main__":
    run_stage(main)
