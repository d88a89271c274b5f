"""POST /predict/async/, what comes of its events, and GET /monitoring/task_status/{task_id}."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.lookup.main import app as lookup_app
from functions.predict_async.main import app
from functions.predict_sync.main import app as predict_sync_app
from matchcast.adapters.database.api_keys import SqlApiKeys
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.tasks import SqlTasks
from matchcast.domain.event import Event
from matchcast.domain.forecast import Cause
from matchcast.errors import BadInput
from matchcast.events import (
    EventRejected,
    ForecastsUpdated,
    IngestCounts,
    MatchesIngested,
    ModelPromoted,
    Payload,
    PredictionCompleted,
    PredictionFailed,
    PredictionRequested,
    first_event,
    payload_of,
)
from matchcast.ports.events import Task, TaskState
from matchcast.usecases.champion import CHAMPION_KEY
from matchcast.usecases.publish import served_snapshot
from tests.entrypoints import house
from tests.entrypoints.house import NOW, House
from tests.entrypoints.recorder import Recorder, deliver, recording, reply_of
from tests.entrypoints.served import PAIRING, assert_problem, served


@dataclass
class Stage:
    """A house whose predict-async publishes to a recording broker; its lookup; and the database below both."""

    house: House
    database: Database
    broker: Recorder
    predict: httpx.Client
    lookup: httpx.Client
    environment: dict[str, str]

    @property
    def ledger(self) -> SqlLedger:
        return SqlLedger(self.database)

    def submit(self, body: dict[str, Any]) -> Event:
        """The event that a request was published as."""
        answer = self.predict.post("/predict/async/", json=body)
        assert answer.status_code == 202, answer.text
        return self.broker.events[-1]

    def status(self, event: Event) -> dict[str, Any]:
        answer = self.lookup.get(f"/monitoring/task_status/{event.data['task_id']}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def key(self, *scopes: str) -> str:
        return SqlApiKeys(self.database).create("tests", frozenset(scopes), NOW).text


@pytest.fixture
def stage(database: Database, database_url: str, tmp_path: Path) -> Iterator[Stage]:
    """Champion, snapshot and matches, once on each kind of database."""
    made = House(tmp_path)
    made.promote(1)
    made.publish(1, tmp_path)
    SqlMatchStore(database).load(house.resolved(), house.TEAMS, (), NOW)
    key = SqlApiKeys(database).create("tests", frozenset(["predict"]), NOW).text
    with recording() as broker:
        environment = made.environment | {"MATCHCAST_DATABASE_URL": database_url, "K_SINK": broker.url}
        with served(app(environment), key) as predict, served(lookup_app(environment), key) as lookup:
            yield Stage(made, database, broker, predict, lookup, environment)


def ingested(number: int = 1) -> Event:
    counts = IngestCounts(inserted=0, updated=0, unchanged=1, rejected=0)
    payload = MatchesIngested(task_id="t", source="invented", counts=counts, finished=(), upcoming=())
    return first_event(payload, id=f"ingested-{number}", service="scrape", now=NOW)


def of(answer: httpx.Response, kind: type[Payload]) -> dict[str, Any]:
    """What the event in an answer carries."""
    reply = reply_of(answer)
    assert reply is not None
    assert reply.source == "/matchcast/predict-async"
    return payload_of(reply, kind).to_json()


def test_a_request_is_accepted_and_published(stage: Stage) -> None:
    """202 with where to ask; the event asks for just that."""
    answer = stage.predict.post("/predict/async/", json=PAIRING | {"season": 2024})
    body = answer.json()
    assert (answer.status_code, body["status"]) == (202, "submitted")
    assert body["status_url"] == answer.headers["location"] == f"/monitoring/task_status/{body['task_id']}"
    assert answer.headers["retry-after"] == "1"
    (event,) = stage.broker.events
    assert (event.type, event.source) == (PredictionRequested.type(), "/matchcast/predict-async")
    assert event.time >= NOW
    asked = payload_of(event, PredictionRequested)
    assert asked.task_id == body["task_id"]
    assert asked.fixture is not None
    told = asked.fixture.to_json()
    assert told.pop("kickoff_at")
    assert told == {
        "home_team": "Gate", "away_team": "Westfield", "tournament": "Premier League", "kickoff_known": True,
        "season": 2024,
    }  # fmt: skip
    assert stage.status(event)["status"] == "pending"
    assert stage.predict.post("/predict/async", json={"match_id": 1}).status_code == 202


@pytest.mark.parametrize("asked", ["fixture", "pairing", "day"])
def test_the_result_is_what_post_predict_answers(stage: Stage, asked: str) -> None:
    """By id, by names and by a day alone: the same row of the ledger, which the event tells of, too."""
    fixture = house.fixtures()[0]
    bodies: dict[str, dict[str, Any]] = {
        "fixture": {"match_id": fixture.match_id},
        "pairing": {**PAIRING},
        "day": {**PAIRING, "kickoff_at": "2025-03-09"},
    }
    body = bodies[asked]
    event = stage.submit(body)
    told = of(deliver(stage.predict, event), PredictionCompleted)
    status = stage.status(event)
    assert (status["status"], status["kind"], status["problem"]) == ("success", "prediction", None)
    result = status["result"]
    with served(predict_sync_app(stage.environment), stage.key("predict")) as client:
        direct = client.post("/predict/", json=body).json()
    assert {**result, "snapshot": None} == {**direct, "snapshot": None}
    assert (result["snapshot"]["hash"], result["ledger"]) == (direct["snapshot"]["hash"], "written")
    (row,) = stage.ledger.rows()
    assert result["forecast_id"] == told["forecast"]["forecast_id"] == row.forecast_id == 1
    assert result["probabilities"] == {k: told["forecast"][k] for k in ("home", "draw", "away")}
    assert result["probabilities"] == row.forecast.probabilities._asdict()
    assert (row.forecast.cause, told["task_id"]) == (Cause.REQUESTED, status["task_id"])
    assert row.recorded_at >= row.forecast.as_of


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({**PAIRING, "home_team": "Nowhere"}, 404, "home_team"),
        ({**PAIRING, "tournament": "Nowhere"}, 404, "tournament"),
        ({**PAIRING, "away_team": "Gate"}, 422, "away_team"),
        ({**PAIRING, "kickoff_at": "2025-02-09T15:00:00Z"}, 422, "kickoff_at"),
        ({"match_id": 1}, 404, None),
    ],
)
def test_what_cannot_be_forecast_fails_the_task_with_the_reason(
    stage: Stage, body: dict[str, Any], status: int, field: str | None
) -> None:
    event = stage.submit(body)
    told = of(deliver(stage.predict, event), PredictionFailed)
    task = stage.status(event)
    assert (task["status"], task["result"]) == ("failure", None)
    assert task["problem"] == told["problem"]
    assert (told["problem"]["status"], told["problem"].get("field")) == (status, field)
    assert told["problem"]["type"].startswith("urn:matchcast:problem:")
    assert list(stage.ledger.rows()) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"match_id": 1, "home_team": "Gate"}, "match_id"),
        ({**PAIRING, "kickoff_at": "2025-02-30"}, "kickoff_at"),
        ({**PAIRING, "explain": True}, "explain"),
    ],
)
def test_a_body_of_the_wrong_form_is_refused_at_once(stage: Stage, body: dict[str, Any], field: str) -> None:
    assert_problem(stage.predict.post("/predict/async/", json=body), 422, field)
    assert stage.broker.events == []


def test_a_key_with_the_scope_is_needed(stage: Stage) -> None:
    for key, status in (("none", 401), (stage.key("ingest"), 403)):
        answer = stage.predict.post("/predict/async/", json=PAIRING, headers={"X-API-Key": key})
        assert_problem(answer, status)
    assert stage.broker.events == []


def test_while_the_broker_is_away_nothing_is_accepted(stage: Stage) -> None:
    stage.broker.status = 500
    answer = stage.predict.post("/predict/async/", json=PAIRING)
    assert_problem(answer, 503, words="broker")
    assert "retry-after" in answer.headers
    with stage.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM tasks").scalar_one() == 0


def test_a_request_whose_forecast_was_made_is_accepted_though_the_broker_said_no(stage: Stage) -> None:
    """Its answer was lost, as that of a broker which is killed."""
    with ThreadPoolExecutor(1) as pool:

        class Lost(list[Event]):
            def append(self, event: Event) -> None:
                super().append(event)
                pool.submit(deliver, stage.predict, event).result()
                stage.broker.status = 500

        stage.broker.events = Lost()
        answer = stage.predict.post("/predict/async/", json=PAIRING)
    assert answer.status_code == 202
    assert stage.status(stage.broker.events[-1])["status"] == "success"


@pytest.mark.parametrize("change", [{"match_id": "many"}, {"model": "best"}, {"browser": True}])
def test_the_task_of_an_event_that_breaks_its_schema_fails(stage: Stage, change: dict[str, Any]) -> None:
    event = stage.submit(PAIRING)
    wrong = replace(event, data=event.data | change)
    reply, again = (reply_of(deliver(stage.predict, wrong)) for _ in range(2))
    assert reply is not None
    assert again is not None
    assert (reply.type, again.id) == ("org.matchcast.event.rejected", reply.id)
    found = stage.status(event)
    assert (found["status"], found["problem"]["detail"]) == ("failure", reply.data["problem"]["detail"])


def test_an_event_that_comes_again_changes_nothing_and_has_the_same_reply(stage: Stage) -> None:
    event = stage.submit(PAIRING)
    first = reply_of(deliver(stage.predict, event))
    before = stage.status(event)
    assert reply_of(deliver(stage.predict, event)) == first
    assert stage.status(event) == before
    assert len(list(stage.ledger.rows())) == 1


def test_deliveries_at_once_make_one_forecast_and_one_reply(stage: Stage) -> None:
    """As when the function is killed after it committed and before it answered, and several tries overlap."""
    events = [
        stage.submit(PAIRING),
        stage.submit({"match_id": 1}),
        stage.submit({"match_id": house.fixtures()[0].match_id}),
    ]
    with ThreadPoolExecutor(9) as pool:
        answers = list(pool.map(lambda event: (event.id, reply_of(deliver(stage.predict, event))), events * 5))
    assert len(answers) == 15
    replies = {event_id: [reply for id_, reply in answers if id_ == event_id] for event_id, _ in answers}
    assert all(reply == several[0] for several in replies.values() for reply in several)
    assert len(list(stage.ledger.rows())) == 2
    assert [stage.status(event)["status"] for event in events] == ["success", "failure", "success"]


def test_a_task_that_ended_or_is_unknown_is_not_done_again(stage: Stage) -> None:
    """Another event for the same task, or one whose acceptance was taken back: 204, nothing written."""
    event = stage.submit(PAIRING)
    SqlTasks(stage.database).finish(event.data["task_id"], NOW, problem={"detail": "given up"})
    assert deliver(stage.predict, event).status_code == 204
    SqlTasks(stage.database).remove(event.data["task_id"])
    assert deliver(stage.predict, event).status_code == 204
    assert list(stage.ledger.rows()) == []


def test_without_a_champion_or_a_snapshot_the_task_waits(stage: Stage) -> None:
    event = stage.submit(PAIRING)
    (stage.house.folder / "objects" / CHAMPION_KEY).unlink()
    assert_problem(deliver(stage.predict, event), 503, words="champion")
    assert stage.status(event)["status"] == "pending"
    stage.house.promote(1)


def test_without_a_database_nothing_is_accepted_and_events_wait(stage: Stage, tmp_path: Path) -> None:
    event = stage.submit(PAIRING)
    nowhere = stage.environment | {"MATCHCAST_DATABASE_URL": f"sqlite:///{tmp_path}/none.db"}
    with served(app(nowhere), "key") as client:
        assert_problem(client.post("/predict/async/", json=PAIRING), 503)
        assert_problem(deliver(client, event), 503)
    assert stage.status(event)["status"] == "pending"
    assert of(deliver(stage.predict, event), PredictionCompleted)


def test_an_event_that_makes_no_sense_is_rejected_not_retried(stage: Stage) -> None:
    event = stage.submit(PAIRING)
    undated = {**event.data["fixture"], "kickoff_at": "soon"}
    for broken, field in (
        (replace(event, data={"task_id": "t"}), "data.match_id"),
        (replace(event, type="org.matchcast.scrape.requested"), "type"),
        (replace(event, data={**event.data, "fixture": undated}), "data.fixture.kickoff_at"),
    ):
        told = of(deliver(stage.predict, broken), EventRejected)
        assert (told["parent_id"], told["problem"]["field"]) == (event.id, field)
    assert stage.status(event)["status"] == "failure", "the task it named is waited for by someone"


def test_new_matches_and_a_new_model_renew_the_forecasts(stage: Stage) -> None:
    """What lookup and POST /predict/async/ answer from then on is of the new snapshot."""
    told = of(deliver(stage.predict, ingested()), ForecastsUpdated)
    assert told["count"] == told["recorded"] == len(list(stage.ledger.rows())) > 5
    pointer = served_snapshot(stage.house.objects)
    assert pointer is not None
    assert (pointer.key, pointer.as_of[:16]) == (told["key"], "2025-03-01T09:00")
    version = stage.house.promote(2).version
    payload = ModelPromoted(version=version, run_id="r", promoted_at=NOW, reason="better")
    promoted = first_event(payload, id="p", service="reload", now=NOW)
    told = of(deliver(stage.predict, promoted), ForecastsUpdated)
    assert (told["model_version"], told["recorded"]) == (version, told["count"])
    with served(lookup_app(stage.environment), stage.key("predict")) as lookup:
        shown = lookup.get("/predict/?limit=200").json()["items"]
    assert {item["model_version"] for item in shown} == {version}
    assert len(shown) == told["count"]


def test_renewing_again_has_the_same_reply(stage: Stage) -> None:
    first = reply_of(deliver(stage.predict, ingested()))
    rows = list(stage.ledger.rows())
    assert reply_of(deliver(stage.predict, ingested())) == first
    assert list(stage.ledger.rows()) == rows


def test_a_renewal_that_takes_too_long_writes_nothing(stage: Stage) -> None:
    hurried = stage.environment | {"MATCHCAST_RENEWAL_SECONDS": "0.000001"}
    with served(app(hurried), "key") as client:
        assert_problem(deliver(client, ingested()), 504)
    assert list(stage.ledger.rows()) == []


def test_an_open_task_says_when_to_ask_again_and_a_known_answer_is_not_sent_twice(stage: Stage) -> None:
    event = stage.submit(PAIRING)
    path = f"/monitoring/task_status/{event.data['task_id']}"
    pending = stage.lookup.get(path)
    assert (pending.json()["status"], pending.headers["retry-after"]) == ("pending", "1")
    same = stage.lookup.get(path, headers={"If-None-Match": pending.headers["etag"]})
    assert (same.status_code, same.headers["retry-after"], same.content) == (304, "1", b"")
    deliver(stage.predict, event)
    done = stage.lookup.get(path, headers={"If-None-Match": pending.headers["etag"]})
    assert (done.status_code, done.json()["status"]) == (200, "success")
    assert "retry-after" not in done.headers
    assert stage.lookup.get(path, headers={"If-None-Match": done.headers["etag"]}).status_code == 304


def test_a_running_task_is_shown_as_such(stage: Stage) -> None:
    tasks = SqlTasks(stage.database)
    tasks.add(Task("s", "scrape", TaskState.PENDING, NOW, NOW, NOW + timedelta(days=1)))
    tasks.start("s", NOW)
    answer = stage.lookup.get("/monitoring/task_status/s", headers={"X-API-Key": stage.key("ingest")})
    assert (answer.json()["status"], answer.json()["kind"], answer.headers["retry-after"]) == ("running", "scrape", "5")


def test_a_task_that_is_unknown_or_expired_has_no_status(stage: Stage) -> None:
    tasks = SqlTasks(stage.database)
    tasks.add(Task("old", "scrape", TaskState.PENDING, NOW, NOW, NOW))
    assert_problem(stage.lookup.get("/monitoring/task_status/old"), 410, words="submit it again")
    assert_problem(stage.lookup.get("/monitoring/task_status/never"), 404, words="no task never")


def test_the_status_needs_a_key_of_any_scope_that_makes_tasks(stage: Stage) -> None:
    path = "/monitoring/task_status/never"
    keys = [(stage.key(scope), status) for scope, status in (("predict", 404), ("ingest", 404), ("admin", 403))]
    for key, status in keys:
        assert_problem(stage.lookup.get(path, headers={"X-API-Key": key}), status)
    assert_problem(httpx.get(f"{stage.lookup.base_url}{path}"), 401)


def test_settings_name_what_is_missing() -> None:
    with pytest.raises(BadInput, match="K_SINK: is missing"):
        app({})


def test_requests_and_their_forecasts_load_neither_numba_nor_what_trains(stage: Stage) -> None:
    """A cold start waits for every import: a POST for no numeric library at all."""
    event = stage.submit(PAIRING)
    body = json.dumps(
        {
            "id": event.id,
            "source": event.source,
            "type": event.type,
            "time": event.time.isoformat(),
            "specversion": "1.0",
            "datacontenttype": "application/json",
            "data": event.data,
        }
    )
    script = f"""
