"""Functions whose database keeps them waiting, or that are told what no database holds."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from functions.drift.main import app as drift_app
from functions.scrape.main import app as scrape_app
from matchcast.adapters.database.api_keys import SqlApiKeys
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.settlements import SqlSettlements
from matchcast.adapters.objects_folder import FolderStore
from matchcast.adapters.sink import HttpSink
from matchcast.domain.event import Event
from matchcast.errors import Unavailable
from matchcast.events import ScrapeRequested
from tests.contract.matches import ingested
from tests.entrypoints.recorder import deliver, reply_of
from tests.entrypoints.served import assert_problem, served

NOW = datetime(2025, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> Mapping[str, str]:
    (tmp_path / "objects").mkdir()
    return {
        "MATCHCAST_DATABASE_URL": database_url,
        "MATCHCAST_OBJECTS_URL": str(tmp_path / "objects"),
        "MATCHCAST_CACHE_DIR": str(tmp_path / "cache"),
        "K_SINK": "http://127.0.0.1:9",
    }


def test_events_that_wait_for_a_lock_are_answered_and_hold_up_nobody_else(
    environment: Mapping[str, str], database: Database
) -> None:
    key = SqlApiKeys(database).create("tests", frozenset({"predict"}), NOW).text
    hurried = {**environment, "MATCHCAST_HANDLER_SECONDS": "1"}
    with served(drift_app(hurried), key) as drift, ThreadPoolExecutor(16) as pool:
        assert_problem(drift.get("/monitoring/drift"), 404)
        with database.writing():
            SqlSettlements(database).wait()
            events = [ingested(1, id=f"e{number}") for number in range(16)]
            answers = list(pool.map(lambda event: deliver(drift, event), events))
            assert {answer.status_code for answer in answers} <= {503, 504}
            assert_problem(drift.get("/monitoring/drift"), 404)
        assert deliver(drift, events[0]).status_code in (200, 204)


def test_an_id_that_no_database_holds_is_rejected(environment: Mapping[str, str]) -> None:
    data = {"task_id": "a\0b", "source": "demo", "from": "2025-03-01", "to": "2025-03-02"}
    with served(scrape_app(environment)) as scrape:
        reply = reply_of(deliver(scrape, Event("e1", "/x", ScrapeRequested.type(), NOW, data)))
    assert reply is not None
    assert reply.data["problem"]["field"] == "data.task_id"


@pytest.mark.parametrize("url", ["http://[::1", "http://127.0.0.1:9", "http://host:99999", "http://\x00"])
def test_a_broker_at_no_address_is_a_passing_fault(url: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        HttpSink(url, lambda: FolderStore(tmp_path)).publish(Event("e1", "/x", "y", NOW))
