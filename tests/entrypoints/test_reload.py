"""MinIO's notifications and what is announced of them, over HTTP."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.reload.main import app as reload_app
from matchcast.adapters.database.engine import Database
from matchcast.domain.event import Event
from matchcast.errors import BadInput
from matchcast.events import ModelPromoted, ModelRejected, payload_of
from matchcast.usecases.champion import CHAMPION_KEY
from tests.entrypoints.house import NOW, House, bundle_files
from tests.entrypoints.recorder import Recorder, deliver, recording, reply_of
from tests.entrypoints.served import assert_problem, served

TOKEN = "a-made-up-word-of-length"
HOOK = "/hooks/minio"


def record(key: str = "models%2Fchampion.json", name: str = "s3:ObjectCreated:Put", bucket: str = "matchcast") -> Any:
    found = {"key": key, "size": 300, "eTag": "x", "sequencer": "17E"}
    return {"eventName": name, "eventSource": "minio:s3", "s3": {"bucket": {"name": bucket}, "object": found}}


def notification(*records: Any) -> dict[str, Any]:
    return {"EventName": "s3:ObjectCreated:Put", "Key": "matchcast/models/champion.json", "Records": list(records)}


PUT = notification(record())


@pytest.fixture
def broker() -> Iterator[Recorder]:
    with recording() as recorder:
        yield recorder


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def environment(house: House, broker: Recorder, database_url: str) -> dict[str, str]:
    own = {"MATCHCAST_DATABASE_URL": database_url, "K_SINK": broker.url, "MATCHCAST_HOOK_TOKEN": TOKEN}
    return house.environment | own


@pytest.fixture
def reload(environment: dict[str, str]) -> Iterator[httpx.Client]:
    with served(reload_app(environment)) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        yield client


def told(reload: httpx.Client, body: Any = PUT) -> None:
    """The notification is taken: MinIO forgets it."""
    assert reload.post(HOOK, json=body).status_code == 204


def test_a_good_champion_is_announced(reload: httpx.Client, house: House, broker: Recorder) -> None:
    pointer = house.promote(1)
    told(reload)
    (event,) = broker.events
    promoted = payload_of(event, ModelPromoted)
    assert (event.type, event.source) == ("org.matchcast.model.promoted", "/matchcast/reload")
    assert (promoted.version, promoted.run_id, promoted.promoted_at) == (pointer.version, "run1", NOW)


def test_events_have_no_version_of_the_api(reload: httpx.Client, house: House, broker: Recorder) -> None:
    """Whoever sends them is set up with ours."""
    house.promote(1)
    for path in (HOOK, "/"):
        assert reload.post(f"/v1{path}", json=PUT).status_code == 404
    assert broker.events == []


def test_each_champion_is_announced_once_in_whatever_order_and_number_its_notifications_come(
    reload: httpx.Client, house: House, broker: Recorder
) -> None:
    versions = []
    for seed in (1, 2, 3):
        versions.append(house.promote(seed).version)
        for _ in range(3):
            told(reload)
    assert [event.data["version"] for event in broker.events] == versions
    assert len({event.id for event in broker.events}) == 3


def test_notifications_at_once_announce_one_event(reload: httpx.Client, house: House, broker: Recorder) -> None:
    house.promote(1)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: told(reload), range(4)))
    assert len({event.id for event in broker.events}) == 1
    told(reload)
    assert len({event.id for event in broker.events}) == 1


def test_whoever_dies_before_the_record_publishes_the_same_event_again(
    reload: httpx.Client, house: House, broker: Recorder, database: Database
) -> None:
    house.promote(1)
    told(reload)
    with database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM handled_events")
    told(reload)
    first, second = broker.events
    assert (first.id, first.source, first.data) == (second.id, second.source, second.data)


@pytest.mark.parametrize(
    "body",
    [
        notification(record("models/champion.json")),
        notification(record("champion.json", bucket="models")),
        notification(record(name="s3:ObjectCreated:CompleteMultipartUpload")),
        notification(record("other.json"), {"junk": 1}, record()),
    ],
)  # fmt: skip
def test_a_put_of_the_pointer_is_understood(reload: httpx.Client, house: House, broker: Recorder, body: Any) -> None:
    house.promote(1)
    told(reload, body)
    assert broker.types == ["model.promoted"]


@pytest.mark.parametrize(
    "body",
    [
        None, [], "x", 7, {}, {"Records": None}, {"Records": {}}, {"Records": [None, 1, "x", {}, []]},
        notification(record("models/2025/manifest.json")),
        notification(record("submodels%2Fchampion.json")),
        notification(record(name="s3:ObjectRemoved:Delete")),
        notification({"eventName": 7}), notification({"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": "b"}}),
    ],
)  # fmt: skip
def test_what_tells_of_no_champion_is_taken_and_forgotten(
    reload: httpx.Client, house: House, broker: Recorder, body: Any
) -> None:
    house.promote(1)
    told(reload, body)
    assert broker.events == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b" " * (2 << 20)])
def test_junk_does_not_hold_back_what_is_behind_it(reload: httpx.Client, broker: Recorder, body: bytes) -> None:
    for path in (HOOK, f"{HOOK}/"):
        assert reload.post(path, content=body).status_code == 204
    assert broker.events == []


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x"])
def test_only_who_has_the_token_is_heard(
    reload: httpx.Client, house: House, broker: Recorder, authorization: str
) -> None:
    house.promote(1)
    answer = reload.post(HOOK, json=PUT, headers={"Authorization": authorization})
    assert_problem(answer, 401, words="MATCHCAST_HOOK_TOKEN")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert broker.events == []


def test_a_damaged_bundle_is_rejected_and_the_mended_one_promoted(
    reload: httpx.Client, house: House, broker: Recorder
) -> None:
    pointer = house.promote(1)
    name = "golden.json"
    house.objects.put(f"models/{pointer.version}/{name}", b"[]")
    told(reload)
    told(reload)
    (event,) = broker.events
    rejected = payload_of(event, ModelRejected)
    assert rejected.version == pointer.version
    assert name in rejected.reason
    house.objects.put(f"models/{pointer.version}/{name}", bundle_files(1)[name])
    told(reload)
    assert broker.types == ["model.rejected", "model.promoted"]


def test_a_bundle_of_other_code_is_rejected(reload: httpx.Client, house: House, broker: Recorder) -> None:
    house.promote_unchecked(bundle_files(1, later=True))
    told(reload)
    assert broker.types == ["model.rejected"]


POINTER = {
    "version": "v1", "run_id": "r1", "prefix": "models/v1/", "manifest_sha256": "0" * 64,
    "registered_at": NOW.isoformat(), "promoted_at": NOW.isoformat(),
}  # fmt: skip


@pytest.mark.parametrize(
    ("pointer", "version"),
    [
        (b"{", None),
        (b'{"version": "1"}', None),
        (POINTER, "v1"),
        (POINTER | {"promoted_at": "soon"}, None),
        (POINTER | {"promoted_at": "2025-03-01T00:00:00"}, None),
        (POINTER | {"registered_at": "yesterday"}, None),
        (POINTER | {"prefix": "../../etc/"}, "v1"),
        (POINTER | {"run_id": "r" * 200}, "v1"),
    ],
)  # fmt: skip
def test_a_pointer_that_cannot_be_followed_is_rejected_once(
    reload: httpx.Client, house: House, broker: Recorder, pointer: Any, version: str | None
) -> None:
    house.objects.put(CHAMPION_KEY, pointer if isinstance(pointer, bytes) else json.dumps(pointer).encode())
    told(reload)
    told(reload)
    (event,) = broker.events
    assert payload_of(event, ModelRejected).version == version


def test_a_pointer_that_is_gone_again_is_no_news(reload: httpx.Client, house: House, broker: Recorder) -> None:
    house.promote(1)
    (house.folder / "objects" / CHAMPION_KEY).unlink()
    told(reload)
    assert broker.events == []


def test_a_notification_comes_again_while_something_is_away(
    reload: httpx.Client, house: House, broker: Recorder, environment: dict[str, str]
) -> None:
    assert_problem(reload.post(HOOK, json=PUT), 503, words="does not exist")
    house.promote(1)
    broker.status = 500
    assert_problem(reload.post(HOOK, json=PUT), 503, words="did not take")
    broker.status = 202
    away = environment | {"MATCHCAST_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    with served(reload_app(away)) as client:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert_problem(client.post(HOOK, json=PUT, headers=headers), 503, words="database")
    assert broker.events == []
    told(reload)
    assert broker.types == ["model.promoted"]


def test_an_announcement_that_takes_too_long_is_given_up(
    environment: dict[str, str], house: House, broker: Recorder
) -> None:
    house.promote(1)
    done = threading.Event()

    class Slow(list[Event]):
        def append(self, event: Event) -> None:
            super().append(event)
            done.wait(4)

    broker.events = Slow()
    with served(reload_app(environment | {"MATCHCAST_HANDLER_SECONDS": "0.5"})) as client:
        answer = client.post(HOOK, json=PUT, headers={"Authorization": f"Bearer {TOKEN}"})
        assert_problem(answer, 504, words="took longer than 0.5 s")
        done.set()


def test_events_are_not_taken_here(reload: httpx.Client) -> None:
    reply = reply_of(deliver(reload, Event("e", "/s", "org.matchcast.model.promoted", NOW, {})))
    assert reply is not None
    assert (reply.type, reply.source) == ("org.matchcast.event.rejected", "/matchcast/reload")


def test_the_settings_say_what_is_missing() -> None:
    with pytest.raises(BadInput) as raised:
        reload_app({"MATCHCAST_HOOK_TOKEN": "a-secret"})
    for words in ("K_SINK: is missing", "MATCHCAST_HOOK_TOKEN: "):
        assert words in str(raised.value)
    assert "a-secret" not in str(raised.value)
