"""Every function behind one port, with something to find at every path of the document."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from knative.local.manifests import read_manifests
from knative.local.runtime import local_runtime
from matchcast.adapters.database.drift_reports import SqlDriftReports
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tasks import SqlTasks
from matchcast.events import PredictionRequested, first_event
from matchcast.ports.events import Task, TaskState
from matchcast.ports.scores import ColumnDrift, DriftReport
from matchcast.usecases.asynchronous import KIND
from tests.entrypoints import house
from tests.entrypoints.house import House
from tests.entrypoints.recorder import deliver
from tests.entrypoints.served import served
from tests.entrypoints.shelf import Shelf

REPORT = "4b5e3c1a-0d57-4b9e-8a37-2f6a1c9d0e11"
SCOPES = ("predict", "ingest", "admin")


def furnish_surface(house_: House, made_in: Path) -> None:
    """A champion, a snapshot, matches, a drift report, and the task that the dead letter is of."""
    house_.promote(1)
    house_.publish(1, made_in)
    house_.fill_database()
    keys = {"report_key": f"drift/{REPORT}.json", "html_key": f"drift/{REPORT}.html"}
    house_.objects.put(keys["report_key"], b'{"metrics":[]}')
    house_.objects.put(keys["html_key"], b"<!doctype html><title>drift</title>")
    columns = (ColumnDrift("home elo all", False, "Wasserstein distance (normed)", 0.04),)
    report = DriftReport(REPORT, house.NOW, "v1", 0.0, 0.2, 0.0, 40, columns, **keys)
    database = Database(house_.database_url)
    SqlDriftReports(database).add(report)
    SqlTasks(database).add(Task("t1", KIND, TaskState.PENDING, house.NOW, house.NOW, house.NOW + timedelta(days=1)))


@contextmanager
def whole_surface(folder: Path, **settings: str) -> Iterator[httpx.Client]:
    """A client with a key of all scopes; sources are read from an empty shelf, and there is a dead letter.

    Args:
        settings: of the environment, besides the house's.
    """
    home = House(folder)
    furnish_surface(home, folder)
    with served(Shelf()) as source:
        environment: dict[str, Any] = {
            **os.environ,
            **home.environment,
            "MATCHCAST_HOOK_TOKEN": "one-word-of-many-letters",
            "MATCHCAST_FOOTBALL_DATA_URL": str(source.base_url),
            "MATCHCAST_FILE_SECONDS": "0",
            "MATCHCAST_RATE_QUOTA": "0",
            **settings,
        }
        runtime = local_runtime(read_manifests(), environment=environment)
        with served(runtime, home.key(*SCOPES)) as client:
            addresses = client.get("/_local").json()["addresses"]
            with httpx.Client(base_url=addresses["http://deadletter.matchcast.svc.cluster.local"]) as deadletter:
                asked = PredictionRequested(task_id="t1", match_id=7)
                event = first_event(asked, id="e1", service="predict-async", now=house.NOW, subject="s")
                assert deliver(deadletter, event, "/from/inference").status_code == 204
            yield client
