"""Functions chained by events, through the manifests' brokers and Triggers: in memory, and on RabbitMQ."""

import json
import shutil
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import Table, func, select

from knative.local.runtime import MEMORY
from knative.local.services.rabbitmq import Rabbitmq
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import dead_events, settlements, tasks
from matchcast.adapters.objects_folder import FolderStore
from matchcast.domain.event import Event, derived_id
from matchcast.usecases.champion import CHAMPION_KEY
from matchcast.usecases.publish import served_snapshot
from tests.contract.deliveries import NOW, DatabaseHouse, furnish, shelf
from tests.entrypoints import drifting, house
from tests.entrypoints.chain import TOKEN, Chain, chained, eventually
from tests.entrypoints.drifting import Watched
from tests.entrypoints.served import assert_problem, served

SCRAPE = {"source": "football-data", "from": "2025-03-04", "to": "2025-03-14", "tournaments": [house.ENGLAND]}
PAIRING = {
    "home_team": "Northgate United",
    "away_team": "Westfield FC",
    "tournament": "Premier League",
    "kickoff_at": (NOW + timedelta(days=8)).isoformat(),
}
PLAYED = ("2025-03-05", "2025-03-14")


@pytest.fixture
def begun(tmp_path: Path, migrated_sqlite: Path) -> DatabaseHouse:
    """Forecasts are on record and shown; since then two matches were played and a champion was promoted."""
    folder = tmp_path / "house"
    folder.mkdir()
    shutil.copy(migrated_sqlite, folder / "matchcast.db")
    made = DatabaseHouse(folder, f"sqlite:///{folder}/matchcast.db")
    furnish(made)
    return made


@pytest.fixture
def database(begun: DatabaseHouse) -> Database:
    return Database(begun.url)


@pytest.fixture
def virtual_host(rabbitmq: Rabbitmq) -> str:
    """The URL of a RabbitMQ with nothing in it."""
    name = f"chain_{uuid4().hex}"
    rabbitmq.ctl("add_vhost", name)
    rabbitmq.ctl("set_permissions", "--vhost", name, "guest", ".*", ".*", ".*")
    return f"{rabbitmq.url}{name}"


@pytest.fixture(params=[MEMORY, "rabbitmq"])
def broker_url(request: pytest.FixtureRequest) -> str:
    return MEMORY if request.param == MEMORY else str(request.getfixturevalue("virtual_host"))


@pytest.fixture
def chain(begun: DatabaseHouse, broker_url: str, tmp_path: Path) -> Iterator[Chain]:
    with served(shelf()) as source:
        environment = begun.environment | {
            "MATCHCAST_CLOCK_STARTS_AT": NOW.isoformat(),
            "MATCHCAST_FOOTBALL_DATA_URL": str(source.base_url),
            "MATCHCAST_FILE_SECONDS": "0",
        }
        key = begun.key("predict", "ingest", "admin")
        with chained(environment, key, tmp_path / "manifests", broker=broker_url) as running:
            yield running


def count(database: Database, table: Table) -> int:
    with database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def assert_shown(chain: Chain, updated: Event) -> None:
    """GET /predict/ comes to show the forecasts that forecasts.updated tells of; a second may pass until it looks."""
    told = (updated.data["snapshot_hash"], updated.data["model_version"])

    def shown() -> bool | None:
        items = chain.front.get("/predict/").json()["items"]
        assert items
        return {(item["snapshot"]["hash"], item["model_version"]) for item in items} == {told} or None

    assert eventually(shown, lambda: "GET /predict/ does not show them")


