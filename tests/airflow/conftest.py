"""Airflow, and the system that its DAGs call."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.installed import Airflow, connection, install
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


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """The running local system, with a football-data shelf of two matches to come, and Airflow's connections to it."""
    house, shelf = House(tmp_path), Shelf({"mmz4281/2425/E0.csv": E0})
    house.fill_database()
    key = house.key("ingest", "predict")
    with served(shelf) as source:
        given = house.environment | {"MATCHCAST_FOOTBALL_DATA_URL": str(source.base_url)}
        with chained(given, key, tmp_path / "manifests") as chain:
            yield System(
                house,
                chain,
                shelf,
                {
                    "AIRFLOW_CONN_MATCHCAST": connection(str(chain.front.base_url), key),
                    "AIRFLOW_CONN_MATCHCAST_INGEST": connection(chain.broker("ingest")),
                    "AIRFLOW_CONN_MATCHCAST_INFERENCE": connection(chain.broker("inference")),
                },
            )
