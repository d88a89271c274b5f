"""One forecast is one row of the ledger, over processes with real Redis and without."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from functions.predict_sync.main import app
from knative.local.services.redis import RedisServer, private_redis
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from tests.entrypoints.fleet import until
from tests.entrypoints.house import House
from tests.entrypoints.served import PAIRING, served

OTHER = PAIRING | {"kickoff_at": "2025-03-12T15:00:00Z"}


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with private_redis() as server:
        yield server


def house(folder: Path) -> House:
    folder.mkdir()
    place = House(folder)
    place.fill_database()
    place.promote(1)
    place.publish(1, folder)
    return place


def sharing(place: House, redis: RedisServer, stack: ExitStack) -> httpx.Client:
    """A client of a process that has found Redis."""
    before = listeners(redis)
    environment = place.environment | {"MATCHCAST_CACHE_URL": redis.url}
    client = stack.enter_context(served(app(environment), place.key("predict")))
    client.get("/predict/model/info")
    until(lambda: listeners(redis) > before, 20)
    return client


def listeners(redis: RedisServer) -> int:
    with Redis.from_url(redis.url) as asking:
        return sum(client["psub"] == "1" for client in asking.client_list())


def posted(client: httpx.Client, body: Mapping[str, Any]) -> dict[str, Any]:
    answer = client.post("/predict/", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told | {"snapshot": None}


def rows(place: House) -> int:
    return len(list(SqlLedger(Database(place.database_url)).rows()))


def test_processes_without_redis_show_the_same_row(tmp_path: Path) -> None:
    place = house(tmp_path / "here")
    told = []
    for _ in range(2):
        with served(app(place.environment), place.key("predict")) as client:
            told += [posted(client, PAIRING), posted(client, PAIRING)]
    assert told == [told[0]] * 4
    assert rows(place) == 1


def test_processes_over_redis_show_the_same_row(tmp_path: Path, redis: RedisServer) -> None:
    place = house(tmp_path / "here")
    with ExitStack() as stack:
        first, second = sharing(place, redis, stack), sharing(place, redis, stack)
        assert posted(first, PAIRING) == posted(second, PAIRING)
    assert rows(place) == 1


def test_what_another_ledger_or_nobody_wrote_is_not_believed(tmp_path: Path, redis: RedisServer) -> None:
    """Two installations share a Redis; then somebody writes another id into it."""
    here, elsewhere = house(tmp_path / "here"), house(tmp_path / "elsewhere")
    with ExitStack() as stack:
        there = sharing(elsewhere, redis, stack)
        posted(there, OTHER)
        assert posted(there, PAIRING)["forecast_id"] == 2
        assert posted(sharing(here, redis, stack), PAIRING)["forecast_id"] == 1
        with Redis.from_url(redis.url) as writing:
            for name in writing.keys("matchcast:kept:forecast:*"):
                kept = json.loads(writing.get(name) or b"")
                writing.set(name, json.dumps(kept | {"forecast_id": 77}))
        assert posted(sharing(here, redis, stack), PAIRING)["forecast_id"] == 1
    assert (rows(here), rows(elsewhere)) == (1, 2)
