"""Forecasts that are asked for are recorded once, by either way to the ledger, on both databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.database.light import LightDatabase
from matchcast.adapters.database.light_ports import LightLedger
from matchcast.domain.forecast import Cause, Forecast
from matchcast.ports import LedgerEnd
from tests.contract.matches import KICKOFF
from tests.contract.test_ledger import forecast, is_chain

SECOND = timedelta(seconds=1)
NOW = KICKOFF - timedelta(days=1)


@pytest.fixture(params=["light", "sql"])
def ledger(request: pytest.FixtureRequest, database: Database, database_url: str) -> Iterator[LedgerEnd]:
    if request.param == "sql":
        yield SqlLedger(database)
        return
    light = LightDatabase(database_url)
    yield LightLedger(light)
    light.close()


def about(made: Forecast, **changes: Any) -> Forecast:
    """The forecast of another fixture."""
    return replace(made, fixture=replace(made.fixture, **changes))


def ids(ledger: LedgerEnd, *asked: Forecast, now: datetime = NOW) -> list[int | None]:
    return [None if row is None else row.forecast_id for row in ledger.record(asked, lambda: now)]


@pytest.mark.parametrize("match_id", [7, None])
def test_the_same_forecast_is_the_same_row(ledger: LedgerEnd, database: Database, match_id: int | None) -> None:
    """Whenever, why and by which revision of the code it was made."""
    first = forecast(match_id)
    later = replace(first, as_of=KICKOFF - SECOND, cause=Cause.NEW_RESULTS, code_revision="other")
    assert ids(ledger, first, later, first) == [1, 1, 1]
    assert ids(ledger, later) == [1]
    (row,) = ledger.record([later], lambda: NOW + SECOND)
    assert row == SqlLedger(database).find(1)
    assert row is not None
    assert (row.forecast, row.recorded_at) == (first, NOW)


@pytest.mark.parametrize("match_id", [7, None])
def test_another_fixture_model_or_state_is_another_row(
    ledger: LedgerEnd, database: Database, match_id: int | None
) -> None:
    first = forecast(match_id)
    others = [
        about(first, home_team="england:fulham"), about(first, kickoff_at=KICKOFF + SECOND), about(first, season=2023),
        about(first, kickoff_known=False), about(first, tournament="england:fa-cup"),
        about(first, match_id=None if match_id else 7), replace(first, model_version="v2"),
        replace(first, snapshot_hash="other"),
    ]  # fmt: skip
    assert ids(ledger, first, *others) == list(range(1, 10))
    assert ids(ledger, *others, first) == [*range(2, 10), 1]
    assert is_chain(list(SqlLedger(database).rows()))


def test_a_comparison_is_a_row_of_its_own(ledger: LedgerEnd) -> None:
    compared = replace(forecast(), cause=Cause.COMPARED)
    assert ids(ledger, compared, forecast(), compared, replace(forecast(), cause=Cause.NEW_MODEL)) == [1, 2, 1, 2]


def test_nothing_is_recorded_once_the_match_has_begun(ledger: LedgerEnd, database: Database) -> None:
    """The others are; where only the day is known, until it ends."""
    day_alone = about(forecast(8), kickoff_known=False)
    assert ids(ledger, forecast(), day_alone, now=KICKOFF) == [None, 1]
    assert ids(ledger, day_alone, now=KICKOFF + timedelta(days=1)) == [None]
    assert ids(ledger, forecast(), now=KICKOFF - SECOND) == [2]
    assert len(list(SqlLedger(database).rows())) == 2


def test_the_clock_is_asked_while_nobody_else_can_write(ledger: LedgerEnd, database: Database) -> None:
    """So the times at which rows were recorded never go back along the chain."""
    ticks = iter(range(1000))

    def clock() -> datetime:
        return NOW + next(ticks) * SECOND

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: ledger.record([forecast(number)], clock), range(24)))
    rows = list(SqlLedger(database).rows())
    assert [row.recorded_at for row in rows] == [NOW + number * SECOND for number in range(24)]


def test_at_once_they_record_it_once(ledger: LedgerEnd, database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: ids(ledger, forecast(), forecast(None)), range(16)))
    assert told == [[1, 2]] * 16
    assert len(list(SqlLedger(database).rows())) == 2


def test_many_are_looked_for_at_once(ledger: LedgerEnd) -> None:
    many = [about(forecast(None), kickoff_at=KICKOFF + number * SECOND) for number in range(1300)]
    assert ids(ledger, *many) == list(range(1, 1301))
    assert ids(ledger, *many) == list(range(1, 1301))


def test_hashes_are_told_of_rows_that_there_are(ledger: LedgerEnd) -> None:
    first, second = ledger.record([forecast(), forecast(8)], lambda: NOW)
    assert first is not None
    assert second is not None
    assert ledger.hashes([2, 1, 3]) == {1: first.hash, 2: second.hash}
    assert ledger.hashes([]) == {}
