"""Scraping, over HTTP and by events."""

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from functions.scrape.main import app as scrape_app
from matchcast.adapters.database.api_keys import SqlApiKeys
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import captures, handled_events, matches
from matchcast.adapters.database.tasks import SqlTasks
from matchcast.adapters.objects_folder import FolderStore
from matchcast.domain.event import Event
from matchcast.errors import BadInput
from matchcast.events import PING, MatchesIngested, ScrapeFailed, payload_of
from matchcast.ports.events import Task, TaskState
from tests.entrypoints.recorder import Recorder, deliver, recording, reply_of
from tests.entrypoints.served import assert_problem, served
from tests.entrypoints.shelf import Shelf

NOW = datetime(2025, 3, 1, 9, tzinfo=UTC)
E0 = """Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR
E0,25/01/2025,15:00,Arsenal,Wolves,2,0,H
E0,22/02/2025,15:00,Fulham,Brentford,1,1,D
E0,23/02/2025,15:00,Everton,Everton,1,1,D
E0,08/03/2025,15:00,Chelsea,Arsenal,,,
"""
ASKED = {"source": "football-data", "from": "2025-02-20", "to": "2025-03-10", "tournaments": ["england:premier-league"]}
DUE = Event(
    "p1", "/apis/v1/namespaces/matchcast/pingsources/odds", PING, NOW,
    {"source": "football-data", "days_before": 9, "days_after": 10},
)  # fmt: skip


@pytest.fixture
def shelf() -> Shelf:
    return Shelf({"mmz4281/2425/E0.csv": E0})


@pytest.fixture
def broker() -> Iterator[Recorder]:
    with recording() as recorder:
        yield recorder


@pytest.fixture
def objects(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "objects")


@pytest.fixture
def environment(shelf: Shelf, broker: Recorder, database_url: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    with served(shelf) as source:
        yield {
            "MATCHCAST_DATABASE_URL": database_url,
            "MATCHCAST_OBJECTS_URL": str(tmp_path / "objects"),
            "MATCHCAST_CACHE_DIR": str(tmp_path / "cache"),
            "MATCHCAST_CLOCK_STARTS_AT": NOW.isoformat(),
            "MATCHCAST_FOOTBALL_DATA_URL": str(source.base_url),
            "MATCHCAST_HANDLER_SECONDS": "20",
            "K_SINK": broker.url,
        }


@pytest.fixture
def scrape(environment: dict[str, str], database: Database) -> Iterator[httpx.Client]:
    key = SqlApiKeys(database).create("tests", frozenset({"ingest"}), NOW).text
    with served(scrape_app(environment), key) as client:
        yield client


def task(database: Database, task_id: str) -> Task:
    found = SqlTasks(database).find(task_id)
    assert found is not None
    return found


def rows(database: Database, table: Any) -> list[Any]:
    with database.reading() as connection:
        return list(connection.execute(select(table)))


def accepted(scrape: httpx.Client, broker: Recorder, **changes: Any) -> Event:
    """The event of a request that was accepted."""
    assert scrape.post("/scrape", json=ASKED | changes).status_code == 202
    return broker.events[-1]


def test_a_request_is_accepted_as_a_task_and_an_event(
    scrape: httpx.Client, broker: Recorder, database: Database
) -> None:
    answer = scrape.post("/scrape/", json=ASKED)
    assert answer.status_code == 202
    task_id = answer.json()["task_id"]
    url = f"/monitoring/task_status/{task_id}"
    assert answer.json() == {"task_id": task_id, "status": "submitted", "status_url": url}
    assert (answer.headers["location"], answer.headers["retry-after"]) == (url, "5")
    (event,) = broker.events
    assert (event.type, event.source, event.data) == (
        "org.matchcast.scrape.requested", "/matchcast/scrape", ASKED | {"task_id": task_id},
    )  # fmt: skip
    found = task(database, task_id)
    assert (found.kind, found.state) == ("scrape", TaskState.PENDING)
    assert found.expires_at - found.submitted_at == timedelta(days=7)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"source": "whoscored"}, "source", "is not configured; take one of football-data"),
        ({"to": "2025-02-19"}, "to", "give a later day"),
        ({"from": "2024-03-09"}, "to", "at most 366 days at once"),
        ({"from": "yesterday"}, "from", ""),
        ({"tournaments": ["england:cricket"]}, "tournaments", "is no tournament's id"),
        ({"browser": True}, "browser", "leave it out"),
    ],
)  # fmt: skip
def test_a_wrong_request_names_the_field(
    scrape: httpx.Client, broker: Recorder, changes: dict[str, Any], field: str, words: str
) -> None:
    assert_problem(scrape.post("/scrape", json=ASKED | changes), 422, field, words)
    assert broker.events == []


