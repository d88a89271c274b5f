"""A database that is away is waited for once; from then on it is told at once, until it is back."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest
from sqlalchemy import text

from knative.local.services.postgres import Postgres, fresh_database, private_postgres
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.light import LightDatabase
from matchcast.adapters.database.migrate import migrate
from matchcast.adapters.database.patience import Patience
from matchcast.errors import Unavailable

HURRIED = Patience(lock=1, statement=1, idle=10)
AT_ONCE = 0.5
"""Seconds; waiting for a server takes longer."""

Reading = Callable[[], AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with private_postgres() as server:
        yield server


@pytest.fixture
def url(server: Postgres) -> Iterator[str]:
    with fresh_database(server.url) as url:
        migrate(url)
        yield url


@pytest.fixture(params=[Database, LightDatabase])
def kind(request: pytest.FixtureRequest) -> type[Database] | type[LightDatabase]:
    found: type[Database] | type[LightDatabase] = request.param
    return found


def away(reading: Reading) -> tuple[str, float]:
    """What is said, and after how many seconds."""
    begun = time.monotonic()
    with pytest.raises(Unavailable) as caught, reading():
        pass
    return str(caught.value), time.monotonic() - begun


def until_back(reading: Reading) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with reading():
                return
        except Unavailable:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_server_that_says_nothing_is_waited_for_once(kind: type[Database] | type[LightDatabase]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = kind(f"postgresql://app@127.0.0.1:{silent.getsockname()[1]}/none", patience=HURRIED)
        first, waited = away(database.reading)
        assert waited > AT_ONCE
        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(lambda _: away(database.reading), range(40)))
        assert {said for said, _ in told} == {first}
        assert max(seconds for _, seconds in told) < AT_ONCE


def test_a_server_that_is_killed_and_started_again_is_found_by_itself(
    kind: type[Database] | type[LightDatabase], server: Postgres, url: str
) -> None:
    database = kind(url, patience=HURRIED)
    with database.reading():
        pass
    server.kill()
    assert "; start PostgreSQL" in away(database.reading)[0]
    server.start()
    until_back(database.reading)
    database.close()


def test_a_server_that_is_stopped_with_all_its_connections_is_given_up(
    kind: type[Database] | type[LightDatabase], server: Postgres, url: str
) -> None:
    database = kind(url, patience=HURRIED)
    with database.reading():
        pass
    server.freeze()
    try:
        assert "nothing is heard of the server" in away(database.reading)[0] or kind is Database
        assert max(away(database.reading)[1] for _ in range(20)) < AT_ONCE
    finally:
        server.thaw()
    until_back(database.reading)
    database.close()


@pytest.mark.slow
def test_a_long_statement_of_a_server_that_is_there_is_waited_for(url: str) -> None:
    patient = Patience(lock=1, statement=30, idle=10)
    light, database = LightDatabase(url, patience=patient), Database(url, patience=patient)
    with light.reading() as statements:
        assert statements.rows("SELECT 1 FROM pg_sleep(4)") == [(1,)]
    with database.reading() as connection:
        assert connection.execute(text("SELECT 1 FROM pg_sleep(4)")).scalar() == 1
    light.close()
    database.close()


def test_work_that_may_take_its_time_tries_every_time(
    kind: type[Database] | type[LightDatabase], server: Postgres, url: str
) -> None:
    database = kind(url)
    server.kill()
    assert "; start PostgreSQL" in away(database.reading)[0]
    server.start()
    with database.reading():
        pass
    database.close()
