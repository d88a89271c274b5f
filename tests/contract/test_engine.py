"""How long a database is waited for, and whose fault an error is."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from matchcast.adapters.clock import Timer
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.patience import Patience
from matchcast.adapters.database.settlements import SqlSettlements
from matchcast.adapters.database.turns import SqlTurns
from matchcast.errors import Unavailable

HURRIED = Patience(lock=0.2, statement=0.2, idle=0.2)


def open_connections(database: Database) -> int:
    assert isinstance(database.engine.pool, QueuePool)
    return database.engine.pool.checkedout()


def test_a_lock_is_waited_for_no_longer_than_said_and_the_connection_comes_back(
    database: Database, database_url: str
) -> None:
    hurried = Database(database_url, patience=HURRIED)
    with database.writing():
        SqlSettlements(database).wait()
        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(SqlSettlements(hurried).wait) for _ in range(4)]
            for one in waiting:
                with pytest.raises(Unavailable, match="try again"):
                    one.result(20)
        assert open_connections(hurried) == 0
    SqlSettlements(hurried).wait()
    hurried.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_statement_and_an_idle_transaction_end_after_their_time(database_url: str) -> None:
    hurried = Database(database_url, patience=HURRIED)
    with pytest.raises(Unavailable, match="keep it busy"), hurried.reading() as connection:
        connection.execute(text("SELECT pg_sleep(20)"))
    with pytest.raises(Unavailable), hurried.writing() as connection:
        connection.execute(select(1))
        time.sleep(1)
        connection.execute(select(1))
    with hurried.reading() as connection:
        assert connection.execute(select(1)).scalar() == 1
    hurried.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_whoever_finds_all_connections_in_use_is_told_so_soon(database_url: str) -> None:
    patient = Patience(lock=0.2, statement=30, idle=30)
    busy = Database(database_url, patience=patient)
    with ExitStack() as held, pytest.raises(Unavailable, match="keep it busy"):
        for _ in range(100):
            held.enter_context(busy.aside())
    assert open_connections(busy) == 0
    busy.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_turn_that_lasts_keeps_no_dead_rows_from_being_cleared_away(database: Database) -> None:
    oldest = "SELECT bool_or(backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) FROM pg_stat_activity"
    others = f"{oldest} WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with SqlTurns(database).turn("long work", Timer(20)) as still:
        for _ in range(2):
            with database.reading() as connection:
                assert connection.execute(text(others)).scalar() is False
            still()


@pytest.mark.parametrize(
    "statement", ["SELECT 1/0 FROM nowhere", "SELECT CAST('x' AS integer)", "INSERT INTO tasks (task_id) VALUES (NULL)"]
)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_is_our_own_fault_is_not_said_to_pass(database: Database, statement: str) -> None:
    with pytest.raises(DBAPIError), database.writing() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_work_without_a_limit_has_none(database: Database) -> None:
    with database.reading() as connection:
        for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            assert connection.execute(text(f"SHOW {name}")).scalar() == "0"