def test_a_window_of_366_days_is_the_longest(scrape: httpx.Client) -> None:
    assert scrape.post("/scrape", json=ASKED | {"from": "2024-03-11", "to": "2025-03-11"}).status_code == 202


def test_only_a_key_for_ingest_may_ask(scrape: httpx.Client, database: Database) -> None:
    assert_problem(scrape.post("/scrape", json=ASKED, headers={"X-API-Key": ""}), 401)
    other = SqlApiKeys(database).create("tests", frozenset({"predict"}), NOW).text
    assert_problem(scrape.post("/scrape", json=ASKED, headers={"X-API-Key": other}), 403)


def test_a_request_is_not_accepted_while_the_broker_is_away(
    scrape: httpx.Client, broker: Recorder, database: Database
) -> None:
    broker.status = 500
    assert_problem(scrape.post("/scrape", json=ASKED), 503, words="did not take the event")
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM tasks").scalar() == 0


def test_a_request_whose_work_has_begun_is_accepted_though_the_broker_said_no(
    scrape: httpx.Client, broker: Recorder, database: Database
) -> None:
    """Its answer was lost, as that of a broker which is killed."""
    with ThreadPoolExecutor(1) as pool:

        class Lost(list[Event]):
            def append(self, event: Event) -> None:
                super().append(event)
                pool.submit(deliver, scrape, event).result()
                broker.status = 500

        broker.events = Lost()
        answer = scrape.post("/scrape", json=ASKED)
    assert answer.status_code == 202
    assert task(database, answer.json()["task_id"]).state is TaskState.SUCCESS


def test_matches_of_the_window_are_stored_and_told_of(
    scrape: httpx.Client, broker: Recorder, database: Database, objects: FolderStore
) -> None:
    event = accepted(scrape, broker)
    reply = reply_of(deliver(scrape, event))
    assert reply is not None
    told = payload_of(reply, MatchesIngested)
    assert told.counts.to_json() == {"inserted": 2, "updated": 0, "unchanged": 0, "rejected": 1}
    stored = {row.id: (row.home_team_id, row.status) for row in rows(database, matches)}
    assert [stored[i] for i in told.finished] == [("england:fulham", 6)]
    assert [stored[i] for i in told.upcoming] == [("england:chelsea", 1)]
    assert len(stored) == 2
    (key,) = told.captures
    assert key.startswith("captures/football-data/2025-03-01/")
    assert gzip.decompress(objects.get(key)).decode() == E0
    (capture,) = rows(database, captures)
    assert (capture.object_key, capture.source) == (key, "football-data")
    assert capture.url.endswith("/mmz4281/2425/E0.csv")
    done = task(database, told.task_id)
    assert (done.state, done.problem) == (TaskState.SUCCESS, None)
    assert done.result is not None
    assert done.result["matches"] == told.counts.to_json()
    assert "Everton" in done.result["rejected"][0]


def test_an_event_delivered_again_gives_the_same_answer_and_asks_nobody(
    scrape: httpx.Client, broker: Recorder, database: Database, shelf: Shelf
) -> None:
    event = accepted(scrape, broker)
    first = reply_of(deliver(scrape, event))
    asked = len(shelf.asked)
    assert [reply_of(deliver(scrape, event)) for _ in range(4)] == [first] * 4
    assert len(shelf.asked) == asked
    assert len(rows(database, captures)) == 1


def test_deliveries_at_once_have_one_effect_and_one_answer(
    scrape: httpx.Client, broker: Recorder, database: Database
) -> None:
    """Any of the answers may be the only one that arrives."""
    event = accepted(scrape, broker)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: deliver(scrape, event), range(4)))
    replies = [reply_of(answer) for answer in answers]
    assert replies[0] is not None
    assert replies == [replies[0]] * 4
    assert len(rows(database, matches)) == 2
    assert len(rows(database, captures)) == 1
    assert [row.consumer for row in rows(database, handled_events)] == ["scrape"]


