"""A row of the ledger is made again from its snapshot and its model; whatever was changed since is named."""

import hashlib
import json
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from commands.main import app
from commands.replay import _replayer
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.snapshot_file import open_snapshot
from matchcast.adapters.snapshot_state import read_state
from matchcast.domain.forecast import Cause, LedgerRow, Pairing
from matchcast.errors import SnapshotBroken
from matchcast.features.columns import STAT_NAMES
from matchcast.model.bundle import load_bundle
from matchcast.usecases.predict import forecast_for
from matchcast.usecases.publish import publish_snapshot
from pipeline.batch_inference import forecast_tables, publish
from tests.entrypoints import house
from tests.entrypoints.house import AS_OF, ENGLAND, NOW, House

REQUESTED, FIRST_OF_BATCH = 1, 2


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house whose ledger holds a forecast asked for, then those of the batch; no test changes it."""
    return furnished(House(tmp_path_factory.mktemp("kept")))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """The same, for one test to change."""
    made = furnished(House(tmp_path))
    at(made, monkeypatch)
    return made


def furnished(made: House) -> House:
    made.promote(1)
    made.publish(1, made.folder)
    made.fill_database()
    snapshot = open_snapshot(house.snapshot_file(made.folder / "s.sqlite", seed=1))
    asked = Pairing("Gate", "Newtown", "Premier League", NOW.replace(day=9))
    requested = forecast_for(
        asked, bundle=load_bundle(house.bundle_files(1)), snapshot=snapshot, code_revision="c1", now=NOW
    ).forecast
    ledger = ledger_of(made)
    ledger.append([requested], lambda: NOW)
    ledger.append(house.current_forecasts(1, snapshot), lambda: NOW)
    return made


def at(made: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)


def ledger_of(made: House) -> SqlLedger:
    return SqlLedger(Database(made.database_url))


def row_of(made: House, forecast_id: int) -> LedgerRow:
    row = ledger_of(made).find(forecast_id)
    assert row is not None
    return row


def replay(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["replay", *words])
    assert result.exit_code == code, result.output
    return result.output


def change(made: House, column: str, value: object, forecast_id: int = REQUESTED) -> None:
    """Change a column of the ledger behind its back."""
    with closing(sqlite3.connect(made.folder / "matchcast.db")) as connection, connection:
        connection.executescript("".join(f"DROP TRIGGER {name};" for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'forecasts'"
        ).fetchall()))  # fmt: skip
        connection.execute(f"UPDATE forecasts SET {column} = ? WHERE forecast_id = ?", (value, forecast_id))


def snapshot_of(made: House) -> Path:
    (file,) = (made.folder / "objects" / "snapshots").glob("*.sqlite")
    return file


def change_snapshot(made: House, statement: str, *values: object) -> None:
    """Change a published snapshot and name it by its new SHA-256, as whoever wants it to go unnoticed would."""
    file = snapshot_of(made)
    with closing(sqlite3.connect(file)) as connection, connection:
        assert connection.execute(statement, values).rowcount == 1
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    file.rename(file.with_name(f"{file.name.rpartition('-')[0]}-{sha256[:12]}.sqlite"))


def raised(made: House, team: str) -> bytes:
    """A club's state with one value a little higher."""
    with closing(sqlite3.connect(snapshot_of(made))) as connection:
        (raw,) = connection.execute("SELECT vector FROM team_state WHERE team_id = ?", (team,)).fetchone()
    vector = np.frombuffer(raw, dtype="<f8").copy()
    vector[vector != 0] *= 1.05
    return vector.tobytes()


@pytest.mark.parametrize("forecast_id", [REQUESTED, FIRST_OF_BATCH])
def test_a_forecast_asked_for_and_one_of_the_batch_come_out_as_they_were_recorded(
    kept: House, monkeypatch: pytest.MonkeyPatch, forecast_id: int
) -> None:
    at(kept, monkeypatch)
    said = replay(str(forecast_id))
    row = row_of(kept, forecast_id)
    assert "all are equal" in said
    assert "DIFFERS" not in said
    for shown in (row.hash, row.previous_hash, row.forecast.snapshot_hash, row.forecast.probabilities.home.hex()):
        assert said.count(shown) >= 2
    assert (row.forecast.cause is Cause.REQUESTED) == (forecast_id == REQUESTED)


def test_a_whole_ledger_comes_out_as_it_was_recorded(kept: House, monkeypatch: pytest.MonkeyPatch) -> None:
    at(kept, monkeypatch)
    rows = len(list(ledger_of(kept).rows()))
    assert rows == len(house.fixtures())
    assert f"{rows} forecasts replayed, {rows} equal, 0 not" in replay("--all")


