"""What a scrape keeps of a visit, and when it leaves a source alone."""

import gzip
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Event as Flag
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import captures, cool_downs, handled_events, matches, metric_totals, tasks
from matchcast.adapters.objects_folder import FolderStore
from matchcast.domain.event import Event
from matchcast.events import ScrapeFailed, payload_of
from matchcast.ports.events import TaskState
from tests.entrypoints.recorder import deliver, reply_of
from tests.entrypoints.scraping import ASKED, NOW, PAGES, WHOLE, Pages, asks, function_of, ingested, rows, task
from tests.entrypoints.served import assert_problem, served

Serve = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture
def serve(pages: Pages, settings: dict[str, str], key: str) -> Serve:
    return lambda **changes: served(function_of(pages, settings, **changes), key)


@pytest.fixture
def scrape(serve: Serve) -> Iterator[httpx.Client]:
    with serve() as client:
        yield client


def failed(client: httpx.Client, event: Event) -> ScrapeFailed:
    reply = reply_of(deliver(client, event))
    assert reply is not None
    return payload_of(reply, ScrapeFailed)


def test_a_source_that_turns_us_away_is_asked_nothing_more(
    scrape: httpx.Client, pages: Pages, database: Database
) -> None:
    (pages.folder / "2.csv").write_text("403 who are you?")
    told = failed(scrape, asks("pages", "t"))
    assert pages.asked == ["1.csv", "2.csv"]
    assert told.problem.type == "urn:matchcast:problem:source-blocked"
    kept = rows(database, captures)
    assert [(row.name, row.status) for row in kept] == [("1.csv", 200), ("2.csv", 403)]
    assert kept[0].problem is None
    assert kept[1].problem == "turned away: source: pages turns us away: 403"
    assert told.problem.detail.startswith("source: pages turns us away: 403; pages is left alone until 2025-03-01 21:0")
    assert told.problem.detail.endswith(f"; see {kept[1].object_key}")
    done = task(database, "t")
    assert (done.state, done.problem) == (TaskState.FAILURE, told.problem.to_json())
    assert rows(database, matches) == []


def test_until_the_cool_down_is_over_scrapes_of_the_source_fail_at_once(
    scrape: httpx.Client, serve: Serve, pages: Pages, database: Database
) -> None:
    (pages.folder / "2.csv").write_text("403 who are you?")
    failed(scrape, asks("pages"))
    asked = pages.asked
    told = failed(scrape, asks("pages", "later"))
    assert told.problem.type == "urn:matchcast:problem:source-blocked"
    assert told.problem.detail.startswith("source: pages turns us away: 403; pages is left alone until 2025-03-01 21:0")
    assert task(database, "later").state is TaskState.FAILURE
    answer = scrape.post("/scrape", json=ASKED | {"source": "pages"})
    assert_problem(answer, 503, words="left alone until 2025-03-01 21:0")
    assert 12 * 3600 - 60 < int(answer.headers["retry-after"]) <= 12 * 3600
    assert pages.asked == asked

    (pages.folder / "2.csv").write_text(PAGES["2.csv"])
    with serve(now=lambda: NOW + timedelta(hours=12, minutes=1)) as client:
        assert client.post("/scrape", json=ASKED | {"source": "pages"}).status_code == 202
        assert ingested(client, asks("pages")).counts.to_json() == WHOLE
    assert pages.asked == [*asked, "1.csv?", "2.csv", "3.csv"]


def test_a_source_may_say_itself_how_long_it_wants_to_be_left_alone(
    scrape: httpx.Client, pages: Pages, database: Database
) -> None:
    (pages.folder / "1.csv").write_text("403 who are you?")
    pages.retry_after = 90
    problem = failed(scrape, asks("pages")).problem
    (refusal,) = rows(database, captures)
    (standing,) = rows(database, cool_downs)
    assert standing.until == refusal.taken_at + timedelta(seconds=90)
    assert f"left alone until {standing.until:%Y-%m-%d %H:%M:%S} UTC" in problem.detail
    answer = scrape.post("/scrape", json=ASKED | {"source": "pages"})
    assert 0 < int(answer.headers["retry-after"]) <= 90


def test_how_long_a_source_is_left_alone_counts_from_its_answer_however_late_in_a_visit_it_comes(
    serve: Serve, pages: Pages, database: Database
) -> None:
    (pages.folder / "3.csv").write_text("403 who are you?")
    pages.retry_after = 90
    ticks = count()
    with serve(now=lambda: NOW + timedelta(minutes=next(ticks))) as client:
        failed(client, asks("pages"))
    begun = rows(database, handled_events)[0].handled_at
    (standing,) = rows(database, cool_downs)
    assert standing.until == rows(database, captures)[-1].taken_at + timedelta(seconds=90)
    assert standing.until > begun + timedelta(minutes=3)


def test_of_a_changed_layout_nothing_is_loaded_and_the_capture_is_named(
    scrape: httpx.Client, pages: Pages, database: Database, objects: FolderStore
) -> None:
    (pages.folder / "2.csv").write_text("<html>we moved</html>")
    told = failed(scrape, asks("pages"))
    assert told.problem.type == "urn:matchcast:problem:layout-changed"
    assert pages.asked == ["1.csv", "2.csv"]
    good, changed = rows(database, captures)
    assert told.problem.detail.endswith(f"it begins with <, not with Div; see {changed.object_key}")
    assert (good.problem, changed.problem) == (None, "it begins with <, not with Div")
    assert gzip.decompress(objects.get(changed.object_key)) == b"<html>we moved</html>"
    assert rows(database, matches) == []


