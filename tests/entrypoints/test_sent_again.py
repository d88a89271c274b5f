"""POSTs that are sent again under their Idempotency-Key, because the answer did not arrive."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, update

from functions.deadletter.main import app as deadletter_app
from functions.predict_async.main import app as predict_async_app
from functions.scrape.main import app as scrape_app
from matchcast.adapters.database.api_keys import SqlApiKeys
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import idempotent_answers, tasks
from matchcast.adapters.database.tasks import SqlTasks
from matchcast.domain.event import Event
from matchcast.events import PredictionRequested, first_event
from matchcast.ports.events import Task, TaskState
from tests.entrypoints.recorder import Recorder, deliver, recording
from tests.entrypoints.served import PAIRING, assert_problem, served

NOW = datetime(2025, 3, 1, 9, tzinfo=UTC)
SCOPES = frozenset({"predict", "ingest", "admin"})
SCRAPE: dict[str, Any] = {
    "source": "football-data", "from": "2025-02-20", "to": "2025-03-10",
    "tournaments": ["spain:la-liga", "england:premier-league"],
}  # fmt: skip
OTHER: dict[str, dict[str, Any]] = {
    "/predict/async/": PAIRING | {"season": 2024},
    "/scrape": SCRAPE | {"to": "2025-03-11"},
}


@dataclass
class Entry:
    """A function that accepts tasks, at a path, and the broker that it publishes to."""

    client: httpx.Client
    path: str
    body: dict[str, Any]
    broker: Recorder
    database: Database

    def post(self, key: str = "k1", body: dict[str, Any] | None = None) -> httpx.Response:
        return self.client.post(self.path, json=body or self.body, headers={"Idempotency-Key": key})

    def accepted(self, key: str = "k1", body: dict[str, Any] | None = None) -> str:
        """The task of a request that was accepted."""
        answer = self.post(key, body)
        assert answer.status_code == 202, answer.text
        task_id: str = answer.json()["task_id"]
        return task_id

    def die_before_the_answer(self) -> None:
        """As if the process had died when the task was accepted, and its claim to the key had lapsed."""
        with self.database.writing() as connection:
            assert connection.execute(delete(idempotent_answers)).rowcount == 1

    def finish(self, task_id: str) -> None:
        assert SqlTasks(self.database).finish(task_id, NOW, result={})


@pytest.fixture(params=["predict-async", "scrape"])
def entry(request: pytest.FixtureRequest, database: Database, database_url: str, tmp_path: Path) -> Iterator[Entry]:
    key = SqlApiKeys(database).create("tests", SCOPES, NOW).text
    app, path, body = {
        "predict-async": (predict_async_app, "/predict/async/", PAIRING),
        "scrape": (scrape_app, "/scrape", SCRAPE),
    }[request.param]
    with recording() as broker:
        environment = {
            "MATCHCAST_DATABASE_URL": database_url,
            "MATCHCAST_OBJECTS_URL": str(tmp_path / "objects"),
            "MATCHCAST_CACHE_DIR": str(tmp_path / "cache"),
            "MATCHCAST_CLOCK_STARTS_AT": NOW.isoformat(),
            "MATCHCAST_FOOTBALL_DATA_URL": "http://127.0.0.1:1",
            "MATCHCAST_FILE_SECONDS": "0",
            "K_SINK": broker.url,
        }
        with served(app(environment), key) as client:
            yield Entry(client, path, body, broker, database)


def test_a_request_that_was_answered_is_answered_the_same_again_and_does_nothing(entry: Entry) -> None:
    first, second = entry.post(), entry.post()
    assert (second.status_code, second.content) == (202, first.content)
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["retry-after"] == first.headers["retry-after"]
    assert len(entry.broker.events) == 1


def test_another_key_or_none_is_another_task(entry: Entry) -> None:
    tasks = [entry.accepted("k1"), entry.accepted("k2")]
    tasks += [entry.client.post(entry.path, json=entry.body).json()["task_id"] for _ in range(2)]
    assert len(set(tasks)) == len(entry.broker.events) == 4


def test_another_body_under_the_same_key_is_refused(entry: Entry) -> None:
    entry.accepted()
    assert_problem(entry.post(body=OTHER[entry.path]), 422, "Idempotency-Key", "another body")
    assert len(entry.broker.events) == 1


def test_a_request_whose_process_died_meets_its_task_and_publishes_the_same_event(entry: Entry) -> None:
    task_id = entry.accepted()
    entry.die_before_the_answer()
    assert entry.accepted() == task_id
    first, second = entry.broker.events
    assert (first.id, first.source, first.data) == (second.id, second.source, second.data)


def test_a_task_that_has_ended_is_answered_without_another_event(entry: Entry) -> None:
    """Also while the broker is away."""
    task_id = entry.accepted()
    entry.finish(task_id)
    entry.die_before_the_answer()
    entry.broker.status = 500
    assert entry.accepted() == task_id
    assert len(entry.broker.events) == 1


def test_another_body_after_the_answer_was_forgotten_is_another_task(entry: Entry) -> None:
    task_id = entry.accepted()
    entry.die_before_the_answer()
    assert entry.accepted(body=OTHER[entry.path]) != task_id


def test_a_task_that_has_expired_is_not_met_again(entry: Entry) -> None:
    seen = [entry.accepted()]
    for _ in range(2):
        entry.die_before_the_answer()
        with entry.database.writing() as connection:
            connection.execute(update(tasks).values(expires_at=NOW))
        seen.append(entry.accepted())
        entry.die_before_the_answer()
        assert entry.accepted() == seen[-1]
    assert len(set(seen)) == 3


def test_what_was_not_accepted_may_be_tried_again_under_its_key(entry: Entry) -> None:
    entry.broker.status = 500
    assert_problem(entry.post(), 503)
    entry.broker.status = 202
    entry.accepted()
    (event,) = entry.broker.events
    assert SqlTasks(entry.database).find(event.data["task_id"]) is not None


def test_a_key_is_its_clients_own_and_the_same_in_every_version(entry: Entry) -> None:
    other = SqlApiKeys(entry.database).create("others", SCOPES, NOW).text
    task_id = entry.accepted()
    again = entry.client.post(f"/v1{entry.path}", json=entry.body, headers={"Idempotency-Key": "k1"})
    assert again.json()["task_id"] == task_id
    others = {"X-API-Key": other, "Idempotency-Key": "k1"}
    assert entry.client.post(entry.path, json=entry.body, headers=others).json()["task_id"] != task_id


def test_a_replay_is_asked_for_once_under_its_key_and_for_one_letter(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    key = SqlApiKeys(database).create("tests", SCOPES, NOW).text
    with recording() as broker:
        environment = {
            "MATCHCAST_DATABASE_URL": database_url,
            "MATCHCAST_OBJECTS_URL": str(tmp_path / "objects"),
            "MATCHCAST_CACHE_DIR": str(tmp_path / "cache"),
            "MATCHCAST_INGEST_BROKER_URL": broker.url,
            "MATCHCAST_INFERENCE_BROKER_URL": broker.url,
        }
        with served(deadletter_app(environment), key) as client:
            for task_id in ("t1", "t2"):
                SqlTasks(database).add(
                    Task(task_id, "prediction", TaskState.PENDING, NOW, NOW, NOW + timedelta(days=1))
                )
                deliver(client, dead(task_id), "/from/inference")
            items = client.get("/monitoring/dead-letters").json()["items"]
            one, other = (f"/monitoring/dead-letters/{item['letter_id']}/replay" for item in items)
            again = {"Idempotency-Key": "k1"}
            first = client.post(one, headers=again)
            assert first.status_code == 202
            assert client.post(one, headers=again).json() == first.json()
            assert_problem(client.post(one), 409)
            assert_problem(client.post(other, headers=again), 422, "Idempotency-Key")
            assert client.post(other).status_code == 202
        assert broker.types == ["prediction.requested"] * 2


def dead(task_id: str) -> Event:
    """An event that a broker gave up."""
    payload = PredictionRequested(task_id=task_id, match_id=7)
    return first_event(payload, id=task_id, service="predict-async", now=NOW)