import json, sys
from starlette.testclient import TestClient
from functions.predict_async.main import app
environment = json.loads({json.dumps(stage.environment)!r})
loaded = lambda: sorted({{name.split('.')[0] for name in sys.modules}})
client = TestClient(app(environment))
posted = client.post('/predict/async/', json={PAIRING!r}, headers={{'X-API-Key': {stage.key("predict")!r}}})
assert posted.status_code == 202, posted.text
print(*loaded())
done = client.post('/', content={body!r}, headers={{'content-type': 'application/cloudevents+json'}})
assert done.headers['ce-type'] == 'org.matchcast.prediction.completed', done.text
print(*loaded())
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    posted, handled = (set(line.split()) for line in done.stdout.splitlines())
    heavy = {"scipy", "pandas", "pyarrow", "sklearn", "xgboost", "numba", "mlflow", "evidently"}
    assert not (heavy | {"numpy"}) & posted
    assert "numpy" in handled
    assert not heavy & handled


def test_ledger_rows_of_tasks_stand_in_one_chain(stage: Stage) -> None:
    """Many tasks at once: every one has a row, and each row's hash is the one the next row names."""
    kickoffs = [f"2025-03-09T15:{minute}:00Z" for minute in range(10, 30)]
    events = [stage.submit(PAIRING | {"kickoff_at": kickoff}) for kickoff in kickoffs]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda event: of(deliver(stage.predict, event), PredictionCompleted), events))
    rows = list(stage.ledger.rows())
    assert [row.forecast_id for row in rows] == list(range(1, 21))
    assert [row.previous_hash for row in rows[1:]] == [row.hash for row in rows[:-1]]
    ids = [stage.status(event)["result"]["forecast_id"] for event in events]
    assert sorted(ids) == list(range(1, 21))


def test_tasks_that_ask_for_the_same_forecast_get_the_same_row(stage: Stage) -> None:
    events = [stage.submit(PAIRING) for _ in range(6)]
    with ThreadPoolExecutor(3) as pool:
        told = list(pool.map(lambda event: of(deliver(stage.predict, event), PredictionCompleted), events))
    (row,) = stage.ledger.rows()
    assert {one["forecast"]["forecast_id"] for one in told} == {row.forecast_id}
    results = [stage.status(event)["result"] for event in events]
    assert {(result["forecast_id"], result["as_of"]) for result in results} == {(1, results[0]["as_of"])}


def test_a_database_that_is_closed_and_opened_again_goes_on(stage: Stage) -> None:
    event = stage.submit(PAIRING)
    with closing(stage.database):
        assert of(deliver(stage.predict, event), PredictionCompleted)
    assert stage.status(event)["status"] == "success"
