"""The function `scrape`, with football-data's files on a shelf."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from functions.scrape.main import app as scrape_app
from matchcast.adapters.database.api_keys import SqlApiKeys
from matchcast.adapters.database.engine import Database
from matchcast.adapters.objects_folder import FolderStore
from tests.entrypoints.recorder import Recorder, recording
from tests.entrypoints.scraping import E0, NOW, PAGES, Pages
from tests.entrypoints.served import served
from tests.entrypoints.shelf import Shelf


@pytest.fixture
def shelf() -> Shelf:
    return Shelf({"mmz4281/2425/E0.csv": E0})


@pytest.fixture
def broker() -> Iterator[Recorder]:
    with recording() as recorder:
        yield recorder


@pytest.fixture
def objects(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "objects")


@pytest.fixture
def settings(broker: Recorder, database_url: str, tmp_path: Path) -> dict[str, str]:
    """The function's environment, without any source."""
    return {
        "MATCHCAST_DATABASE_URL": database_url,
        "MATCHCAST_OBJECTS_URL": str(tmp_path / "objects"),
        "MATCHCAST_CACHE_DIR": str(tmp_path / "cache"),
        "MATCHCAST_CLOCK_STARTS_AT": NOW.isoformat(),
        "MATCHCAST_HANDLER_SECONDS": "20",
        "MATCHCAST_FILE_SECONDS": "0",
        "K_SINK": broker.url,
    }


@pytest.fixture
def environment(shelf: Shelf, settings: dict[str, str]) -> Iterator[dict[str, str]]:
    with served(shelf) as source:
        yield settings | {"MATCHCAST_FOOTBALL_DATA_URL": str(source.base_url)}


@pytest.fixture
def key(database: Database) -> str:
    return SqlApiKeys(database).create("tests", frozenset({"ingest"}), NOW).text


@pytest.fixture
def scrape(environment: dict[str, str], key: str) -> Iterator[httpx.Client]:
    with served(scrape_app(environment), key) as client:
        yield client


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    folder = tmp_path / "pages"
    folder.mkdir()
    for name, content in PAGES.items():
        (folder / name).write_text(content)
    return Pages(folder)
