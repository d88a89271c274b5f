"""What functions tell warm instances over a real Redis."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import httpx
import pytest

from functions.predict_async.renewing import renewer_with
from functions.reload.main import app as reload_app
from knative.local.services.redis import RedisServer, private_redis
from matchcast.adapters.cache_redis import RedisCache
from matchcast.ports.cache import CHAMPION, SNAPSHOT
from matchcast.settings import PredictAsyncSettings, read_settings
from matchcast.web.connections import Connections
from tests.entrypoints.house import House
from tests.entrypoints.recorder import Recorder, recording
from tests.entrypoints.served import served
from tests.entrypoints.test_reload import HOOK, PUT, TOKEN


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with private_redis() as server:
        yield server


@pytest.fixture
def broker() -> Iterator[Recorder]:
    with recording() as recorder:
        yield recorder


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.fill_database()
    return made


@pytest.fixture
def environment(house: House, redis: RedisServer, broker: Recorder) -> dict[str, str]:
    own = {"MATCHCAST_CACHE_URL": redis.url, "MATCHCAST_HOOK_TOKEN": TOKEN, "K_SINK": broker.url}
    return house.environment | own


@pytest.fixture
def heard(redis: RedisServer) -> Iterator[dict[str, Event]]:
    """Set by a notice of each topic."""
    listening = RedisCache(redis.url, 0.0)
    found = {topic: Event() for topic in (CHAMPION, SNAPSHOT)}
    for topic, event in found.items():
        listening.listen(topic, event.set)
    for event in found.values():
        assert event.wait(10)  # some may have been missed before
        event.clear()
    yield found
    listening.close()


def tell(reload: httpx.Client) -> int:
    return reload.post(HOOK, json=PUT, headers={"Authorization": f"Bearer {TOKEN}"}).status_code


def test_a_good_champion_is_told_each_time_and_a_damaged_one_never(
    environment: dict[str, str], house: House, heard: dict[str, Event], broker: Recorder
) -> None:
    with served(reload_app(environment)) as reload:
        pointer = house.promote(1)
        house.objects.put(f"{pointer.prefix}golden.json", b"[]")
        assert tell(reload) == 204
        assert not heard[CHAMPION].wait(0.5)
        house.promote(2)
        broker.status = 500
        assert tell(reload) == 503  # instances are told all the same
        assert heard[CHAMPION].wait(10)
        broker.status = 202
        heard[CHAMPION].clear()
        assert tell(reload) == 204
        assert heard[CHAMPION].wait(10)
    assert broker.types == ["model.rejected", "model.promoted"]
    assert not heard[SNAPSHOT].is_set()


def test_without_redis_a_champion_is_announced_all_the_same(
    environment: dict[str, str], house: House, redis: RedisServer, broker: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    redis.kill()
    house.promote(1)
    with served(reload_app(environment)) as reload:
        assert tell(reload) == 204
    assert broker.types == ["model.promoted"]
    assert "champion was not announced" in caplog.text


def test_whoever_renews_tells_of_snapshots(environment: dict[str, str], heard: dict[str, Event]) -> None:
    renewer_with(Connections(read_settings(PredictAsyncSettings, environment)), "predict-async").tell()
    assert heard[SNAPSHOT].wait(10)
    assert not heard[CHAMPION].is_set()
