"""DAGs run by real Airflow against the running local system."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from matchcast.adapters.database.api_keys import SqlApiKeys
from matchcast.adapters.database.engine import Database
from tests.airflow.conftest import System
from tests.airflow.installed import ROOT, Airflow, connection
from tests.entrypoints.chain import chained, eventually
from tests.entrypoints.house import NOW
from tests.entrypoints.served import served
from tests.pipeline import league
from tests.pipeline.project import make_project

pytestmark = pytest.mark.slow

OURS = str(ROOT / ".venv" / "bin")


class Loses:
    """Hands every request on; the answer to the first POST is lost."""

    def __init__(self, to: str) -> None:
        self._to = to
        self.posts: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        request = Request(scope, receive)
        async with httpx.AsyncClient(base_url=self._to, timeout=30) as client:
            headers = {k: v for k, v in request.headers.items() if k not in ("host", "content-length")}
            answer = await client.request(request.method, scope["path"], headers=headers, content=await request.body())
        lost = request.method == "POST" and not self.posts
        if request.method == "POST":
            self.posts.append(request.headers["idempotency-key"])
        kept = Response(answer.content, answer.status_code, media_type=answer.headers["content-type"])
        await (Response("", 502) if lost else kept)(scope, receive, send)


def test_the_fixtures_of_fifteen_days_are_scraped_and_a_retry_makes_no_second_scrape(
    airflow: Airflow, system: System
) -> None:
    """The answer to POST /scrape is lost on its way; the task asks again and waits for the scrape of the first time."""
    losing = Loses(str(system.chain.front.base_url))
    with served(losing) as between:
        between_us = connection(str(between.base_url), system.chain.front.headers["X-API-Key"])
        ended = airflow.test(
            "etl_livescores_02", "2025-03-01", **(system.environment | {"AIRFLOW_CONN_MATCHCAST": between_us})
        )
    assert ended.state == "success", ended.log
    assert ended.tasks["ask"] == ("success", 2)
    assert losing.posts == [losing.posts[0]] * 2
    assert losing.posts[0].startswith(f"etl_livescores_02/{ended.run}/ask")
    (asked,) = system.scrapes
    assert (asked.data["source"], asked.data["from"], asked.data["to"]) == ("football-data", "2025-03-01", "2025-03-16")
    assert ended.gave["wait"] == {"inserted": 2, "updated": 0, "unchanged": 0, "rejected": 0}


def test_a_failed_scrape_fails_the_run_at_once_with_its_reason_and_the_broker_hears_of_it(
    airflow: Airflow, system: System
) -> None:
    system.shelf.files.clear()
    ended = airflow.test("etl_livescores_01", "2025-03-01", **system.environment)
    assert ended.state == "failed"
    assert ended.tasks == {"ask": ("success", 1), "wait": ("failed", 1)}
    told = system.told("etl_livescores_01")
    assert (told["run"], told["task"], told["problem"]["status"]) == (ended.run, "wait", 422)
    assert "has none of the" in told["problem"]["detail"]
    (asked,) = system.scrapes
    assert (asked.data["from"], asked.data["to"]) == ("2025-02-26", "2025-03-01")


def test_a_source_that_does_not_answer_for_a_while_is_asked_anew(airflow: Airflow, system: System) -> None:
    """The first scrape ends among the dead letters; the next try of the task asks for another one."""
    system.shelf.status = 503

    def back() -> None:
        eventually(lambda: len(system.scrapes) > 1 or None, lambda: "no second scrape was asked for")
        system.shelf.status = 200

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(back)
        ended = airflow.test("etl_livescores_02", "2025-03-01", **system.environment)
        coming.result()
    assert ended.state == "success", ended.log
    assert ended.tasks == {"ask": ("success", 1), "wait": ("success", 2)}
    first, second = (event.data["task_id"] for event in system.scrapes)
    assert first == ended.gave["ask"] != second
    assert ended.gave["wait"] == {"inserted": 2, "updated": 0, "unchanged": 0, "rejected": 0}


def test_a_source_that_does_not_answer_at_all_fails_the_run_with_its_reason(airflow: Airflow, system: System) -> None:
    system.shelf.status = 503
    ended = airflow.test("etl_livescores_02", "2025-03-01", **system.environment)
    assert (ended.state, ended.tasks["wait"]) == ("failed", ("failed", 4)), ended.log
    assert len(system.scrapes) == 4
    problem = system.told("etl_livescores_02")["problem"]
    assert (problem["type"], problem["status"]) == ("urn:matchcast:problem:unavailable", 503)
    assert "the last one ended with: " in problem["detail"]
    assert "503" in problem["detail"]


def test_the_export_puts_a_snapshot_into_the_object_store(airflow: Airflow, system: System, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    variables = {"AIRFLOW_VAR_MATCHCAST_PROJECT": str(project), "AIRFLOW_VAR_MATCHCAST_PROGRAMS": OURS}
    environment = system.environment | system.house.environment | variables
    ended = airflow.test("etl_export_01", "2025-03-01", **environment)
    assert ended.state == "success", ended.log
    (place,) = {key.rpartition("/")[0] for key in system.house.objects.keys("exports/") if key.endswith(".parquet")}
    kept = system.house.objects
    assert kept.get("exports/latest.json") == kept.get(f"{place}/manifest.json")
    assert json.loads(kept.get("exports/latest.json"))["as_of"].startswith("2025-03-01T")
    assert {f"{place}/{name}.parquet" for name in ("matches", "teams", "tournaments")} <= set(kept.keys("exports/"))


def test_retraining_makes_a_champion_that_the_running_system_serves(airflow: Airflow, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", league.rows())
    key = SqlApiKeys(Database(project.database_url)).create("tests", frozenset({"predict"}), NOW).text
    settings = {
        "MATCHCAST_DATABASE_URL": project.database_url,
        "MATCHCAST_OBJECTS_URL": str(project.path("var/objects")),
        "MATCHCAST_CACHE_DIR": str(tmp_path / "cache"),
    }
    with chained(settings, key, tmp_path / "manifests") as chain:
        assert chain.front.get("/predict/model/info").status_code == 503
        variables = {"AIRFLOW_VAR_MATCHCAST_PROJECT": str(project.folder), "AIRFLOW_VAR_MATCHCAST_PROGRAMS": OURS}
        broker = {"AIRFLOW_CONN_MATCHCAST_INGEST": connection(chain.broker("ingest"))}
        ended = airflow.test("retraining", "2025-03-03", **settings, **variables, **broker)
        assert ended.state == "success", ended.log
        answer = ended.gave["promotion_check"]
        assert (answer["promoted"], answer["refused_by"]) == (True, [])
        assert chain.front.get("/predict/model/info").json()["version"] == answer["champion"]
