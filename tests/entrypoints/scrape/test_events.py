"""The events that ask for scrapes."""

import gzip
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest

from functions.scrape.main import app as scrape_app
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import captures, handled_events, matches
from matchcast.adapters.database.tasks import SqlTasks
from matchcast.adapters.objects_folder import FolderStore
from matchcast.domain.event import Event
from matchcast.events import MatchesIngested, ScrapeFailed, payload_of
from matchcast.ports.events import TaskState
from tests.entrypoints.recorder import Recorder, deliver, reply_of
from tests.entrypoints.scraping import DUE, E0, NOW, accepted, rows, task
from tests.entrypoints.served import assert_problem, served
from tests.entrypoints.shelf import Shelf


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
            kept.append(sum(key.endswith(".gz") for key in objects.keys("captures/")))
            return super().__getitem__(path)

    objects.put("captures/none", b"")
    shelf.files = Counting(shelf.files)
    reply = reply_of(deliver(scrape, event))
    assert reply is not None
    assert len(payload_of(reply, MatchesIngested).captures) == 2
    assert kept == [0, 1]


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
    waiting = task(database, event.data["task_id"])
    assert (waiting.state, waiting.problem is not None) == (TaskState.RUNNING, True)
    assert "try again later" in (waiting.problem or {})["detail"]
    shelf.status = 200
    assert reply_of(deliver(scrape, event)) is not None
    done = task(database, event.data["task_id"])
    assert (done.state, done.problem) == (TaskState.SUCCESS, None)


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
