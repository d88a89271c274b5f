"""Exports, on both databases."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy.exc import ProgrammingError
from typer.testing import CliRunner

from commands.main import app
from matchcast.adapters.database.contents import SqlContents
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.parquet_export import MATCHES_SCHEMA, ParquetExport
from matchcast.domain.match import Odds, OddsMoment
from matchcast.errors import Unavailable
from matchcast.ports import ExportManifest
from matchcast.usecases.export import export
from tests.contract.matches import ALIASES, KICKOFF, LATER, NOW, TEAMS, fixture, told

ROWS = [
    told(odds=(Odds("B365", OddsMoment.OPENING, 1.9, 3.4, 4.2), Odds("WH", OddsMoment.OPENING, 2.0, 3.0, 4.0))),
    told("Chelsea", "Everton", kickoff_at=KICKOFF - timedelta(days=7), stats=None, odds=()),
    fixture("Everton", "Arsenal", kickoff_at=KICKOFF + timedelta(days=200)),
]


def write(database: Database, folder: Path, as_of: datetime = NOW) -> tuple[ExportManifest, pa.Table]:
    manifest = export(SqlContents(database), ParquetExport(folder), as_of)
    return manifest, pq.read_table(folder / "matches.parquet")


@pytest.fixture
def filled(database: Database) -> Database:
    SqlMatchStore(database).load(ROWS, TEAMS, ALIASES, NOW)
    return database


def test_everything_stored_is_exported_in_order(filled: Database, tmp_path: Path) -> None:
    manifest, table = write(filled, tmp_path / "export")
    assert table.schema.equals(MATCHES_SCHEMA)
    rows = table.to_pylist()
    assert [row["status"] for row in rows] == [6, 6, 1]
    assert (rows[1]["home_goals"], rows[1]["home_shots"], rows[1]["home_corners"]) == (2, 10, None)
    assert (rows[1]["odds_opening_B365_home"], rows[1]["odds_closing_B365_home"]) == (1.9, None)
    assert rows[0]["home_shots"] is None
    assert pq.read_table(tmp_path / "export/teams.parquet").to_pylist()[0] == {
        "team_id": "england:arsenal", "name": "Arsenal", "country": "england", "aliases": [],
    }  # fmt: skip
    assert pq.read_table(tmp_path / "export/tournaments.parquet")["tournament_id"].to_pylist() == [
        "england:premier-league"
    ]
    assert manifest.files["matches.parquet"].rows == 3


def test_the_manifest_tells_the_hash_of_each_file(filled: Database, tmp_path: Path) -> None:
    manifest, _ = write(filled, tmp_path / "export")
    written = json.loads((tmp_path / "export/manifest.json").read_text())
    assert (written["as_of"], written["data_version"]) == (NOW.isoformat(), manifest.data_version)
    for name, file in written["files"].items():
        assert file["sha256"] == hashlib.sha256((tmp_path / "export" / name).read_bytes()).hexdigest()


def test_the_latest_export_of_the_object_store_is_of_the_latest_instant(
    filled: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever was made last: a run for a day long past leaves it alone."""
    monkeypatch.setenv("MATCHCAST_DATABASE_URL", database_url)
    monkeypatch.setenv("MATCHCAST_OBJECTS_URL", str(tmp_path / "objects"))

    def latest_after(as_of: datetime) -> datetime:
        given = ["export", "--as-of", as_of.isoformat(), "--to", str(tmp_path / "export"), "--store"]
        done = CliRunner().invoke(app, given)
        assert done.exit_code == 0, done.output
        told = json.loads((tmp_path / "objects/exports/latest.json").read_text())
        return datetime.fromisoformat(told["as_of"])

    day = timedelta(days=1)
    assert [latest_after(at) for at in (NOW, NOW - day, NOW + day)] == [NOW, NOW, NOW + day]


def test_a_result_not_known_yet_is_not_told(filled: Database, tmp_path: Path) -> None:
    _, table = write(filled, tmp_path / "export", KICKOFF + timedelta(hours=2, minutes=59))
    later = table.to_pylist()[1]
    assert later["status"] == 1
    assert [later[name] for name in ("home_goals", "away_goals", "home_shots", "odds_opening_B365_home")] == [None] * 4
    assert table.to_pylist()[0]["home_goals"] == 2


def test_an_export_tells_the_same_whatever_happened_after_its_instant(filled: Database, tmp_path: Path) -> None:
    before = KICKOFF - timedelta(days=1)
    first, _ = write(filled, tmp_path / "one", before)
    SqlMatchStore(filled).load([told(home_goals=9, away_goals=9, stats=None, odds=())], [], [], LATER)
    second, _ = write(filled, tmp_path / "two", before)
    assert first.data_version == second.data_version
    assert write(filled, tmp_path / "three")[0].data_version != second.data_version


def test_equal_contents_give_equal_bytes_whenever_they_were_loaded(
    filled: Database, tmp_path: Path, migrated_sqlite: Path
) -> None:
    write(filled, tmp_path / "one")
    other_file = tmp_path / "other.db"
    other_file.write_bytes(migrated_sqlite.read_bytes())
    other = Database(f"sqlite:///{other_file}")
    for row in reversed(ROWS):
        SqlMatchStore(other).load([row], TEAMS, ALIASES, LATER)
    write(other, tmp_path / "two")
    other.close()
    for name in ("matches.parquet", "teams.parquet", "tournaments.parquet", "manifest.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_export_replaces_the_one_before_and_leaves_nothing_else(filled: Database, tmp_path: Path) -> None:
    write(filled, tmp_path / "out/export", KICKOFF)
    write(filled, tmp_path / "out/export", NOW)
    assert json.loads((tmp_path / "out/export/manifest.json").read_text())["as_of"] == NOW.isoformat()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["export"]


def test_a_reader_finds_a_whole_export_at_every_moment_and_after_a_kill(migrated_sqlite: Path, tmp_path: Path) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "matchcast.db")
    database = Database(f"sqlite:///{tmp_path}/matchcast.db")
    SqlMatchStore(database).load(ROWS, TEAMS, ALIASES, NOW)
    write(database, tmp_path / "out/export")
    manifest = tmp_path / "out/export/manifest.json"
    again_and_again = (
        "import sys, pathlib; from tests.contract.test_export import *\n"
        "while True: write(Database(sys.argv[1]), pathlib.Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", again_and_again, str(database.url), str(manifest.parent)]
    exporting = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    try:
        seen = {manifest.stat().st_mtime_ns}
        while len(seen) < 30 and exporting.poll() is None:
            assert json.loads(manifest.read_text())["as_of"] == NOW.isoformat()
            seen.add(manifest.stat().st_mtime_ns)
    finally:
        exporting.send_signal(signal.SIGKILL)
    assert exporting.wait() == -signal.SIGKILL
    for name, file in json.loads(manifest.read_text())["files"].items():
        assert file["sha256"] == hashlib.sha256((manifest.parent / name).read_bytes()).hexdigest()
    write(database, manifest.parent, LATER)
    assert json.loads(manifest.read_text())["as_of"] == LATER.isoformat()
    database.close()


def test_a_failed_export_leaves_the_old_one(filled: Database, tmp_path: Path) -> None:
    write(filled, tmp_path / "out/export")
    old = (tmp_path / "out/export/manifest.json").read_bytes()
    with filled.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE odds RENAME TO gone")
    with pytest.raises((Unavailable, ProgrammingError)):  # the driver's own word for a table that is gone
        write(filled, tmp_path / "out/export", LATER)
    assert (tmp_path / "out/export/manifest.json").read_bytes() == old
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["export"]
