"""Whatever is changed in the ledger, on either database, `matchcast ledger verify` names the row."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, Double, Table, Text, select, text
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner, Result

from commands.main import app
from matchcast.adapters.database.chains import SqlChains
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.database.records import (
    FORECAST_COLUMNS,
    SETTLEMENT_COLUMNS,
    forecast_values,
    settlement_row,
    settlement_values,
)
from matchcast.adapters.database.tables import Instant, forecasts, settlements
from matchcast.domain.forecast import GENESIS_HASH, Cause, chained, ledger_hash
from matchcast.domain.match import MatchStatus
from matchcast.domain.settlement import chained_settlements
from matchcast.usecases.ledger import Broken, Verified, verify
from tests.contract.matches import KICKOFF, told
from tests.contract.settling import BEFORE, CLOSING, NOW, Place
from tests.contract.tampering import unguarded, write_settlements

CHAINS = {"forecasts": forecasts, "settlements": settlements}
KEY = {"forecasts": "forecast_id", "settlements": "settlement_id"}


@pytest.fixture
def place(database: Database) -> Place:
    return filled(database)


def filled(database: Database) -> Place:
    """Five forecasts and four settlements: a correction, and a result taken back."""
    place = Place(database)
    place.load(told(odds=CLOSING), told("Chelsea", "Arsenal", odds=CLOSING), told("Everton", "Arsenal", odds=CLOSING))
    first, second, third = (
        place.match_id(*clubs) for clubs in (("arsenal", "chelsea"), ("chelsea", "arsenal"), ("everton", "arsenal"))
    )
    for match_id in (first, second, third, None, first):
        place.forecast(match_id=match_id)
    place.settle(first, second)
    place.load(told("Chelsea", "Arsenal", odds=CLOSING, home_goals=0))
    place.settle(second, id="e2")
    place.declare(MatchStatus.ABANDONED)
    place.settle(id="e3")
    return place


def verified(place: Place, *heads: str) -> Verified:
    return verify(SqlChains(place.database), heads)


def change(place: Place, statement: str) -> None:
    with unguarded(place.database) as connection:
        connection.execute(statement)


def rows(place: Place, table: Table) -> list[dict[str, Any]]:
    with place.database.reading() as connection:
        return [row._asdict() for row in connection.execute(select(table).order_by(*table.primary_key))]


def test_what_nobody_changed_is_whole_and_tells_its_heads(place: Place) -> None:
    found = verified(place)
    made, settled = rows(place, forecasts), rows(place, settlements)
    assert (len(made), len(settled)) == (5, 7)
    assert found.whole
    assert found.forecasts == (5, made[-1]["hash"], None)
    assert found.settlements == (7, settled[-1]["hash"], None)
    assert verified(place, made[2]["hash"], settled[0]["hash"], GENESIS_HASH).whole, (
        "heads noted earlier are still there"
    )


def test_an_empty_ledger_is_whole(database: Database) -> None:
    assert verify(SqlChains(database)) == ((0, GENESIS_HASH, None), (0, GENESIS_HASH, None), ())


def other(column: Column[Any], *, is_sqlite: bool) -> str:
    """An SQL expression for the least change of a column."""
    name = column.name
    if isinstance(column.type, Boolean):
        return f"NOT {name}"
    if isinstance(column.type, Double):
        return f"{name} + 1e-15"
    if isinstance(column.type, Instant):
        return f"substr({name}, 1, 25) || '7'" if is_sqlite else f"{name} + interval '1 microsecond'"
    return f"{name} || ' '" if isinstance(column.type, Text) else f"{name} + 100"


@pytest.mark.parametrize("column", [pytest.param(c, id=str(c)) for t in CHAINS.values() for c in t.columns])
def test_a_change_of_any_column_is_found(place: Place, column: Column[Any]) -> None:
    """The second row of each chain has a value in every column; the third is where a wrong number of it shows."""
    chain = column.table.name
    assert rows(place, column.table)[1][column.name] is not None
    expression = other(column, is_sqlite=place.database.file is not None)
    change(place, f"UPDATE {chain} SET {column.name} = {expression} WHERE {KEY[chain]} = 2")
    broken = getattr(verified(place), chain).broken
    assert broken is not None
    assert broken.row_id == (3 if column.primary_key else 2)


@pytest.mark.parametrize(
    "column", [pytest.param(c, id=str(c)) for t in CHAINS.values() for c in t.columns if c.nullable]
)
def test_a_value_taken_away_is_found(place: Place, column: Column[Any]) -> None:
    chain = column.table.name
    change(place, f"UPDATE {chain} SET {column.name} = NULL WHERE {KEY[chain]} = 2")
    assert getattr(verified(place), chain).broken.row_id == 2


@pytest.mark.parametrize("value", ["CAST('0.5_0' AS TEXT)", "CAST('0.5' AS BLOB)", "CAST(x'ff' AS TEXT)", "0.5"])
@pytest.mark.parametrize(
    "column", [pytest.param(c, id=str(c)) for t in CHAINS.values() for c in t.columns if not c.primary_key]
)
def test_a_value_of_another_type_is_found_on_sqlite(
    migrated_sqlite: Path, tmp_path: Path, column: Column[Any], value: str
) -> None:
    """Other databases hold no value that is not of its column's type."""
    file = shutil.copy(migrated_sqlite, tmp_path / "copy.db")
    place = filled(Database(f"sqlite:///{file}"))
    chain = column.table.name
    if isinstance(column.type, Double) and value == "0.5":
        value = "0.125"  # 0.5 is what some of these hold
    change(place, f"UPDATE {chain} SET {column.name} = {value} WHERE {KEY[chain]} = 2")
    assert getattr(verified(place), chain).broken.row_id == 2


