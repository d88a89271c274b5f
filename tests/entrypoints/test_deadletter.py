"""Dead letters: taken, listed, replayed, over HTTP."""

import json
import socket
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.deadletter.main import app as deadletter_app
from functions.scrape.main import app as scrape_app
from matchcast.adapters.cloudevents import event_http
from matchcast.adapters.database.api_keys import SqlApiKeys
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tasks import SqlTasks
from matchcast.domain.event import Event, derived_id
from matchcast.errors import BadInput
from matchcast.events import PING, PredictionRequested, ScrapeRequested, first_event
from matchcast.ports.events import Task, TaskState
from matchcast.usecases.lookup import task_status
from tests.entrypoints.recorder import Recorder, deliver, recording, reply_of
from tests.entrypoints.served import assert_problem, served

NOW = datetime(2025, 3, 1, 9, tzinfo=UTC)
LETTERS = "/monitoring/dead-letters"
ASKED = first_event(
    PredictionRequested(task_id="t1", match_id=7), id="e1", service="predict-async", now=NOW, subject="s"
)
BY_BROKER = {"knativeerrordest": "http://predict-async", "knativeerrorcode": "503", "knativeerrordata": "away\tnow"}


@pytest.fixture
def brokers() -> Iterator[dict[str, Recorder]]:
    with recording() as ingest, recording() as inference:
        yield {"ingest": ingest, "inference": inference}


@pytest.fixture
def environment(brokers: dict[str, Recorder], database_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "MATCHCAST_DATABASE_URL": database_url,
        "MATCHCAST_OBJECTS_URL": str(tmp_path / "objects"),
        "MATCHCAST_CACHE_DIR": str(tmp_path / "cache"),
        "MATCHCAST_INGEST_BROKER_URL": brokers["ingest"].url,
        "MATCHCAST_INFERENCE_BROKER_URL": brokers["inference"].url,
    }


@contextmanager
def serving(environment: dict[str, str], database: Database) -> Iterator[httpx.Client]:
    key = SqlApiKeys(database).create("tests", frozenset({"admin"}), NOW).text
    with served(deadletter_app(environment), key) as client:
        yield client


@pytest.fixture
def deadletter(environment: dict[str, str], database: Database) -> Iterator[httpx.Client]:
    with serving(environment, database) as client:
        yield client


@pytest.fixture
def tasks(database: Database) -> SqlTasks:
    tasks = SqlTasks(database)
    tasks.add(Task("t1", "prediction", TaskState.PENDING, NOW, NOW, NOW + timedelta(days=1)))
    return tasks


def died(event: Event = ASKED, **extensions: str) -> Event:
    """The event as the broker delivers it when it gives up."""
    return replace(event, extensions={**event.extensions, **BY_BROKER, **extensions})


def die(client: httpx.Client, event: Event = ASKED, broker: str = "inference", **extensions: str) -> httpx.Response:
    return deliver(client, died(event, **extensions), f"/from/{broker}/prediction-requested")


def replayed(letter: dict[str, Any], event: Event = ASKED) -> Event:
    """The event as it is published again."""
    return replace(event, extensions={**event.extensions, "replay": f"{letter['letter_id']}.{letter['deaths']}"})


