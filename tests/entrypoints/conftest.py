"""Houses with a champion, a snapshot, matches and keys, and their functions served."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from functions.lookup.main import app as lookup_app
from functions.predict_sync.main import app as predict_sync_app
from knative.local.manifests import read_manifests
from knative.local.runtime import local_runtime
from tests.entrypoints.house import House
from tests.entrypoints.served import served


def point_environment_to(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in house.environment.items():
        monkeypatch.setenv(name, value)


def furnish(house: House, made_in: Path) -> House:
    house.promote(1)
    house.publish(1, made_in)
    house.fill_database()
    return house


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """An empty house that the environment points to."""
    house = House(tmp_path)
    point_environment_to(house, monkeypatch)
    return house


@pytest.fixture
def furnished(here: House, tmp_path: Path) -> House:
    """A house with everything that serving needs, for one test to change."""
    return furnish(here, tmp_path)


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A furnished house that no test changes, but for forecasts in its ledger."""
    folder = tmp_path_factory.mktemp("standing")
    return furnish(House(folder), folder)


@pytest.fixture(scope="session")
def predict_sync(standing: House) -> Iterator[httpx.Client]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        point_environment_to(standing, monkeypatch)
        application = predict_sync_app()
    with served(application, standing.key("predict")) as client:
        yield client


@pytest.fixture(scope="session")
def lookup(standing: House) -> Iterator[httpx.Client]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        point_environment_to(standing, monkeypatch)
        application = lookup_app()
    with served(application, standing.key("predict")) as client:
        yield client


@pytest.fixture(scope="session")
def local(standing: House) -> Iterator[httpx.Client]:
    """Every function on one port."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        point_environment_to(standing, monkeypatch)
        monkeypatch.setenv("MATCHCAST_HOOK_TOKEN", "one-word-of-many-letters")
        application = local_runtime(read_manifests())
    with served(application, standing.key("predict")) as client:
        yield client


@pytest.fixture(scope="session")
def evidently() -> None:
    """Import it once, for seconds; it uses names that are on their way out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import evidently.metrics  # type: ignore[import-untyped]  # noqa: F401