@pytest.mark.parametrize(
    "column",
    [pytest.param(c, id=str(c)) for t in CHAINS.values() for c in t.columns if isinstance(c.type, Instant)],
)
def test_an_instant_moved_to_before_our_era_is_found(place: Place, column: Column[Any]) -> None:
    name, chain = column.name, column.table.name
    before = f"(to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00 BC')::timestamptz"
    changed = f"'-' || {name}" if place.database.file is not None else before
    change(place, f"UPDATE {chain} SET {name} = {changed} WHERE {KEY[chain]} = 2")
    broken = getattr(verified(place), chain).broken
    assert broken is not None
    assert broken.row_id == 2
    assert f"{name} cannot be read" in broken.fault


@pytest.mark.parametrize("chain", CHAINS)
def test_a_row_with_the_lowest_number_there_is_is_found(place: Place, chain: str) -> None:
    columns = [column.name for column in CHAINS[chain].columns]
    other = {KEY[chain]: "-9223372036854775807 - 1", "hash": "'f'", "revision": "9"}
    values = ", ".join(other.get(name, name) for name in columns)
    change(place, f"INSERT INTO {chain} ({', '.join(columns)}) SELECT {values} FROM {chain} WHERE {KEY[chain]} = 1")
    assert getattr(verified(place), chain).broken == Broken(-(2**63), "it should be row 1")


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize(("gone", "found_at"), [(1, 2), (2, 3), (4, 5)])
def test_a_deleted_row_is_found_at_the_next(place: Place, chain: str, gone: int, found_at: int) -> None:
    change(place, f"DELETE FROM {chain} WHERE {KEY[chain]} = {gone}")
    walked = getattr(verified(place), chain)
    assert walked.rows == gone - 1
    assert walked.broken == Broken(found_at, f"row {gone} is missing before it")


@pytest.mark.parametrize("chain", CHAINS)
def test_a_deleted_row_whose_place_is_closed_up_is_found(place: Place, chain: str) -> None:
    key = KEY[chain]
    change(place, f"DELETE FROM {chain} WHERE {key} = 2")
    for number in range(3, len(rows(place, CHAINS[chain])) + 2):
        change(place, f"UPDATE {chain} SET {key} = {number - 1} WHERE {key} = {number}")
    assert getattr(verified(place), chain).broken == Broken(2, "previous_hash is not the hash of the row before")


@pytest.mark.parametrize("chain", CHAINS)
def test_two_rows_that_change_places_are_found(place: Place, chain: str) -> None:
    key = KEY[chain]
    for before, after in ((2, -1), (3, 2), (-1, 3)):
        change(place, f"UPDATE {chain} SET {key} = {after} WHERE {key} = {before}")
    assert getattr(verified(place), chain).broken.row_id == 2