def test_scrapes_of_the_same_days_at_once_store_each_match_once(
    scrape: httpx.Client, broker: Recorder, database: Database
) -> None:
    events = [accepted(scrape, broker) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        replies = [reply_of(answer) for answer in pool.map(lambda event: deliver(scrape, event), events)]
    told = [payload_of(reply, MatchesIngested) for reply in replies if reply is not None]
    assert sorted(one.counts.inserted for one in told) == [0, 0, 0, 2]
    assert len({one.finished for one in told}) == 1
    assert len(rows(database, matches)) == 2


def test_a_result_is_an_update_of_its_fixture(
    scrape: httpx.Client, broker: Recorder, database: Database, shelf: Shelf
) -> None:
    deliver(scrape, accepted(scrape, broker))
    shelf.files["mmz4281/2425/E0.csv"] = E0.replace("Chelsea,Arsenal,,,", "Chelsea,Arsenal,0,1,A")
    reply = reply_of(deliver(scrape, accepted(scrape, broker)))
    assert reply is not None
    told = payload_of(reply, MatchesIngested)
    assert told.counts.to_json() == {"inserted": 0, "updated": 1, "unchanged": 1, "rejected": 1}
    assert (len(told.finished), told.upcoming) == (2, ())


def test_a_source_whose_layout_changed_fails_the_task_and_keeps_what_it_said(
    scrape: httpx.Client, broker: Recorder, database: Database, shelf: Shelf, objects: FolderStore
) -> None:
    shelf.files["mmz4281/2425/E0.csv"] = "<html>we moved</html>"
    event = accepted(scrape, broker)
    reply = reply_of(deliver(scrape, event))
    assert reply is not None
    told = payload_of(reply, ScrapeFailed)
    assert (told.problem.status, told.source) == (422, "football-data")
    done = task(database, told.task_id)
    assert (done.state, done.result) == (TaskState.FAILURE, None)
    assert done.problem == told.problem.to_json()
    (capture,) = rows(database, captures)
    assert gzip.decompress(objects.get(capture.object_key)) == b"<html>we moved</html>"
    assert rows(database, matches) == []
    shelf.files["mmz4281/2425/E0.csv"] = E0
    assert reply_of(deliver(scrape, event)) == reply


def test_files_are_kept_and_read_one_by_one(
    scrape: httpx.Client, broker: Recorder, shelf: Shelf, objects: FolderStore
) -> None:
    """However many there are, a few are in memory."""
    shelf.files["mmz4281/2324/E0.csv"] = E0.replace("/2025", "/2024")
    event = accepted(scrape, broker, **{"from": "2024-05-01", "to": "2025-03-10"})
    kept = []

    class Counting(dict[str, str]):
        def __getitem__(self, path: str) -> str:
            kept.append(len(objects.keys("captures/")))
            return super().__getitem__(path)

    objects.put("captures/none", b"")
    shelf.files = Counting(shelf.files)
    reply = reply_of(deliver(scrape, event))
    assert reply is not None
    assert len(payload_of(reply, MatchesIngested).captures) == 2
    assert kept == [1, 2]


def test_a_scrape_reads_no_more_than_it_may(
    scrape: httpx.Client, broker: Recorder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matchcast.usecases.scrape.LARGEST_SCRAPE", len(E0) - 1)
    event = accepted(scrape, broker)
    reply = reply_of(deliver(scrape, event))
    assert reply is not None
    assert "ask for fewer days" in payload_of(reply, ScrapeFailed).problem.detail
    assert task(database, event.data["task_id"]).state is TaskState.FAILURE


def test_a_source_that_is_away_leaves_the_task_open_until_it_is_back(
    scrape: httpx.Client, broker: Recorder, database: Database, shelf: Shelf
) -> None:
    event = accepted(scrape, broker)
    shelf.status = 503
    assert_problem(deliver(scrape, event), 503, words="try again later")
    assert task(database, event.data["task_id"]).state is TaskState.RUNNING
    shelf.status = 200
    assert reply_of(deliver(scrape, event)) is not None
    assert task(database, event.data["task_id"]).state is TaskState.SUCCESS


def test_a_task_that_ended_or_is_unknown_is_not_worked_on(
    scrape: httpx.Client, broker: Recorder, database: Database, shelf: Shelf
) -> None:
    event = accepted(scrape, broker)
    SqlTasks(database).finish(event.data["task_id"], NOW, problem={"detail": "given up"})
    for late in (event, replace(event, data=event.data | {"task_id": "unheard-of"})):
        assert deliver(scrape, late).status_code == 204
    assert shelf.asked == []
    assert rows(database, matches) == rows(database, handled_events) == []


def test_a_task_that_ends_while_the_source_is_read_leaves_what_was_captured(
    scrape: httpx.Client, broker: Recorder, database: Database, shelf: Shelf
) -> None:
    event = accepted(scrape, broker)

    class Ending(dict[str, str]):
        def __getitem__(self, path: str) -> str:
            SqlTasks(database).finish(event.data["task_id"], NOW, problem={"detail": "given up"})
            return super().__getitem__(path)

    shelf.files = Ending(shelf.files)
    assert deliver(scrape, event).status_code == 204
    assert rows(database, matches) == rows(database, handled_events) == []
    assert len(rows(database, captures)) == 1


def test_an_event_whose_source_is_not_configured_fails_its_task(
    scrape: httpx.Client, broker: Recorder, database: Database
) -> None:
    event = accepted(scrape, broker)
    reply = reply_of(deliver(scrape, replace(event, data=event.data | {"source": "demo"})))
    assert reply is not None
    assert "is not configured" in payload_of(reply, ScrapeFailed).problem.detail
    assert task(database, event.data["task_id"]).state is TaskState.FAILURE


def test_a_ping_reads_the_days_around_now_for_a_task_made_of_it(
    scrape: httpx.Client, database: Database, shelf: Shelf
) -> None:
    reply = reply_of(deliver(scrape, DUE))
    assert reply is not None
    told = payload_of(reply, MatchesIngested)
    assert (len(told.finished), len(told.upcoming)) == (1, 1)
    assert {"mmz4281/2425/D1.csv", "fixtures.csv"} <= set(shelf.asked)
    assert task(database, told.task_id).state is TaskState.SUCCESS
    asked = len(shelf.asked)
    assert reply_of(deliver(scrape, DUE)) == reply
    assert len(shelf.asked) == asked
    another = reply_of(deliver(scrape, replace(DUE, id="p2")))
    assert another is not None
    assert another.data["task_id"] != told.task_id


def test_a_scrape_that_others_publish_brings_its_task(
    scrape: httpx.Client, broker: Recorder, database: Database, shelf: Shelf
) -> None:
    event = replace(accepted(scrape, broker), id="a1", source="/airflow/dags/odds")
    event = replace(event, data=event.data | {"task_id": "a1"})
    reply = reply_of(deliver(scrape, event))
    assert reply is not None
    assert payload_of(reply, MatchesIngested).task_id == "a1"
    assert task(database, "a1").state is TaskState.SUCCESS
    asked = len(shelf.asked)
    assert reply_of(deliver(scrape, event)) == reply
    assert len(shelf.asked) == asked


@pytest.mark.parametrize("change", [{"to": "2025-02-19"}, {"to": "never"}, {"source": ""}, {"browser": True}])
def test_the_task_of_an_event_that_breaks_its_schema_fails(
    scrape: httpx.Client, broker: Recorder, database: Database, change: dict[str, Any]
) -> None:
    event = accepted(scrape, broker)
    event = replace(event, data=event.data | change)
    reply, again = (reply_of(deliver(scrape, event)) for _ in range(2))
    assert reply is not None
    assert reply.type == "org.matchcast.event.rejected"
    assert again is not None
    assert again.id == reply.id
    done = task(database, event.data["task_id"])
    assert done.state is TaskState.FAILURE
    assert done.problem == reply.data["problem"]


@pytest.mark.parametrize(
    "event",
    [
        replace(DUE, data={}),
        replace(DUE, data={"source": "football-data", "days_before": -1, "days_after": 1}),
        replace(DUE, type="org.matchcast.scrape.requested", data={"task_id": "t"}),
        replace(DUE, type="org.matchcast.drift.checked"),
    ],
)  # fmt: skip
def test_an_event_that_can_never_be_handled_is_answered_with_a_rejection(scrape: httpx.Client, event: Event) -> None:
    reply = reply_of(deliver(scrape, event))
    assert reply is not None
    assert (reply.type, reply.source) == ("org.matchcast.event.rejected", "/matchcast/scrape")


def test_the_database_being_away_is_a_passing_fault(scrape: httpx.Client, environment: dict[str, str]) -> None:
    away = environment | {"MATCHCAST_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    with served(scrape_app(away)) as client:
        assert_problem(deliver(client, DUE), 503, words="database")


def test_the_settings_say_what_is_missing() -> None:
    wrong = {"MATCHCAST_DEMO_WHEEL": "/nowhere.whl", "MATCHCAST_FOOTBALL_DATA_URL": "football-data.co.uk"}
    with pytest.raises(BadInput) as raised:
        scrape_app(wrong)
    for words in ("K_SINK: is missing", "MATCHCAST_DEMO_WHEEL: ", "MATCHCAST_FOOTBALL_DATA_URL: only http"):
        assert words in str(raised.value)