def letters(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(LETTERS, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def state(tasks: SqlTasks, task_id: str = "t1") -> TaskState:
    found = tasks.find(task_id)
    assert found is not None
    return found.state


def test_a_letter_is_kept_as_it_was_published_and_its_task_fails(deadletter: httpx.Client, tasks: SqlTasks) -> None:
    assert die(deadletter).status_code == 204
    (letter,) = letters(deadletter)
    whole = deadletter.get(f"{LETTERS}/{letter['letter_id']}").json()
    assert {name: whole[name] for name in letter} == letter
    assert {name: value for name, value in whole.items() if name not in ("letter_id", "died_at")} == {
        "broker": "inference", "destination": "http://predict-async", "code": 503, "reason": "away now",
        "deaths": 1, "replayed_at": None, "trigger": "prediction-requested",
        "event_id": "e1", "event_source": "/matchcast/predict-async",
        "event_type": "org.matchcast.prediction.requested", "event_time": "2025-03-01T09:00:00Z",
        "event_subject": "s", "event_extensions": {}, "event_data": {"task_id": "t1", "match_id": 7, "model": "champion"},
    }  # fmt: skip
    task = tasks.find("t1")
    assert task is not None
    assert task.problem is not None
    assert (task.state, task.problem["status"]) == (TaskState.FAILURE, 503)
    assert "after all tries, the last answer was 503" in task.problem["detail"]
    assert letter["letter_id"] in task.problem["detail"]


@pytest.mark.parametrize(
    ("code", "kept", "status", "words"),
    [
        ("504", 504, 504, "the last answer was 504"),
        ("-1", -1, 503, "there was no answer"),
        ("200", 200, 503, "after all tries, its answer could not be published; POST"),
        ("", None, 503, "there was no answer"),
        ("many", None, 503, "there was no answer"),
    ],
)  # fmt: skip
def test_the_problem_tells_how_the_last_try_ended(
    deadletter: httpx.Client, tasks: SqlTasks, code: str, kept: int | None, status: int, words: str
) -> None:
    die(deadletter, knativeerrorcode=code)
    assert letters(deadletter)[0]["code"] == kept
    task = tasks.find("t1")
    assert task is not None
    assert task.problem is not None
    assert (task.problem["status"], words in task.problem["detail"]) == (status, True)


def test_the_problem_tells_why_the_last_try_did_not_succeed(deadletter: httpx.Client, tasks: SqlTasks) -> None:
    """Also where a broker tells nothing of it."""
    tasks.note("t1", NOW, {"detail": "football-data does not answer"})
    die(deadletter, knativeerrorcode="", knativeerrordata="")
    task = tasks.find("t1")
    assert task is not None
    assert task.problem is not None
    assert "after all tries, the last one ended with: football-data does not answer; POST" in task.problem["detail"]


def test_the_same_death_told_again_counts_once(deadletter: httpx.Client) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert {answer.status_code for answer in pool.map(lambda _: die(deadletter), range(8))} == {204}
    assert [letter["deaths"] for letter in letters(deadletter)] == [1]


def test_an_event_that_two_subscribers_could_not_take_is_two_letters(deadletter: httpx.Client) -> None:
    die(deadletter)
    die(deadletter, knativeerrordest="http://drift")
    assert sorted(letter["destination"] for letter in letters(deadletter)) == ["http://drift", "http://predict-async"]


def test_a_replayed_event_is_published_as_it_was_where_it_died_and_its_task_is_open_again(
    deadletter: httpx.Client, tasks: SqlTasks, brokers: dict[str, Recorder]
) -> None:
    die(deadletter)
    (letter,) = letters(deadletter)
    answer = deadletter.post(f"{LETTERS}/{letter['letter_id']}/replay")
    assert answer.status_code == 202
    assert answer.json()["replayed_at"] is not None
    assert brokers["inference"].events == [replayed(letter)]
    assert brokers["ingest"].events == []
    assert state(tasks) is TaskState.PENDING
    assert letters(deadletter, open=True) == []
    assert letters(deadletter) == [answer.json()]


def test_an_event_that_dies_again_after_its_replay_is_open_again(
    deadletter: httpx.Client, tasks: SqlTasks, brokers: dict[str, Recorder]
) -> None:
    die(deadletter)
    (letter,) = letters(deadletter)
    replay = f"{LETTERS}/{letter['letter_id']}/replay"
    deadletter.post(replay)
    die(deadletter, brokers["inference"].events[-1], knativeerrorcode="500")
    die(deadletter, brokers["inference"].events[-1], knativeerrorcode="500")
    (again,) = letters(deadletter, open=True)
    assert (again["letter_id"], again["deaths"], again["code"]) == (letter["letter_id"], 2, 500)
    assert state(tasks) is TaskState.FAILURE
    assert deadletter.post(replay).status_code == 202
    assert brokers["inference"].events[-1] == replayed(again)


@pytest.mark.parametrize("copies", [1, 4])
def test_a_death_told_again_after_its_replay_is_no_new_one(
    deadletter: httpx.Client, tasks: SqlTasks, brokers: dict[str, Recorder], copies: int
) -> None:
    """The broker delivers a letter again whose answer was lost; the replay's fate is not known yet."""
    die(deadletter)
    (letter,) = letters(deadletter)
    assert deadletter.post(f"{LETTERS}/{letter['letter_id']}/replay").status_code == 202
    with ThreadPoolExecutor(copies) as pool:
        assert {answer.status_code for answer in pool.map(lambda _: die(deadletter), range(copies))} == {204}
    assert letters(deadletter, open=True) == []
    assert letters(deadletter)[0]["deaths"] == 1
    assert state(tasks) is TaskState.PENDING
    die(deadletter, brokers["inference"].events[-1])
    assert letters(deadletter, open=True)[0]["deaths"] == 2
    assert state(tasks) is TaskState.FAILURE
    die(deadletter)
    assert letters(deadletter)[0]["deaths"] == 2


def test_a_replay_that_dies_at_another_subscriber_is_the_death_that_is_known_there(
    deadletter: httpx.Client, tasks: SqlTasks, brokers: dict[str, Recorder]
) -> None:
    """All subscribers of a type get the event again."""
    die(deadletter)
    die(deadletter, knativeerrordest="http://drift")
    first = next(found for found in letters(deadletter) if found["destination"] == "http://predict-async")
    deadletter.post(f"{LETTERS}/{first['letter_id']}/replay")
    die(deadletter, brokers["inference"].events[-1], knativeerrordest="http://drift")
    assert [(found["destination"], found["deaths"]) for found in letters(deadletter, open=True)] == [
        ("http://drift", 1)
    ]


@pytest.mark.parametrize(
    "told", ["", "1", "x.1", "{id}.", "{id}.0", "{id}.-1", "{id}.1.5", "{id}.٣", "{id}.9999999999"]
)
def test_a_replay_that_is_none_of_ours_counts_as_the_first_death(deadletter: httpx.Client, told: str) -> None:
    die(deadletter)
    (letter,) = letters(deadletter)
    assert die(deadletter, replay=told.replace("{id}", letter["letter_id"])).status_code == 204
    assert letters(deadletter) == [letter]


def test_a_letter_whose_time_is_over_is_not_kept_and_fails_nothing(
    environment: dict[str, str], database: Database, tasks: SqlTasks
) -> None:
    """Whoever keeps it may have been given up by the broker, which delivers it again."""
    hasty = environment | {"MATCHCAST_HANDLER_SECONDS": "0.3"}
    with serving(hasty, database) as client:
        with database.writing():
            tasks.start("t1", NOW)
            assert die(client).status_code in (503, 504)  # whoever is out of patience first
            time.sleep(0.2)
        time.sleep(0.5)
        assert letters(client) == []
        assert state(tasks) is TaskState.RUNNING


def test_a_broker_that_does_not_answer_is_given_up_soon(
    environment: dict[str, str], database: Database, tasks: SqlTasks
) -> None:
    """Letter and task are held meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        deaf = environment | {"MATCHCAST_INFERENCE_BROKER_URL": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        with serving(deaf, database) as client:
            die(client)
            (letter,) = letters(client)
            replay = f"{LETTERS}/{letter['letter_id']}/replay"
            assert_problem(client.post(replay, timeout=4), 503, words="cannot be reached")
            assert letters(client, open=True) == [letter]
            assert state(tasks) is TaskState.FAILURE


def test_a_letter_is_replayed_once_however_many_ask(
    deadletter: httpx.Client, tasks: SqlTasks, brokers: dict[str, Recorder]
) -> None:
    die(deadletter)
    (letter,) = letters(deadletter)
    with ThreadPoolExecutor(4) as pool:
        ask = [f"{LETTERS}/{letter['letter_id']}/replay"] * 4
        answers = list(pool.map(deadletter.post, ask))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    assert_problem(deadletter.post(ask[0]), 409, words="has not died since")
    assert brokers["inference"].types == ["prediction.requested"]


def test_nothing_has_changed_where_the_broker_did_not_take_the_event(
    deadletter: httpx.Client, tasks: SqlTasks, brokers: dict[str, Recorder]
) -> None:
    die(deadletter)
    before = letters(deadletter, open=True)
    brokers["inference"].status = 500
    assert_problem(deadletter.post(f"{LETTERS}/{before[0]['letter_id']}/replay"), 503, words="did not take")
    assert letters(deadletter, open=True) == before
    assert state(tasks) is TaskState.FAILURE
    brokers["inference"].status = 202
    assert deadletter.post(f"{LETTERS}/{before[0]['letter_id']}/replay").status_code == 202


def test_a_task_whose_status_was_gone_can_be_asked_for_again_after_its_replay(
    deadletter: httpx.Client, tasks: SqlTasks
) -> None:
    die(deadletter)
    (letter,) = letters(deadletter)
    assert deadletter.post(f"{LETTERS}/{letter['letter_id']}/replay").status_code == 202
    found = tasks.find("t1")
    assert found is not None
    assert found.expires_at - found.updated_at == timedelta(days=1)
    assert task_status("t1", tasks, found.updated_at).state is TaskState.PENDING


def test_a_letter_whose_task_is_gone_is_not_replayed_and_stays_open(
    deadletter: httpx.Client, brokers: dict[str, Recorder]
) -> None:
    asked = ScrapeRequested(task_id="t2", source="demo", first_day=NOW.date(), last_day=NOW.date())
    die(deadletter)
    die(deadletter, first_event(asked, id="s1", service="scrape", now=NOW), "ingest")
    before = letters(deadletter, open=True)
    for letter, task_id in zip(before, ("t1", "t2"), strict=True):
        answer = deadletter.post(f"{LETTERS}/{letter['letter_id']}/replay")
        assert_problem(answer, 410, words=f"there is no task {task_id} any more")
    assert letters(deadletter, open=True) == before
    assert brokers["inference"].events == brokers["ingest"].events == []


def test_an_event_that_brings_its_task_along_is_replayed_without_one(
    deadletter: httpx.Client, brokers: dict[str, Recorder]
) -> None:
    asked = ScrapeRequested(task_id="t2", source="demo", first_day=NOW.date(), last_day=NOW.date())
    ping = Event("p1", "/pingsources/odds", PING, NOW, {"source": "demo", "days_before": 1, "days_after": 1})
    die(deadletter, replace(first_event(asked, id="s1", service="scrape", now=NOW), source="/elsewhere"), "ingest")
    die(deadletter, ping, "ingest")
    for letter in letters(deadletter):
        assert deadletter.post(f"{LETTERS}/{letter['letter_id']}/replay").status_code == 202
    assert len(brokers["ingest"].events) == 2


def test_a_task_that_had_succeeded_stays_so(deadletter: httpx.Client, tasks: SqlTasks) -> None:
    tasks.finish("t1", NOW, result={"home": 0.5})
    die(deadletter)
    (letter,) = letters(deadletter)
    assert deadletter.post(f"{LETTERS}/{letter['letter_id']}/replay").status_code == 202
    assert state(tasks) is TaskState.SUCCESS


def test_scrapes_fail_also_those_that_a_ping_asked_for(deadletter: httpx.Client, tasks: SqlTasks) -> None:
    asked = ScrapeRequested(task_id="t1", source="demo", first_day=NOW.date(), last_day=NOW.date())
    die(deadletter, first_event(asked, id="s1", service="scrape", now=NOW), "ingest")
    ping = Event("p1", "/pingsources/odds", PING, NOW, {"source": "demo", "days_before": 1, "days_after": 1})
    made = derived_id(ping, ScrapeRequested.type())
    tasks.add(Task(made, "scrape", TaskState.RUNNING, NOW, NOW, NOW + timedelta(days=1)))
    die(deadletter, ping, "ingest")
    assert [state(tasks, task_id) for task_id in ("t1", made)] == [TaskState.FAILURE] * 2


@pytest.mark.parametrize("data", [None, [], {"note": "\0 \ud800"}, {"task_id": 7}, {"task_id": "t\0"}, "t1"])
def test_any_event_is_kept_whatever_it_carries(deadletter: httpx.Client, tasks: SqlTasks, data: Any) -> None:
    for type_ in (ASKED.type, PING, "com.example.other"):
        assert die(deadletter, replace(ASKED, type=type_, id=type_, data=data)).status_code == 204
    assert len(letters(deadletter)) == 3
    shown = [deadletter.get(f"{LETTERS}/{letter['letter_id']}").json()["event_data"] for letter in letters(deadletter)]
    assert shown == [data] * 3
    assert state(tasks) is TaskState.PENDING


@pytest.mark.parametrize(
    ("body", "kept"), [(b'{"n": NaN}', '{"n": NaN}'), (b"[1e999]", "[1e999]"), (b"\xff", {"data_base64": "/w=="})]
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_an_event_is_kept_whose_data_is_no_json(deadletter: httpx.Client, body: bytes, kept: Any, slash: str) -> None:
    headers, _ = event_http(died())
    assert deadletter.post(f"/from/inference{slash}", headers=headers, content=body).status_code == 204
    (letter,) = letters(deadletter)
    assert deadletter.get(f"{LETTERS}/{letter['letter_id']}").json()["event_data"] == kept


def test_a_letter_may_be_as_large_as_an_event(deadletter: httpx.Client) -> None:
    for number, slash in enumerate(("", "/")):
        large = died(replace(ASKED, id=f"large{number}", data={"note": "x" * 500_000}))
        assert deliver(deadletter, large, f"/from/inference{slash}").status_code == 204
    assert len(letters(deadletter)) == 2


def test_data_that_was_too_large_to_travel_stays_where_it_is(
    deadletter: httpx.Client, brokers: dict[str, Recorder]
) -> None:
    large = replace(ASKED, data=None, extensions={"dataref": "events/gone.json"})
    assert die(deadletter, large).status_code == 204
    (letter,) = letters(deadletter)
    assert deadletter.post(f"{LETTERS}/{letter['letter_id']}/replay").status_code == 202
    assert brokers["inference"].events == [replayed(letter, large)]


@pytest.mark.parametrize("changes", [{"id": "a\0b"}, {"source": "\ud800"}, {"subject": "x\ny"}])
def test_attributes_that_no_database_could_hold_are_rejected(deadletter: httpx.Client, changes: dict[str, str]) -> None:
    event = {"specversion": "1.0", "id": "i", "source": "s", "type": "t", "time": "2025-03-01T09:00:00Z"} | changes
    body = json.dumps(event).encode()
    answer = deadletter.post("/from/ingest", content=body, headers={"Content-Type": "application/cloudevents+json"})
    reply = reply_of(answer)
    assert reply is not None
    assert reply.data["problem"]["field"] == next(iter(changes))


@pytest.mark.parametrize("path", ["/from/ingest", "/from/inference", "/"])
def test_what_is_no_event_is_rejected_and_not_kept(deadletter: httpx.Client, path: str) -> None:
    reply = reply_of(deadletter.post(path, content=b"\x00junk"))
    assert reply is not None
    assert reply.type == "org.matchcast.event.rejected"
    assert letters(deadletter) == []


def test_letters_are_not_taken_while_the_database_is_away(environment: dict[str, str]) -> None:
    away = environment | {"MATCHCAST_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    with served(deadletter_app(away)) as client:
        assert_problem(die(client), 503, words="database")


def test_the_list_is_paged_in_the_order_of_death(deadletter: httpx.Client) -> None:
    for number in range(5):
        die(deadletter, replace(ASKED, id=f"e{number}"))
    path: str | None = f"{LETTERS}?limit=2&open=true"
    seen: list[str] = []
    while path is not None:
        page = deadletter.get(path).json()
        assert len(page["items"]) <= 2
        seen += [letter["event_id"] for letter in page["items"]]
        path = page["next"]
    assert seen == [f"e{number}" for number in range(5)]


@pytest.mark.parametrize(
    "position",
    [
        "x",
        "2025-03-01 a",
        "2025-03-01T09:00:00+00:00 \0",
        "2025-03-01T09:00:00+00:00 ",
        "2025-03-01T09:00:00 a",
        "2025-03-01T10:00:00+01:00 a",
        "2025-03-01T09:00:00Z a",
        "0001-01-01T00:00:00+14:00 a",
        "9999-12-31T23:59:59-14:00 a",
    ],
)
def test_a_cursor_of_somebody_else_is_refused(deadletter: httpx.Client, position: str) -> None:
    cursor = urlsafe_b64encode(position.encode()).decode().rstrip("=")
    assert_problem(deadletter.get(LETTERS, params={"cursor": cursor}), 422, "cursor")


@pytest.mark.parametrize("cursor", ["x", "ä", "eA", "eA==", ""])
def test_a_cursor_that_says_nothing_is_refused(deadletter: httpx.Client, cursor: str) -> None:
    assert_problem(deadletter.get(LETTERS, params={"cursor": cursor}), 422, "cursor")


def test_a_cursor_is_written_in_one_way(deadletter: httpx.Client) -> None:
    cursor = urlsafe_b64encode(b"2025-03-01T09:00:00+00:00 ab").decode()
    assert deadletter.get(LETTERS, params={"cursor": cursor.rstrip("=")}).status_code == 200
    assert_problem(deadletter.get(LETTERS, params={"cursor": cursor}), 422, "cursor")


@pytest.mark.parametrize("limit", [0, 201])
def test_a_page_has_1_to_200_letters(deadletter: httpx.Client, limit: int) -> None:
    assert_problem(deadletter.get(LETTERS, params={"limit": limit}), 422, "limit")


def test_an_unknown_letter_is_not_found(deadletter: httpx.Client) -> None:
    assert_problem(deadletter.get(f"{LETTERS}/unheard-of"), 404, words="is no dead letter")
    assert_problem(deadletter.post(f"{LETTERS}/unheard-of/replay"), 404)
    assert_problem(deadletter.get(f"{LETTERS}/a%00b"), 422, "letter_id", "control characters")
    assert_problem(deadletter.post(f"{LETTERS}/a%00b/replay"), 422, "letter_id", "control characters")


def test_only_an_admin_sees_letters(deadletter: httpx.Client, database: Database) -> None:
    other = {"X-API-Key": SqlApiKeys(database).create("tests", frozenset({"predict", "ingest"}), NOW).text}
    for path in (LETTERS, f"{LETTERS}/x"):
        assert_problem(deadletter.get(path, headers={"X-API-Key": ""}), 401)
        assert_problem(deadletter.get(path, headers=other), 403)
    assert_problem(deadletter.post(f"{LETTERS}/x/replay", headers=other), 403)


def test_the_settings_say_what_is_missing() -> None:
    with pytest.raises(BadInput) as raised:
        deadletter_app({"MATCHCAST_INGEST_BROKER_URL": "amqp://x"})
    for words in ("MATCHCAST_INFERENCE_BROKER_URL: is missing", "MATCHCAST_INGEST_BROKER_URL: only http"):
        assert words in str(raised.value)


def test_a_death_that_comes_while_its_replay_is_published_is_the_next_one(
    environment: dict[str, str], database: Database, tasks: SqlTasks, brokers: dict[str, Recorder]
) -> None:
    """The broker may give up before the replay has been answered."""
    with serving(environment, database) as client, ThreadPoolExecutor(1) as pool:
        die(client)
        (letter,) = letters(client)
        deaths = []

        class Impatient(list[Event]):
            def append(self, event: Event) -> None:
                super().append(event)
                deaths.append(pool.submit(die, client, event))

        brokers["inference"].events = Impatient()
        assert client.post(f"{LETTERS}/{letter['letter_id']}/replay").status_code == 202
        assert deaths[0].result().status_code == 204
        (again,) = letters(client, open=True)
        assert again["deaths"] == 2
        assert state(tasks) is TaskState.FAILURE


def test_whoever_takes_a_replayed_event_at_once_finds_its_task_open(
    environment: dict[str, str], database: Database, tasks: SqlTasks, brokers: dict[str, Recorder], tmp_path: Path
) -> None:
    wheel = tmp_path / "demo.whl"
    wheel.write_bytes(b"no wheel")
    own = {"MATCHCAST_DEMO_WHEEL": str(wheel), "K_SINK": brokers["ingest"].url}
    asked = ScrapeRequested(task_id="t1", source="demo", first_day=NOW.date(), last_day=NOW.date())
    event = first_event(asked, id="s1", service="scrape", now=NOW)
    with (
        served(scrape_app(environment | own)) as scrape,
        serving(environment, database) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        die(client, event, "ingest")
        (letter,) = letters(client)
        taken = []

        class Quick(list[Event]):
            def append(self, event: Event) -> None:
                super().append(event)
                taken.append(pool.submit(deliver, scrape, event))

        brokers["ingest"].events = Quick()
        assert client.post(f"{LETTERS}/{letter['letter_id']}/replay").status_code == 202
        reply = reply_of(taken[0].result())
        assert reply is not None
        assert reply.type == "org.matchcast.scrape.failed"  # the wheel is none, but it was looked at
        assert state(tasks) is TaskState.FAILURE


def test_attributes_of_any_letters_are_replayed_as_they_were(
    deadletter: httpx.Client, tasks: SqlTasks, brokers: dict[str, Recorder]
) -> None:
    odd = replace(ASKED, id='50 % "Ålmouth"', subject="Köln – 大阪", extensions={"note": "one\ntwo"})
    assert die(deadletter, odd).status_code == 204
    (letter,) = letters(deadletter)
    assert deadletter.post(f"{LETTERS}/{letter['letter_id']}/replay").status_code == 202
    assert brokers["inference"].events == [replayed(letter, odd)]


def test_the_kept_event_has_lost_what_the_broker_added(deadletter: httpx.Client) -> None:
    headers, _ = event_http(died())
    assert "ce-knativeerrordest" in headers
    die(deadletter, replace(ASKED, extensions={"parentid": "p"}))
    (letter,) = letters(deadletter)
    assert deadletter.get(f"{LETTERS}/{letter['letter_id']}").json()["event_extensions"] == {"parentid": "p"}