def test_new_results_renew_the_forecasts_shown_and_settle_those_on_record(
    chain: Chain, begun: DatabaseHouse, database: Database
) -> None:
    """POST /scrape is all that anybody does; each event follows from the one before, across the bridge."""
    before = served_snapshot(begun.objects)
    assert before is not None
    task = chain.task(chain.front.post("/scrape", json=SCRAPE))
    assert (task["status"], task["result"]["matches"]["updated"]) == ("success", 2)

    asked = chain.seen("ingest", "scrape.requested")
    told = chain.seen("ingest", "matches.ingested", asked)
    across = chain.seen("inference", "matches.ingested")
    assert (across.id, across.source, across.time, across.data) == (told.id, told.source, told.time, told.data)
    assert told.id == derived_id(asked, told.type)

    updated = chain.seen("inference", "forecasts.updated", told)
    assert (updated.data["snapshot_hash"], updated.data["model_version"]) != (before.state_hash, before.model_version)
    assert_shown(chain, updated)

    settled = chain.seen("inference", "forecasts.settled", told)
    assert sorted(settled.data["matches"]) == sorted(told.data["finished"])
    with database.reading() as connection:
        rows = connection.execute(select(settlements).order_by(settlements.c.kickoff_at)).all()
    assert [(r.kickoff_at.date().isoformat(), r.home_goals, r.away_goals) for r in rows] == [
        (PLAYED[0], 2, 0),
        (PLAYED[1], 1, 1),
    ]
    assert sorted(chain.taps.on("ingest")) == ["matches.ingested", "scrape.requested"]


@pytest.mark.parametrize("broker_url", [MEMORY], indirect=True)
def test_overlapping_windows_settle_each_match_once_and_renew_what_they_touch(chain: Chain, database: Database) -> None:
    """The second window holds the first one's match too, and touches England only; the third says nothing new."""
    results, renewed, settled = [], [], []
    for first_day, last_day in (
        ("2025-03-04", "2025-03-06"),
        ("2025-03-05", "2025-03-14"),
        ("2025-03-05", "2025-03-14"),
    ):
        task = chain.task(chain.front.post("/scrape", json=SCRAPE | {"from": first_day, "to": last_day}))
        matches = task["result"]["matches"]
        results.append((matches["updated"], matches["unchanged"]))
        asked = next(e for e in chain.taps.on("ingest")["scrape.requested"] if e.data["task_id"] == task["task_id"])
        told = chain.seen("ingest", "matches.ingested", asked)
        renewed.append(chain.seen("inference", "forecasts.updated", told).data["recorded"])
        chain.seen("inference", "forecasts.settled", told)
        settled.append(count(database, settlements))
    assert results == [(1, 0), (1, 1), (0, 2)]
    assert renewed == [7, 5, 0]
    assert settled == [1, 2, 2]


def test_a_forecast_asked_for_is_made_later(chain: Chain) -> None:
    task = chain.task(chain.front.post("/predict/async/", json=PAIRING))
    assert task["status"] == "success", task["problem"]
    requested = chain.seen("inference", "prediction.requested")
    completed = chain.seen("inference", "prediction.completed", requested)
    assert completed.data["task_id"] == task["task_id"]
    assert completed.data["forecast"]["forecast_id"] == task["result"]["forecast_id"]