def test_forecasts_of_the_compiled_pass_over_columns_come_out_of_the_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch reads all rows in one pass; replay reads one at a time from the published state."""
    made = House(tmp_path)
    at(made, monkeypatch)
    made.promote(1)
    made.fill_database()
    bundle = load_bundle(house.bundle_files(1))
    finished, future = tables()
    batch = forecast_tables(finished, future, bundle, AS_OF, code_revision="c1", cause=Cause.NEW_MODEL)
    teams = pa.table({"team_id": ["england:newtown"], "name": ["Newtown"], "country": ["england"], "aliases": [[""]]})
    publish(batch, teams, bundle, made.objects, NOW)
    ledger_of(made).append(batch.forecasts, lambda: NOW)
    assert len({f.probabilities for f in batch.forecasts}) > 1
    assert f"{len(future)} forecasts replayed, {len(future)} equal, 0 not" in replay("--all")


def test_a_forecast_made_by_a_model_promoted_after_the_snapshot_replays(here: House) -> None:
    """The snapshot was published with the model before; its state serves the new one just as well."""
    here.promote(2)
    snapshot = open_snapshot(house.snapshot_file(here.folder / "t.sqlite", seed=1))
    later = load_bundle(house.bundle_files(2))
    asked = Pairing("Gate", "Westfield", ENGLAND, NOW.replace(day=9))
    made = forecast_for(asked, bundle=later, snapshot=snapshot, code_revision="c1", now=NOW).forecast
    (row,) = ledger_of(here).append([made], lambda: NOW)
    assert later.version not in snapshot_of(here).name
    assert "all are equal" in replay(str(row.forecast_id))


def test_a_changed_probability_is_named_with_both_values(here: House) -> None:
    was = row_of(here, REQUESTED).forecast.probabilities.home
    change(here, "home_prob", 0.5)
    said = replay(str(REQUESTED), code=1)
    assert f"home_prob was recorded as {(0.5).hex()} and comes out as {was.hex()}" in said


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("away_team", "england:kingsport-town", "home_prob"),
        ("cause", "new_model", "hash"),
        ("code_revision", "c2", "hash"),
        ("recorded_at", "2025-03-01 08:00:00.000000", "hash"),
        ("hash", "0" * 64, "hash"),
        ("previous_hash", "1" * 64, "previous_hash"),
        ("as_of", "2025-02-01 00:00:00.000000", "as_of"),
    ],
)
def test_a_changed_column_is_noticed(here: House, column: str, value: str, named: str) -> None:
    change(here, column, value)
    assert f"forecast {REQUESTED} differs: {named} was recorded as" in replay(str(REQUESTED), code=1)


def test_a_whole_ledger_names_each_row_that_differs_and_goes_on(here: House) -> None:
    change(here, "draw_prob", 0.25, FIRST_OF_BATCH)
    change(here, "hash", "f" * 64, FIRST_OF_BATCH + 1)
    said = replay("--all", code=1)
    rows = len(house.fixtures())
    assert f"forecast {FIRST_OF_BATCH} differs: draw_prob" in said
    assert f"forecast {FIRST_OF_BATCH + 1} differs: hash" in said
    assert f"forecast {FIRST_OF_BATCH + 2} differs: previous_hash" in said
    assert f"{rows} forecasts replayed, {rows - 3} equal, 3 not" in said


@pytest.mark.parametrize("team", ["england:northgate-united", "spain:real-costa"])
def test_a_changed_state_is_noticed_even_of_a_club_that_does_not_play(here: House, team: str) -> None:
    change_snapshot(here, "UPDATE team_state SET vector = ? WHERE team_id = ?", raised(here, team), team)
    said = replay(str(REQUESTED), code=1)
    assert f"snapshot_hash was recorded as {row_of(here, REQUESTED).forecast.snapshot_hash}" in said
    home = next(line for line in said.splitlines() if "home_prob" in line)
    assert ("DIFFERS" in home) == (team == "england:northgate-united")


def test_a_snapshot_whose_content_is_not_what_its_name_says_is_refused(here: House) -> None:
    file = snapshot_of(here)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert f"snapshots/{file.name} was altered" in replay(str(REQUESTED), code=1)


def test_a_lost_snapshot_is_named(here: House) -> None:
    snapshot_of(here).unlink()
    said = replay(str(REQUESTED), code=1)
    assert f"snapshots/{row_of(here, REQUESTED).forecast.snapshot_hash}-*" in said
    assert "is gone: put it back" in said


def test_a_snapshot_of_other_feature_code_says_which_revision_to_check_out(here: House) -> None:
    change_snapshot(here, "UPDATE meta SET value = ? WHERE key = 'code_hash'", "f" * 64)
    said = replay(str(REQUESTED), code=1)
    assert "made by feature code ffffffffffff" in said
    assert "git checkout c1" in said


def test_where_the_revision_is_unknown_replay_says_so(here: House) -> None:
    change(here, "code_revision", "unknown")
    change_snapshot(here, "UPDATE meta SET value = ? WHERE key = 'code_hash'", "f" * 64)
    assert "the ledger does not know its git revision" in replay(str(REQUESTED), code=1)


def test_a_changed_coefficient_is_refused_by_name(here: House) -> None:
    folder = here.folder / "objects" / "models" / row_of(here, REQUESTED).forecast.model_version
    linear = json.loads((folder / "linear.json").read_text())
    linear["intercepts"][0] += 0.01
    (folder / "linear.json").write_text(json.dumps(linear))
    assert "linear.json of model bundle" in replay(str(REQUESTED), code=1)


def test_another_bundle_in_the_place_of_the_recorded_one_is_noticed(here: House) -> None:
    """A bundle that is whole in itself has another version, whatever folder it stands in."""
    recorded = row_of(here, REQUESTED).forecast.model_version
    for name, content in house.bundle_files(3).items():
        here.objects.put(f"models/{recorded}/{name}", content)
    other = load_bundle(house.bundle_files(3)).version
    said = replay(str(REQUESTED), code=1)
    assert f"model_version was recorded as {recorded} and comes out as {other}" in said
    assert "DIFFERS" in next(line for line in said.splitlines() if "home_prob" in line)


def test_a_lost_bundle_is_named_with_the_way_to_get_it_back(here: House) -> None:
    version = row_of(here, REQUESTED).forecast.model_version
    (here.folder / "objects" / "models" / version / "golden.json").unlink()
    said = replay(str(REQUESTED), code=1)
    assert f"models/{version}/golden.json" in said
    assert f"matchcast promote {version}" in said


def test_a_bundle_of_other_code_says_which_revision_to_check_out(here: House) -> None:
    later = here.promote_unchecked(house.bundle_files(1, later=True)).version
    change(here, "model_version", later)
    said = replay(str(REQUESTED), code=1)
    assert "of a form this code does not know" in said
    assert "git checkout c1" in said


@pytest.mark.parametrize(
    ("words", "told"), [(("99",), "no forecast 99"), ((), "or --all"), (("1", "--all"), "or --all")]
)
def test_what_cannot_be_asked_is_refused(
    kept: House, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: str
) -> None:
    at(kept, monkeypatch)
    assert told in replay(*words, code=1)


def test_an_id_no_database_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert "9223372036854775807" in replay("9" * 26, code=2)


def test_no_copy_of_a_snapshot_outlives_its_reading(
    kept: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A ledger names as many snapshots as there were batches; what is open goes on without its file."""
    at(kept, monkeypatch)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with _replayer() as replayer:
        for forecast_id in (REQUESTED, FIRST_OF_BATCH):
            assert replayer.replay(forecast_id).difference is None
            assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_state_read_back_from_a_snapshot_is_the_state_that_was_written(tmp_path: Path) -> None:
    file = house.snapshot_file(tmp_path / "s.sqlite", seed=1)
    state, written = read_state(file, open_snapshot(file)), house.passed().state
    assert state.hash == written.hash
    assert state.pairs.tobytes() == written.pairs.tobytes()
    assert replace(state, as_of=0).hash != state.hash