def test_what_could_not_be_read_is_asked_for_as_if_for_the_first_time(
    scrape: httpx.Client, pages: Pages, database: Database
) -> None:
    (pages.folder / "2.csv").write_text("<html>we moved</html>")
    failed(scrape, asks("pages"))
    (pages.folder / "2.csv").write_text(PAGES["2.csv"])
    assert ingested(scrape, asks("pages")).counts.to_json() == WHOLE
    assert pages.asked == ["1.csv", "2.csv", "1.csv?", "2.csv", "3.csv"]


def test_a_visit_that_broke_off_goes_on_where_it_was(
    scrape: httpx.Client, serve: Serve, pages: Pages, database: Database
) -> None:
    event = asks("pages", "t")
    gone = Flag()

    def break_off(page: str) -> None:
        if page == "3.csv" and not gone.is_set():
            gone.set()
            (pages.folder / page).rename(pages.folder / "away")

    pages.before = break_off
    assert deliver(scrape, event).status_code >= 500
    assert (pages.visits, task(database, "t").state) == (0, TaskState.RUNNING)
    assert len(rows(database, captures)) == 2
    (pages.folder / "away").rename(pages.folder / "3.csv")
    with serve(now=lambda: NOW + timedelta(minutes=10)) as client:
        told = ingested(client, event)
    assert told.counts.to_json() == WHOLE
    assert list(told.captures) == [row.object_key for row in rows(database, captures)]
    assert pages.asked == ["1.csv", "2.csv", "3.csv"]


def test_an_event_that_lay_among_the_dead_letters_for_days_asks_anew(
    scrape: httpx.Client, serve: Serve, pages: Pages, database: Database
) -> None:
    event = asks("pages", "t")
    ingested(scrape, asks("pages"))
    with database.writing() as connection:
        row = ("t", "scrape", "pending", NOW - timedelta(hours=1), NOW, NOW + timedelta(days=7), None, None)
        connection.execute(tasks.insert().values(row))
    with serve(now=lambda: NOW + timedelta(days=3)) as client:
        assert ingested(client, event).counts.unchanged == 3
    assert pages.asked == ["1.csv", "2.csv", "3.csv", "1.csv?", "2.csv?", "3.csv?"]


def test_files_that_did_not_change_are_kept_once(scrape: httpx.Client, pages: Pages, database: Database) -> None:
    first = ingested(scrape, asks("pages"))
    with database.writing() as connection:
        connection.execute(update(captures).values(taken_at=NOW - timedelta(days=1)))
    second = ingested(scrape, asks("pages"))
    assert pages.asked[3:] == ["1.csv?", "2.csv?", "3.csv?"]
    assert len(rows(database, captures)) == len(first.captures) == len(second.captures) == 3


@pytest.mark.parametrize("lost", [True, False])
def test_a_capture_that_is_lost_or_damaged_is_asked_for_anew(
    scrape: httpx.Client, pages: Pages, objects: FolderStore, tmp_path: Path, lost: bool
) -> None:
    key, *_ = ingested(scrape, asks("pages")).captures
    if lost:
        (tmp_path / "objects" / key).unlink()
    else:
        objects.put(key, b"what is this?")
    later = asks("pages")
    assert ingested(scrape, later).counts.unchanged == 3
    assert pages.asked[3:] == ["1.csv", "2.csv?", "3.csv?"]


def test_a_source_is_visited_by_one_at_a_time(serve: Serve, pages: Pages, database: Database) -> None:
    """Whoever waits longer than it may is told so, and comes again."""
    entered, go_on = Flag(), Flag()

    def wait(page: str) -> None:
        entered.set()
        assert go_on.wait(30)

    pages.before = wait
    first, second = asks("pages", "first"), asks("pages", "second")
    with serve() as client, serve(seconds=0.3) as other, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(deliver, client, first)
        assert entered.wait(30)
        assert_problem(deliver(other, second), 504)
        assert task(database, "second").state is TaskState.RUNNING
        go_on.set()
        assert reply_of(answer.result()) is not None
        assert ingested(client, second).counts.unchanged == 3
    assert set(pages.at_once) == {1}


def test_a_visit_that_fails_is_over_when_its_end_is_told(scrape: httpx.Client, pages: Pages) -> None:
    (pages.folder / "2.csv").write_text("<html>we moved</html>")
    failed(scrape, asks("pages"))
    assert pages.visits == 0


def test_scrapes_and_captures_are_counted(serve: Serve, pages: Pages, database: Database) -> None:
    def counted() -> dict[tuple[str, Any], float]:
        return {(row.name, row.labels): row.value for row in rows(database, metric_totals)}

    with serve() as client:
        ingested(client, asks("pages"))
        (pages.folder / "1.csv").write_text("403 who are you?")
        failed(client, asks("pages"))
        failed(client, asks("pages"))
    assert counted() == {
        ("matchcast_captures_total", '{"source": "pages"}'): 4,
        ("matchcast_scrapes_total", '{"outcome": "ingested", "source": "pages"}'): 1,
        ("matchcast_scrapes_total", '{"outcome": "source-blocked", "source": "pages"}'): 2,
    }


def test_the_instant_of_an_answer_is_when_it_came(serve: Serve, pages: Pages, database: Database) -> None:
    """Not when the scrape began, which may be minutes before."""
    ticks: list[datetime] = []

    def clock() -> datetime:
        ticks.append(NOW + timedelta(minutes=len(ticks)))
        return ticks[-1]

    with serve(now=clock) as client:
        ingested(client, asks("pages"))
    begun = min(row.handled_at for row in rows(database, handled_events))
    taken = [row.taken_at for row in rows(database, captures)]
    assert begun < taken[0] < taken[1] < taken[2]
