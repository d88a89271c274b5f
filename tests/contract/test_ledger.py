"""The chain of forecasts, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.domain.forecast import GENESIS_HASH, Cause, Forecast, LedgerRow, Probabilities, ledger_hash
from matchcast.domain.match import Fixture
from matchcast.ports import Clock
from tests.contract.matches import KICKOFF, NOW


def forecast(match_id: int | None = 7, home: float = 0.1 + 0.2) -> Forecast:
    fixture = Fixture("england:premier-league", "england:arsenal", "england:chelsea", KICKOFF, 2024, match_id)
    return Forecast(fixture, NOW, Probabilities(home, 0.3, 0.4), "v1", "snapshot", "abc123", Cause.REQUESTED)


def clock_at(instant: datetime) -> Clock:
    return lambda: instant


def is_chain(rows: list[LedgerRow]) -> bool:
    linked = all(later.previous_hash == earlier.hash for earlier, later in pairwise(rows))
    starts = not rows or rows[0].previous_hash == GENESIS_HASH
    return linked and starts and all(r.hash == ledger_hash(r.forecast, r.recorded_at, r.previous_hash) for r in rows)


def test_rows_come_back_as_they_were_appended(database: Database) -> None:
    ledger = SqlLedger(database)
    added = ledger.append([forecast(), forecast(None, 1 / 3)], lambda: NOW)
    assert list(ledger.rows()) == added
    assert [row.forecast_id for row in added] == [1, 2]
    assert added[1].forecast.probabilities.home == 1 / 3
    assert is_chain(list(ledger.rows()))


def test_a_later_append_continues_the_chain(database: Database, database_url: str) -> None:
    first = SqlLedger(database).append([forecast()], lambda: NOW)
    restarted = Database(database_url)
    second = SqlLedger(restarted).append([forecast()], lambda: NOW)
    restarted.close()
    assert second[0].previous_hash == first[0].hash
    assert is_chain(list(SqlLedger(database).rows()))


def test_history_lists_one_match_oldest_first(database: Database) -> None:
    ledger = SqlLedger(database)
    for minute, match_id in enumerate((7, 8, 7)):
        ledger.append([forecast(match_id)], clock_at(NOW + timedelta(minutes=minute)))
    assert [row.forecast_id for row in ledger.history(7)] == [1, 3]
    assert ledger.history(9) == []
    assert ledger.find(2) == ledger.history(8)[0]
    assert ledger.find(99) is None


def test_appending_nothing_writes_nothing(database: Database) -> None:
    assert SqlLedger(database).append([], lambda: NOW) == []
    assert list(SqlLedger(database).rows()) == []


def test_concurrent_appenders_make_one_chain(database_url: str) -> None:
    """Eight appenders with connections of their own, ten forecasts each in pairs: no row is lost, no link broken."""

    def append(number: int) -> None:
        own = Database(database_url)
        for _ in range(5):
            SqlLedger(own).append([forecast(number), forecast(number)], lambda: NOW)
        own.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(8)))
    database = Database(database_url)
    rows = list(SqlLedger(database).rows())
    database.close()
    assert [row.forecast_id for row in rows] == list(range(1, 81))
    assert is_chain(rows)
    appender = [row.forecast.fixture.match_id for row in rows]
    assert appender[::2] == appender[1::2]


@pytest.mark.parametrize("statement", ["UPDATE forecasts SET home_prob = 1", "DELETE FROM forecasts"])
def test_rows_cannot_be_changed_or_deleted(database: Database, statement: str) -> None:
    added = SqlLedger(database).append([forecast()], lambda: NOW)
    with pytest.raises(DBAPIError, match="never changed or deleted"), database.writing() as connection:
        connection.execute(text(statement))
    assert list(SqlLedger(database).rows()) == added


def test_an_append_that_fails_adds_no_row(database: Database) -> None:
    broken = forecast()
    object.__setattr__(broken, "model_version", None)
    with pytest.raises(IntegrityError):
        SqlLedger(database).append([forecast(), broken], lambda: NOW)
    assert list(SqlLedger(database).rows()) == []


def test_more_rows_than_one_read_takes_come_in_order(database: Database) -> None:
    added = SqlLedger(database).append([forecast()] * 2500, lambda: NOW)
    assert list(SqlLedger(database).rows()) == added