def test_a_snapshot_that_names_an_unknown_club_holds_no_whole_state(tmp_path: Path) -> None:
    file = house.snapshot_file(tmp_path / "s.sqlite", seed=1)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DELETE FROM team_state WHERE team_id = 'spain:real-costa'")
    with pytest.raises(SnapshotBroken, match="no whole state"):
        read_state(file, open_snapshot(file))


def test_of_two_snapshots_with_one_state_either_will_do(here: House) -> None:
    """A new champion publishes the same state again with its own forecasts."""
    other = load_bundle(house.bundle_files(2))
    content = house.snapshot_file(here.folder / "u.sqlite", seed=2).read_bytes()
    publish_snapshot(
        here.objects, content, state_hash=house.passed().state.hash, as_of=AS_OF, model_version=other.version,
        run_id=other.run_id, published_at=NOW,
    )  # fmt: skip
    assert len(here.objects.keys("snapshots/")) == 3
    assert "all are equal" in replay(str(FIRST_OF_BATCH))


def tables() -> tuple[pa.Table, pa.Table]:
    """The house's games as the pipeline's tables of finished and of future matches."""
    games = house.games()
    table = pa.table(
        {
            "match_id": [g.id for g in games],
            "tournament_id": [g.tournament for g in games],
            "season": [g.season for g in games],
            "kickoff_at": pa.array([g.kickoff_at for g in games], pa.timestamp("us", "UTC")),
            "kickoff_known": [g.kickoff_at.hour != 0 for g in games],
            "home_team_id": [g.home for g in games],
            "away_team_id": [g.away for g in games],
            "match_day": pa.array([g.kickoff_at.date() for g in games], pa.date32()),
            "status": pa.array([6 if g.score else 1 for g in games], pa.int8()),
            "home_goals": pa.array([g.score[0] if g.score else None for g in games], pa.int16()),
            "away_goals": pa.array([g.score[1] if g.score else None for g in games], pa.int16()),
            **{
                name: pa.array([g.stats[i] if g.score else None for g in games], pa.float64())
                for i, name in enumerate(STAT_NAMES)
            },
        }
    )
    finished = np.array([g.score is not None for g in games])
    return table.filter(pa.array(finished)), table.filter(pa.array(~finished))
