"""Airflow as `make up-full` starts it: scheduler, triggerer and API server, with the DAGs of the project."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from knative.local.airflow import USER, database, private_airflow
from knative.local.manifests import read_manifests
from knative.local.ping import ping_event
from knative.local.services.postgres import fresh_database
from tests.airflow.conftest import System, running
from tests.airflow.installed import PAUSES, Airflow, install
from tests.entrypoints.chain import eventually

pytestmark = pytest.mark.slow

MONTHS: Final = {("2025-02-01", "2025-02-28"), ("2025-03-01", "2025-03-31")}


@dataclass(frozen=True)
class Scheduled:
    """A running Airflow and the system that it calls."""

    home: Path
    api: httpx.Client
    system: System
    database: str

    def start(self, dag: str, logical_date: str | None = None, conf: object = None) -> None:
        """Trigger a run; the DAG is paused no more."""
        self.unpause(dag)
        given = {"logical_date": logical_date, "conf": conf or {}}
        self.api.post(f"/dags/{dag}/dagRuns", json=given).raise_for_status()

    def unpause(self, dag: str) -> None:
        self.api.patch(f"/dags/{dag}", json={"is_paused": False}).raise_for_status()

    def ended(self, dag: str, kind: str, count: int) -> list[dict[str, Any]]:
        """The DAG's runs of a kind, when all of them have ended."""

        def found() -> list[dict[str, Any]] | None:
            answer = self.api.get(f"/dags/{dag}/dagRuns", params={"run_type": kind}).json()
            told: list[dict[str, Any]] = answer["dag_runs"]
            return told if len([run for run in told if run["state"] in ("success", "failed")]) == count else None

        return eventually(found, lambda: f"{dag}: not all of {count} runs have ended", 240)

    @property
    def months(self) -> list[tuple[str, str]]:
        """Scrapes of these months."""
        asked = [(event.data["from"], event.data["to"]) for event in self.system.scrapes]
        return [days for days in asked if days in MONTHS]


@pytest.fixture(scope="module")
def scheduled(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduled]:
    install()
    home = tmp_path_factory.mktemp("standalone")
    with (
        fresh_database(postgres) as own,
        running(tmp_path_factory.mktemp("system")) as system,
        private_airflow(home, system.environment | PAUSES, own) as airflow,
        httpx.Client(base_url=f"{airflow.url}/api/v2", timeout=60) as api,
    ):
        assert api.get("/dags").status_code == 401
        given = {"username": USER, "password": "airflow"}
        token = api.post(f"{airflow.url}/auth/token", json=given).json()["access_token"]
        api.headers["Authorization"] = f"Bearer {token}"

        def listed() -> bool | None:
            return len(api.get("/dags", params={"paused": True}).json()["dags"]) == 7 or None

        eventually(listed, lambda: "not all DAGs are listed")
        yield Scheduled(home, api, system, own)


def test_a_range_of_months_is_filled_by_backfill_and_a_run_that_is_cleared_scrapes_anew(scheduled: Scheduled) -> None:
    """The months are the runs' data intervals; the triggerer waits for the scrapes."""
    scheduled.unpause("etl_livescores_03")
    Airflow(scheduled.home).command(
        "backfill", "create", "--dag-id", "etl_livescores_03", "--from-date", "2025-02-01", "--to-date", "2025-03-31",
        "--dag-run-conf", '{"tournaments": ["england:premier-league"]}', check=True, **database(scheduled.database),
    )  # fmt: skip
    runs = scheduled.ended("etl_livescores_03", "backfill", 2)
    assert [run["state"] for run in runs] == ["success", "success"]
    assert sorted(scheduled.months) == sorted(MONTHS)

    clear = {"dag_run_id": runs[0]["dag_run_id"], "dry_run": False, "only_failed": False, "reset_dag_runs": True}
    scheduled.api.post("/dags/etl_livescores_03/clearTaskInstances", json=clear).raise_for_status()
    eventually(lambda: len(scheduled.months) == 3 or None, lambda: "a run that was cleared does not scrape anew")


def test_more_than_ninety_days_by_hand_fail_at_once_and_the_broker_hears_of_it(scheduled: Scheduled) -> None:
    scheduled.start("etl_livescores_04", conf={"from": "2025-01-01", "to": "2025-04-01"})
    (run,) = scheduled.ended("etl_livescores_04", "manual", 1)
    told = scheduled.system.told("etl_livescores_04")
    assert (run["state"], told["run"], told["task"]) == ("failed", run["dag_run_id"], "ask")
    assert told["problem"]["field"] == "to"
    assert "more than 90 days" in told["problem"]["detail"]


def test_a_run_by_hand_without_days_fails_and_names_them(scheduled: Scheduled) -> None:
    scheduled.start("etl_livescores_04", conf={"to": "2025-04-01"})
    (run,) = (run for run in scheduled.ended("etl_livescores_04", "manual", 2) if run["conf"] == {"to": "2025-04-01"})
    ended = [event.data for event in scheduled.system.chain.taps.on("ingest")["workflow.failed"]]
    (told,) = (data for data in ended if data["run"] == run["dag_run_id"])
    assert (run["state"], told["task"], told["problem"]["field"]) == ("failed", "ask", "from")


def test_the_drift_dag_sends_the_event_that_the_pingsource_sends(scheduled: Scheduled) -> None:
    at = datetime(2025, 3, 1, 6, tzinfo=UTC)
    scheduled.start("drift", at.isoformat())
    assert [run["state"] for run in scheduled.ended("drift", "manual", 1)] == ["success"]
    (source,) = (s for s in read_manifests().ping_sources if s.metadata.name == "drift-daily")
    sent = ping_event(source, "matchcast", at).attributes
    seen = scheduled.system.chain.taps.on("inference")["dev.knative.sources.ping"]
    assert (sent["source"], sent["id"]) in {(event.source, event.id) for event in seen}