@pytest.mark.parametrize("chain", CHAINS)
def test_an_end_that_was_cut_off_shows_against_a_head_noted_before(place: Place, chain: str) -> None:
    noted = getattr(verified(place), chain).head
    last = len(rows(place, CHAINS[chain]))
    if chain == "forecasts":  # its last row is settled: whoever hides it hides the settlements too
        change(place, f"DELETE FROM settlements WHERE forecast_id = {last}")
    change(place, f"DELETE FROM {chain} WHERE {KEY[chain]} = {last}")
    assert getattr(verified(place), chain).broken is None
    found = verified(place, noted)
    assert (found.whole, found.missing) == (False, (noted,))


def test_a_ledger_written_anew_with_right_hashes_shows_against_a_head_noted_before(place: Place) -> None:
    noted = verified(place).forecasts.head
    forecasts = [row.forecast for row in SqlLedger(place.database).rows()]
    with unguarded(place.database) as connection:
        for row in chained(forecasts, NOW.replace(year=2024), 0, GENESIS_HASH):
            connection.execute(
                f"UPDATE forecasts SET recorded_at = '{row.recorded_at.isoformat(' ', 'microseconds')}',"
                f" previous_hash = '{row.previous_hash}', hash = '{row.hash}' WHERE forecast_id = {row.forecast_id}"
            )
        if place.database.file is not None:
            connection.execute("UPDATE forecasts SET recorded_at = replace(recorded_at, '+00:00', '')")
    assert verified(place).forecasts.broken is None
    assert verified(place, noted).missing == (noted,)


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("log_loss", 0.1, r"log_loss is 0\.1, goals and probabilities give 0\.69"),
        ("market_rps", 0.0, r"market_rps is 0\.0, goals and probabilities give"),
        ("home_prob", 0.75, "probabilities is not that of forecast 5"),
        ("model_version", "better", "model_version is not that of forecast 5"),
        ("match_id", 1, "match_id is not that of forecast 5"),
        ("forecast_id", 99, "forecast_id: 99 is not in the ledger"),
        ("kickoff_at", NOW.replace(year=2020), "forecast 5 was not made and recorded before kick-off"),
        ("market_home_prob", 0.75, "market_probabilities do not sum to 1"),
    ],
)
def test_a_settlement_with_right_hashes_must_still_agree_with_its_forecast_and_its_scores_with_its_goals(
    place: Place, column: str, value: Any, fault: str
) -> None:
    stored = rows(place, settlements)
    victim = next(row["settlement_id"] for row in stored if row["forecast_id"] == 5)
    told = [settlement_row(row | ({column: value} if row["settlement_id"] == victim else {})) for row in stored]
    anew = chained_settlements([row.settlement for row in told], 0, GENESIS_HASH)
    write_settlements(place.database, anew)
    broken = verified(place).settlements.broken
    assert broken is not None
    assert broken.row_id == victim
    assert re.search(fault, broken.fault)


@pytest.mark.parametrize(
    ("revision", "changes", "fault"),
    [
        (1, {"revision": 5}, "revision is 5, but 0 settlements of the match are before it"),
        (1, {"status": MatchStatus.ABANDONED}, "status is ABANDONED, but there is a result"),
        (1, {"result": None, "market": None}, "it takes a result back that was never settled"),
        (2, {"result": None}, "there are scores of the market, but no result"),
        (2, {"forecast_id": 1}, "forecast 3 counted when it was settled, not forecast 1"),
        (2, {"forecast_id": 4}, "forecast 4 was not made and recorded before kick-off, or only compared"),
        (2, {"forecast_id": 5}, "forecast 5 was not made and recorded before kick-off, or only compared"),
    ],
)
def test_a_settlement_with_right_hashes_must_name_the_forecast_that_counted_and_contradict_nothing(
    database: Database, revision: int, changes: dict[str, Any], fault: str
) -> None:
    place = Place(database)
    place.load(told(odds=CLOSING))
    for _ in range(3):
        place.forecast()
    place.forecast(BEFORE, recorded_at=KICKOFF)
    place.forecast(BEFORE, cause=Cause.COMPARED)
    place.settle(place.match_id())
    place.change(home_goals=3)
    place.settle(place.match_id(), id="e2")
    told_of = [row.settlement for row in place.settlements.of(place.match_id())]
    assert (len(told_of), verified(place).whole) == (2, True)
    told_of[revision - 1] = told_of[revision - 1]._replace(**changes)
    write_settlements(database, chained_settlements(told_of, 0, GENESIS_HASH))
    assert verified(place).settlements.broken == Broken(revision, fault)


