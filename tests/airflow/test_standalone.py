"""Airflow as `make up-full` starts it: scheduler, triggerer and API server, with the DAGs of the project."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from knative.local.airflow import USER, called, private_airflow
from tests.airflow.conftest import System
from tests.airflow.installed import Airflow, install
from tests.entrypoints.chain import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def client(system: System, tmp_path: Path) -> Iterator[httpx.Client]:
    """Of the API of a running Airflow that calls the running system."""
    install()
    key = system.chain.front.headers["X-API-Key"]
    brokers = {name: system.chain.broker(name) for name in ("ingest", "inference")}
    calls = called(str(system.chain.front.base_url), key, brokers) | {"AIRFLOW__MATCHCAST__POLL_SECONDS": "1"}
    with (
        private_airflow(tmp_path / "airflow", calls) as airflow,
        httpx.Client(base_url=f"{airflow.url}/api/v2", timeout=60) as client,
    ):
        assert client.get("/dags").status_code == 401
        given = {"username": USER, "password": "airflow"}
        token = client.post(f"{airflow.url}/auth/token", json=given).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def ended(client: httpx.Client, dag: str, kind: str, runs: int) -> list[dict[str, Any]]:
    """The DAG's runs of a kind, when all of them have ended."""

    def found() -> list[dict[str, Any]] | None:
        answer = client.get(f"/dags/{dag}/dagRuns", params={"run_type": kind}).json()
        told: list[dict[str, Any]] = answer["dag_runs"]
        return told if len([run for run in told if run["state"] in ("success", "failed")]) == runs else None

    return eventually(found, lambda: f"{dag}: not all of {runs} runs have ended", 240)


def test_scheduler_and_triggerer_fill_a_range_of_months_and_tell_of_a_run_that_fails(
    client: httpx.Client, system: System, tmp_path: Path
) -> None:
    def listed() -> bool | None:
        return len(client.get("/dags", params={"paused": True}).json()["dags"]) == 7 or None

    eventually(listed, lambda: "not all DAGs are listed")
    for number in (3, 4):
        client.patch(f"/dags/etl_livescores_0{number}", json={"is_paused": False}).raise_for_status()

    days = {"from": "2025-01-01", "to": "2025-04-01"}
    client.post("/dags/etl_livescores_04/dagRuns", json={"logical_date": None, "conf": days}).raise_for_status()
    Airflow(tmp_path / "airflow").command(
        "backfill", "create", "--dag-id", "etl_livescores_03", "--from-date", "2025-02-01", "--to-date", "2025-03-31",
        "--dag-run-conf", '{"tournaments": ["england:premier-league"]}',
    )  # fmt: skip

    (refused,) = ended(client, "etl_livescores_04", "manual", 1)
    told = system.told("etl_livescores_04")
    assert (refused["state"], told["run"], told["task"]) == ("failed", refused["dag_run_id"], "ask")
    assert told["problem"]["field"] == "to"
    assert "more than 90 days" in told["problem"]["detail"]

    runs = ended(client, "etl_livescores_03", "backfill", 2)
    assert [run["state"] for run in runs] == ["success", "success"]
    months = {("2025-02-01", "2025-02-28"), ("2025-03-01", "2025-03-31")}
    assert {days for days in scraped(system) if days in months} == months

    clear = {"dag_run_id": runs[0]["dag_run_id"], "dry_run": False, "only_failed": False, "reset_dag_runs": True}
    client.post("/dags/etl_livescores_03/clearTaskInstances", json=clear).raise_for_status()
    eventually(
        lambda: len([days for days in scraped(system) if days in months]) == 3 or None,
        lambda: "a run that was cleared does not scrape anew",
    )


def scraped(system: System) -> list[tuple[str, str]]:
    return [(event.data["from"], event.data["to"]) for event in system.scrapes]
