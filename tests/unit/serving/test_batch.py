"""What the batch makes of fixtures whose day alone is known."""

from pathlib import Path

import pyarrow as pa

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.snapshot_file import open_snapshot
from matchcast.domain.match import Fixture
from matchcast.usecases.batch import Batch, made_alike, reconciled
from pipeline.match_table import fixtures_of
from tests.entrypoints import house
from tests.entrypoints.house import House


def future_table(fixtures: tuple[Fixture, ...]) -> pa.Table:
    return pa.table(
        {
            "match_id": [f.match_id for f in fixtures],
            "tournament_id": [f.tournament for f in fixtures],
            "season": [f.season for f in fixtures],
            "kickoff_at": pa.array([f.kickoff_at for f in fixtures], pa.timestamp("us", "UTC")),
            "kickoff_known": [f.kickoff_known for f in fixtures],
            "home_team_id": [f.home_team for f in fixtures],
            "away_team_id": [f.away_team for f in fixtures],
        }
    )


def test_the_table_of_future_matches_tells_which_kick_offs_are_known() -> None:
    fixtures = house.fixtures()
    assert {f.kickoff_known for f in fixtures} == {True, False}
    assert fixtures_of(future_table(fixtures)) == list(fixtures)


def test_a_batch_made_twice_is_the_same_batch_and_adds_nothing_to_the_ledger(tmp_path: Path) -> None:
    here = House(tmp_path)
    here.fill_database()
    ledger = SqlLedger(Database(here.database_url))
    snapshot = open_snapshot(house.snapshot_file(tmp_path / "s.sqlite", seed=1))
    forecasts = tuple(house.current_forecasts(1, snapshot))
    batch = Batch(forecasts, (1.0,) * len(forecasts), house.passed().state)
    first, fresh = reconciled(batch, [], made_alike)
    ledger.append(fresh, lambda: house.NOW)
    again, fresh_again = reconciled(batch, list(ledger.rows()), made_alike)
    assert (first, again) == (batch, batch)
    assert (len(fresh), fresh_again) == (len(batch.forecasts), [])
