"""Airflow, and the system that its DAGs call."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from knative.local.airflow import called
from tests.airflow.installed import Airflow, install
from tests.entrypoints.chain import Chain, chained, eventually
from tests.entrypoints.house import House
from tests.entrypoints.served import served
from tests.entrypoints.shelf import Shelf

E0 = """Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR
E0,22/02/2025,15:00,Fulham,Brentford,1,1,D
E0,08/03/2025,15:00,Chelsea,Arsenal,,,
E0,15/03/2025,15:00,Everton,Wolves,,,
"""


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    """Airflow with a migrated database, to copy from."""
    install()
    airflow = Airflow(tmp_path_factory.mktemp("airflow"))
    airflow.command("db", "migrate")
    return airflow


@pytest.fixture
def airflow(migrated: Airflow, tmp_path: Path) -> Airflow:
    """Airflow with a database of its own, in which nothing has run."""
    home = tmp_path / "airflow"
    shutil.copytree(migrated.home, home)
    return Airflow(home)


@dataclass(frozen=True)
class System:
    """Every function and both brokers, and the source that is scraped."""

    house: House
    chain: Chain
    shelf: Shelf
    environment: dict[str, str]

    def told(self, dag: str) -> dict[str, Any]:
        """What told of a failed run of this DAG; waits for it."""

        def found() -> dict[str, Any] | None:
            events = self.chain.taps.on("ingest").get("workflow.failed", [])
            return next((event.data for event in events if event.data["dag"] == dag), None)

        return eventually(found, lambda: f"nothing tells of a failed run of {dag}")

    @property
    def scrapes(self) -> list[Any]:
        """Events that asked for one."""
        return self.chain.taps.on("ingest").get("scrape.requested", [])


@contextmanager
def running(folder: Path) -> Iterator[System]:
    """The local system, with a football-data shelf of a match played and two to come, and Airflow's connections to it."""
    house, shelf = House(folder), Shelf({"mmz4281/2425/E0.csv": E0})
    house.fill_database()
    key = house.key("ingest", "predict")
    with served(shelf) as source:
        given = house.environment | {"MATCHCAST_FOOTBALL_DATA_URL": str(source.base_url), "MATCHCAST_FILE_SECONDS": "0"}
        with chained(given, key, folder / "manifests", backoff="PT0.1S") as chain:
            brokers = {name: chain.broker(name) for name in ("ingest", "inference")}
            yield System(house, chain, shelf, called(str(chain.front.base_url), key, brokers))


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """The running local system, for one test."""
    with running(tmp_path) as system:
        yield system
