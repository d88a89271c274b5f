"""POST /scrape, and what it accepts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from functions.scrape.main import app as scrape_app
from matchcast.adapters.database.api_keys import SqlApiKeys
from matchcast.adapters.database.engine import Database
from matchcast.domain.event import Event
from matchcast.errors import BadInput
from matchcast.ports.events import TaskState
from tests.entrypoints.recorder import Recorder, deliver
from tests.entrypoints.scraping import ASKED, NOW, task
from tests.entrypoints.served import assert_problem


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
        ({"from": "0001-01-01", "to": "0001-01-02"}, "from", "before 1870-01-01"),
        ({"from": "2027-03-03", "to": "2027-03-03"}, "to", "after 2027-03-02"),
        ({"from": "9999-12-31", "to": "9999-12-31"}, "to", "after 2027-03-02"),
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


def test_the_settings_say_what_is_missing() -> None:
    wrong = {"MATCHCAST_DEMO_WHEEL": "/nowhere.whl", "MATCHCAST_FOOTBALL_DATA_URL": "football-data.co.uk"}
    with pytest.raises(BadInput) as raised:
        scrape_app(wrong)
    for words in ("K_SINK: is missing", "MATCHCAST_DEMO_WHEEL: ", "MATCHCAST_FOOTBALL_DATA_URL: only http"):
        assert words in str(raised.value)
