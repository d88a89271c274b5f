"""A house with a champion, a snapshot, matches and a key, and its functions served."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from functions.lookup.main import app as lookup_app
from functions.predict_sync.main import app as predict_sync_app
from tests.entrypoints.house import House
from tests.entrypoints.served import served


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """An empty house that the environment points to."""
    house = House(tmp_path)
    for name, value in house.environment.items():
        monkeypatch.setenv(name, value)
    return house


@pytest.fixture
def furnished(here: House, tmp_path: Path) -> House:
    """A house with everything that serving needs."""
    here.promote(1)
    here.publish(1, tmp_path)
    here.fill_database()
    return here


@pytest.fixture
def predict_sync(furnished: House) -> Iterator[httpx.Client]:
    with served(predict_sync_app(), furnished.key("predict")) as client:
        yield client


@pytest.fixture
def lookup(furnished: House) -> Iterator[httpx.Client]:
    with served(lookup_app(), furnished.key("predict")) as client:
        yield client
