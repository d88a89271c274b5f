"""A forecast recorded in either database is made again to the bit."""

from pathlib import Path

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.snapshot_file import open_snapshot
from matchcast.adapters.snapshot_state import read_state
from matchcast.usecases.replay import RecordedState, Replayer
from tests.entrypoints import house
from tests.entrypoints.house import NOW, House


def test_a_recorded_forecast_replays_and_its_chain_holds(database: Database, tmp_path: Path) -> None:
    here = House(tmp_path)
    here.promote(1)
    here.publish(1, tmp_path)
    forecasts = house.current_forecasts(1, open_snapshot(house.snapshot_file(tmp_path / "s.sqlite", seed=1)))
    ledger = SqlLedger(database)
    ledger.append(forecasts, lambda: NOW)

    def open_state(_: str, content: bytes) -> RecordedState:
        file = tmp_path / "recorded.sqlite"
        file.write_bytes(content)
        snapshot = open_snapshot(file)
        return RecordedState(snapshot, read_state(file, snapshot))

    replayer = Replayer(ledger, here.objects, open_state)
    replayed = [replayer.replay(row.forecast_id) for row in ledger.rows()]
    assert len(replayed) == len(forecasts) > 1
    assert [r.difference for r in replayed] == [None] * len(forecasts)
