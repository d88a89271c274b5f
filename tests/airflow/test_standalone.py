"""Airflow as `make up-full` starts it: scheduler, triggerer and API server, with the DAGs of the project."""

from pathlib import Path

import httpx
import pytest

from knative.local.airflow import USER, called, private_airflow
from tests.airflow.conftest import System
from tests.airflow.installed import Airflow
from tests.entrypoints.chain import eventually

pytestmark = pytest.mark.slow

DAYS = {"from": "2025-03-01", "to": "2025-03-31", "tournaments": ["england:premier-league"]}


def test_a_run_triggered_over_its_api_scrapes(migrated: Airflow, system: System, tmp_path: Path) -> None:
    """The scheduler runs it, the triggerer waits for the scrape."""
    assert migrated.home.exists()
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

        def listed() -> list[str] | None:
            found = client.get("/dags", params={"paused": True}).json()["dags"]
            return sorted(dag["dag_id"] for dag in found) if len(found) == 7 else None

        assert "etl_livescores_04" in eventually(listed, lambda: "not all DAGs are listed")
        client.patch("/dags/etl_livescores_04", json={"is_paused": False}).raise_for_status()
        run = client.post("/dags/etl_livescores_04/dagRuns", json={"logical_date": None, "conf": DAYS})
        place = f"/dags/etl_livescores_04/dagRuns/{run.json()['dag_run_id']}"

        def ended() -> str | None:
            state: str = client.get(place).json()["state"]
            return state if state in ("success", "failed") else None

        assert eventually(ended, airflow.program.last_words, 120) == "success"
    (asked,) = system.scrapes
    assert {name: asked.data[name] for name in DAYS} == DAYS
