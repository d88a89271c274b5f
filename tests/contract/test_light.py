"""The database by its driver alone does what it does by SQLAlchemy, on both databases."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from matchcast.adapters.database.api_keys import SqlApiKeys
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.database.light import LightDatabase
from matchcast.adapters.database.light_ports import LightApiKeys, LightLedger
from matchcast.adapters.database.patience import Patience
from matchcast.adapters.database.records import FORECAST_COLUMNS
from matchcast.domain.forecast import LedgerRow
from matchcast.errors import BadInput, Unavailable
from tests.contract.matches import KICKOFF, LATER, NOW
from tests.contract.test_ledger import forecast, is_chain

BEFORE = KICKOFF - timedelta(days=1)
HURRIED = Patience(lock=0.2, statement=0.2, idle=10)


@pytest.fixture
def light(database_url: str) -> Iterator[LightDatabase]:
    opened = LightDatabase(database_url)
    yield opened
    opened.close()


def stored(database: Database) -> list[tuple[Any, ...]]:
    """All rows of the ledger as the database holds them, but for what each has of its own."""
    query = text(f"SELECT {', '.join(FORECAST_COLUMNS[1:-2])} FROM forecasts ORDER BY forecast_id")
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(query)]


def ids(rows: Sequence[LedgerRow | None]) -> list[int | None]:
    return [None if row is None else row.forecast_id for row in rows]


def test_a_row_is_the_same_to_the_byte_whoever_appends_it(database: Database, light: LightDatabase) -> None:
    day_alone = replace(forecast(8), fixture=replace(forecast(8).fixture, kickoff_known=False, season=None))
    new = [forecast(), forecast(None, 1 / 3), day_alone]
    first = LightLedger(light).record(new, lambda: BEFORE)
    assert first[-1] is not None
    assert SqlLedger(database).append(new, lambda: BEFORE)[0].previous_hash == first[-1].hash
    rows = stored(database)
    for ours, theirs in zip(rows[:3], rows[3:], strict=True):
        assert [type(value) for value in ours] == [type(value) for value in theirs]
        assert ours == theirs
    assert list(SqlLedger(database).rows())[:3] == first
    assert is_chain(list(SqlLedger(database).rows()))


def test_appenders_of_both_kinds_make_one_chain(database: Database, database_url: str) -> None:
    light = LightDatabase(database_url)

    def append(number: int) -> None:
        ledger = SqlLedger(database) if number % 2 else LightLedger(light)
        for turn in range(0, 10, 2):
            ledger.record([forecast(1000 * number + turn + one) for one in (0, 1)], lambda: BEFORE)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(8)))
    light.close()
    rows = list(SqlLedger(database).rows())
    assert [row.forecast_id for row in rows] == list(range(1, 81))
    assert is_chain(rows)


def test_appending_nothing_opens_nothing(tmp_path: Path) -> None:
    assert LightLedger(LightDatabase(f"sqlite:///{tmp_path}/none.db")).record([], lambda: BEFORE) == []


def test_an_append_that_fails_adds_no_row_and_the_next_one_goes_on(database: Database, light: LightDatabase) -> None:
    broken = forecast(9)
    object.__setattr__(broken, "code_revision", None)
    with pytest.raises(Exception, match="code_revision") as caught:
        LightLedger(light).record([forecast(8), broken], lambda: BEFORE)
    assert type(caught.value).__name__ in ("IntegrityError", "NotNullViolation")
    assert stored(database) == []
    assert ids(LightLedger(light).record([forecast()], lambda: BEFORE)) == [1]


def test_active_keys_are_the_same_whoever_reads_them(database: Database, light: LightDatabase) -> None:
    keys = SqlApiKeys(database)
    keys.create("for ever", frozenset({"predict", "ingest"}), NOW)
    keys.create("for a while", frozenset({"predict"}), NOW, LATER)
    revoked = keys.create("revoked", frozenset({"predict"}), NOW)
    keys.revoke(revoked.key.key_id, LATER - timedelta(hours=1))
    instants = (NOW, LATER - timedelta(hours=1), LATER - timedelta(microseconds=1), LATER)
    for instant, active in zip(instants, (3, 2, 2, 1), strict=True):
        found = list(LightApiKeys(light).active(instant))
        assert found == list(keys.active(instant))
        assert len(found) == active


@pytest.mark.parametrize("change", ["DROP TABLE alembic_version", "UPDATE alembic_version SET version_num = '9999'"])
def test_a_database_that_is_not_ours_is_told_in_the_same_words(
    database: Database, database_url: str, change: str
) -> None:
    with database.writing() as connection:
        connection.execute(text(change))
    told = []
    for read in (SqlApiKeys(Database(database_url)), LightApiKeys(LightDatabase(database_url))):
        with pytest.raises(Unavailable) as caught:
            read.active(NOW)
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert "; point MATCHCAST_DATABASE_URL elsewhere" in told[0] or "; update Matchcast" in told[0]


def test_a_database_that_is_not_there_is_told_in_the_same_words(tmp_path: Path) -> None:
    for url in (
        f"sqlite:///{tmp_path}/none.db",
        f"sqlite:///{tmp_path}/no%20ne.db",
        "postgresql://app:secret@127.0.0.1:1/none",
    ):
        told = []
        for read in (SqlApiKeys(Database(url)), LightApiKeys(LightDatabase(url))):
            with pytest.raises(Unavailable) as caught:
                read.active(NOW)
            told.append(str(caught.value))
        assert told[0] == told[1]
        assert "secret" not in told[0]


def test_a_file_that_is_no_database_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all" * 100)
    with pytest.raises(Unavailable, match="move it away and run `matchcast migrate`"):
        LightApiKeys(LightDatabase(f"sqlite:///{tmp_path}/text.db")).active(NOW)


@pytest.mark.parametrize(
    "url", ["mysql://secret@host/x", "sqlite://", "sqlite:///:memory:", "sqlite:///x.db?mode=ro", "secret"]
)
def test_an_address_of_another_form_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(BadInput, match="MATCHCAST_DATABASE_URL") as caught:
        LightDatabase(url)
    assert "secret" not in str(caught.value) or url == "secret"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://u:p%40@h:5/db?sslmode=disable&password=zzz", "postgresql://u:***@h:5/db?sslmode=disable"),
        ("postgresql+psycopg:///db?host=/tmp/s", "postgresql:///db?host=%2Ftmp%2Fs"),
        ("postgres://[::1]:5/x", "postgresql://[::1]:5/x"),
    ],
)
def test_a_place_is_told_without_its_password(url: str, place: str) -> None:
    assert LightDatabase(url).place == place


def test_a_lock_is_waited_for_no_longer_than_said_and_then_had(database: Database, database_url: str) -> None:
    hurried = LightDatabase(database_url, patience=HURRIED)
    LightLedger(hurried).record([forecast()], lambda: BEFORE)
    with database.writing() as connection:
        if not database.is_sqlite:
            connection.execute(text("LOCK TABLE forecasts"))
        for _ in range(6):
            with pytest.raises(Unavailable, match="try again"):
                LightLedger(hurried).record([forecast()], lambda: BEFORE)
    assert ids(LightLedger(hurried).record([forecast(9)], lambda: BEFORE)) == [2]
    hurried.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_connections_that_the_server_closed_are_opened_anew(database_url: str, light: LightDatabase) -> None:
    ledger = LightLedger(light)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: ledger.record([forecast(number)], lambda: BEFORE), range(8)))
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert ids(ledger.record([forecast(8)], lambda: BEFORE)) == [9]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_lost_in_a_transaction_is_unavailable_and_the_next_one_is_new(light: LightDatabase) -> None:
    with pytest.raises(Unavailable), light.writing() as statements:
        statements.rows("SELECT pg_terminate_backend(pg_backend_pid())")
    with light.reading() as statements:
        assert statements.rows("SELECT 1") == [(1,)]


def test_no_more_connections_stay_open_than_are_kept(database_url: str, light: LightDatabase) -> None:
    def held(depth: int) -> None:
        if depth:
            with light.reading():
                held(depth - 1)

    held(9)
    assert len(light._idle) == 4


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_keys_and_ledger_are_reached_without_sqlalchemy(database_url: str) -> None:
    script = (
        "import sys; from datetime import datetime, UTC\n"
        "from matchcast.adapters.database.light import LightDatabase\n"
        "from matchcast.adapters.database.light_ports import LightApiKeys, LightLedger\n"
        f"print(list(LightApiKeys(LightDatabase({database_url!r})).active(datetime.now(UTC))))\n"
        "print([name for name in ('sqlalchemy', 'psycopg', 'alembic', 'numpy') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines() == ["[]", "[]"]