def test_a_forecast_that_came_to_count_after_a_settlement_does_not_break_it(database: Database) -> None:
    """Where only the day is known, a result may come before the day is over."""
    place, midnight = Place(database), KICKOFF.replace(hour=0)
    place.load(told(kickoff_at=midnight, kickoff_known=False))
    place.forecast(BEFORE)
    place.settle(place.match_id(), now=KICKOFF)
    place.forecast(KICKOFF)
    assert verified(place).whole


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("SET cause = 'whim'", "it cannot be read: 'whim' is not a valid Cause"),
        ("SET home_prob = 'NaN'", ""),
        ("SET as_of = 'infinity'", "as_of cannot be read"),
    ],
)
def test_what_no_code_of_ours_writes_is_found_at_its_row(place: Place, statement: str, fault: str) -> None:
    change(place, f"UPDATE forecasts {statement} WHERE forecast_id = 4")
    broken = verified(place).forecasts.broken
    assert broken is not None
    assert broken.row_id == 4
    assert fault in broken.fault


def test_rows_from_before_kickoff_known_was_recorded_stay_whole(place: Place) -> None:
    """Their hashes leave it out; a row that has it cannot pass for one of them."""

    ((old, *_),) = [list(SqlLedger(place.database).rows())]
    own = ledger_hash(old.forecast, old.recorded_at, GENESIS_HASH, with_kickoff_known=False)
    change(place, f"UPDATE forecasts SET kickoff_known = NULL, hash = '{own}' WHERE forecast_id = 1")
    change(place, "DELETE FROM forecasts WHERE forecast_id > 1")
    assert verified(place).forecasts == (1, own, None)
    SqlLedger(place.database).append([old.forecast], lambda: NOW)
    assert verified(place).forecasts.rows == 2


@pytest.mark.parametrize("statement", ["UPDATE settlements SET rps = 0", "DELETE FROM settlements"])
def test_settlements_cannot_be_changed_or_deleted(place: Place, statement: str) -> None:
    before = rows(place, settlements)
    with pytest.raises(DBAPIError, match="never changed or deleted"), place.database.writing() as connection:
        connection.execute(text(statement))
    assert rows(place, settlements) == before


def test_the_named_columns_are_those_of_the_tables_and_of_the_values(place: Place) -> None:
    (row, *_) = SqlLedger(place.database).rows()
    assert tuple(forecasts.columns.keys()) == FORECAST_COLUMNS == tuple(forecast_values(row))
    (settled, *_) = [settlement_row(row) for row in rows(place, settlements)]
    assert tuple(settlements.columns.keys()) == SETTLEMENT_COLUMNS == tuple(settlement_values(settled))


def command(database_url: str, *arguments: str) -> Result:
    environment = {"MATCHCAST_DATABASE_URL": database_url}
    return CliRunner().invoke(app, ["ledger", "verify", *arguments], env=environment)


def test_the_command_tells_counts_and_heads(place: Place, database_url: str) -> None:
    found = verified(place)
    told = command(database_url, "--head", found.settlements.head)
    assert (told.exit_code, told.stderr) == (0, "")
    assert told.stdout == (
        f"forecasts: 5 rows whole, head {found.forecasts.head}\nsettlements: 7 rows whole, head {found.settlements.head}\n"
    )


def test_the_command_names_the_first_broken_row_and_ends_with_1(place: Place, database_url: str) -> None:
    change(place, "UPDATE forecasts SET home_team = 'england:spurs' WHERE forecast_id >= 3")
    told = command(database_url, "--head", "0f" * 32)
    assert told.exit_code == 1
    assert told.stderr.splitlines() == [
        "forecasts: row 3 is broken: hash does not follow from the rest of the row: one of the two was changed",
        f"head {'0f' * 32} is in neither chain: rows were cut off, or written anew",
    ]


def test_the_command_refuses_what_is_no_hash(database_url: str) -> None:
    told = command(database_url, "--head", "abc")
    assert told.exit_code == 1
    assert "--head: 'abc' is no hash" in told.stderr
