"""A scrape whose process is killed, on PostgreSQL."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import asdict

import pytest

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import captures, handled_events, matches
from matchcast.ports.events import TaskState
from tests.entrypoints.recorder import deliver, reply_of
from tests.entrypoints.scrape.dying import POINTS
from tests.entrypoints.scraping import WHOLE, Pages, asks, function_of, ingested, rows, task
from tests.entrypoints.served import served


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_scrape_loses_nothing_that_it_captured(
    pages: Pages, settings: dict[str, str], database: Database, key: str, point: str
) -> None:
    event = asks("pages", "t")
    told = json.dumps(asdict(event) | {"time": event.time.isoformat(), "extensions": {}})
    command = [sys.executable, "-m", "tests.entrypoints.scrape.dying", point, str(pages.folder)]
    paths = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    died = subprocess.run(command, input=told.encode(), env={**os.environ, **settings, **paths}, check=False)
    assert died.returncode == -signal.SIGKILL
    is_over = point == "after the load"
    assert task(database, "t").state is (TaskState.SUCCESS if is_over else TaskState.RUNNING)
    assert len(rows(database, matches)) == len(rows(database, handled_events)) * 3 == (3 if is_over else 0)
    kept = [row.name for row in rows(database, captures)]
    asked = pages.asked
    assert asked[: len(kept)] == kept
    assert len(asked) - len(kept) == (point == "after the object")

    with served(function_of(pages, settings), key) as client:
        told_again = ingested(client, event)
        assert told_again.counts.to_json() == WHOLE
        assert reply_of(deliver(client, event)) is not None
    assert Counter(pages.asked[len(asked) :]) == Counter({"1.csv", "2.csv", "3.csv"} - set(kept))
    assert task(database, "t").state is TaskState.SUCCESS
    assert len(rows(database, matches)) == 3
    assert [row.name for row in rows(database, captures)] == ["1.csv", "2.csv", "3.csv"]
    assert {row.object_key for row in rows(database, captures)} == set(told_again.captures)
    assert all((pages.folder.parent / "objects" / key).is_file() for key in told_again.captures)
