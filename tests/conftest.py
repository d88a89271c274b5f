"""Fixtures that several folders of tests use."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from knative.local.services.minio import Minio, private_minio
from knative.local.services.postgres import fresh_database, private_postgres
from knative.local.services.rabbitmq import Rabbitmq, private_rabbitmq
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.migrate import migrate

settings.register_profile("any pace", deadline=None)
settings.load_profile("any pace")


class OneProcessEach(LoadScopeScheduling):  # type: ignore[misc]
    """What shares something dear (a trained project, images, servers) runs in one process, where there are several.

    Groups made by marks get lost between pytest 9.2 and xdist 3.8.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.split("/")[1]
        alone = file.endswith("/test_standalone.py")  # brings its own Airflow
        return folder if folder in ("airflow", "chaos", "images", "pipeline") and not alone else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneProcessEach:
    return OneProcessEach(config, log)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server of this session, as a URL without database."""
    with private_postgres() as server:
        yield server.url


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[Rabbitmq]:
    """A RabbitMQ node of this session."""
    with private_rabbitmq() as node:
        yield node


@pytest.fixture(scope="session")
def minio() -> Iterator[Minio]:
    """A MinIO server of this session."""
    with private_minio() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgres(postgres: str) -> Iterator[str]:
    """The name of a PostgreSQL database with the tables, to copy from."""
    with fresh_database(postgres) as url:
        migrate(url)
        yield url.rpartition("/")[2]


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the tables, to copy from."""
    file = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database with the tables, once on each kind."""
    if request.param == "sqlite":
        file = tmp_path / "matchcast.db"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), file)
        yield f"sqlite:///{file}"
    else:
        template = request.getfixturevalue("migrated_postgres")
        with fresh_database(request.getfixturevalue("postgres"), template) as url:
            yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh database, once on each kind."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of third-party data, for tests that only make sense on the real thing."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no third-party data at ../shared/data")
    return folder