def test_a_promotion_is_announced_and_the_forecasts_are_the_new_champions(chain: Chain) -> None:
    put = {"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "models"}, "object": {"key": CHAMPION_KEY}}}
    answer = chain.front.post("/hooks/minio", json={"Records": [put]}, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 204
    promoted = chain.seen("inference", "model.promoted")
    updated = chain.seen("inference", "forecasts.updated", promoted)
    assert updated.data["model_version"] == promoted.data["version"]
    assert_shown(chain, updated)


def test_poison_is_rejected_once_and_dies_nowhere(chain: Chain, database: Database) -> None:
    """An event that is not as its schema says is answered with event.rejected, which nobody takes."""
    poison = Event("poison", "/tests", "org.matchcast.matches.ingested", NOW, {"task_id": 7})
    chain.publish("ingest", poison)
    for function in ("predict-async", "drift"):
        rejected = eventually(
            lambda f=function: next(  # type: ignore[misc]
                (e for e in chain.taps.on("inference").get("event.rejected", []) if e.source == f"/matchcast/{f}"), None
            ),
            lambda: "nothing was rejected",
        )
        assert (rejected.data["parent_id"], rejected.data["problem"]["status"]) == ("poison", 422)
    assert chain.task(chain.front.post("/predict/async/", json={"match_id": 1}))["status"] == "failure"
    assert len(chain.taps.on("inference")["event.rejected"]) == 2
    assert count(database, dead_events) == 0


@pytest.mark.slow
@pytest.mark.parametrize("broker_url", ["rabbitmq"], indirect=True)
def test_while_the_broker_is_away_nothing_is_accepted(chain: Chain, database: Database, rabbitmq: Rabbitmq) -> None:
    """503 and no task; both are accepted again when it is back."""
    before = count(database, tasks)
    rabbitmq.kill()
    try:
        assert_problem(chain.front.post("/predict/async/", json=PAIRING), 503)
        assert_problem(chain.front.post("/scrape", json=SCRAPE), 503)
        assert count(database, tasks) == before
    finally:
        rabbitmq.start()
    accepted = eventually(
        lambda: a if (a := chain.front.post("/predict/async/", json=PAIRING)).status_code == 202 else None,
        lambda: "the broker did not come back",
    )
    assert chain.task(accepted)["status"] == "success"
    assert chain.task(chain.front.post("/scrape", json=SCRAPE))["status"] == "success"


@pytest.mark.slow
@pytest.mark.usefixtures("evidently")
def test_drift_is_found_on_the_daily_event_shown_and_starts_a_training(
    tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The PingSource's event makes a report; drift.detected starts the Job, once."""
    monkeypatch.chdir(tmp_path)  # Jobs are recorded below the current folder
    shutil.copy(migrated_sqlite, tmp_path / "matchcast.db")
    environment = {
        "MATCHCAST_DATABASE_URL": f"sqlite:///{tmp_path}/matchcast.db",
        "MATCHCAST_OBJECTS_URL": str(tmp_path / "objects"),
        "MATCHCAST_CACHE_DIR": str(tmp_path / "cache"),
        "MATCHCAST_CLOCK_STARTS_AT": drifting.NOW.isoformat(),
    }
    (tmp_path / "objects").mkdir()
    watched = Watched(environment, Database(environment["MATCHCAST_DATABASE_URL"]), FolderStore(tmp_path / "objects"))
    watched.fill()
    rows = watched.recent_rows()
    version = watched.promote(rows, np.tile(rows, (5, 1)) + 150)
    started = tmp_path / "started"
    job = [sys.executable, "-c", f"import os, shutil; shutil.copy(os.environ['K_EVENT_PATH'], {str(started)!r})"]

    with chained(environment, watched.key("predict"), tmp_path / "manifests", job=job) as chain:
        assert_problem(chain.front.get("/monitoring/drift"), 404)
        assert chain.front.post("/_local/pingsources/drift-daily").status_code == 202
        detected = chain.seen("inference", "drift.detected", chain.seen("inference", "dev.knative.sources.ping"))
        report = chain.front.get("/monitoring/drift").json()
        assert (report["detected"], report["model_version"]) == (True, version)
        assert report["score"] == detected.data["score"] > report["threshold"]
        handed = eventually(
            lambda: json.loads(started.read_text()) if started.exists() and started.stat().st_size else None,
            lambda: "no Job was started",
        )
        assert (handed["id"], handed["type"], handed["data"]) == (detected.id, detected.type, detected.data)
        started.unlink()
        chain.publish("inference", detected)
        chain.publish("inference", Event("later", detected.source, detected.type, NOW, detected.data))
        again = eventually(
            lambda: json.loads(started.read_text()) if started.exists() and started.stat().st_size else None,
            lambda: "no further Job was started",
        )
        assert again["id"] == "later", "an event that comes again starts nothing"
