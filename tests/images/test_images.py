"""Every image is built, started as a cluster starts it, and made to answer."""

import json
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any, Final

import httpx
import pytest

from functions.predict_sync.main import app as predict_sync_app
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from tests.entrypoints.house import AS_OF, House, fixtures
from tests.entrypoints.served import PAIRING, served
from tests.images import podman
from tests.images.podman import ROOT, USER, Mounts, built
from tests.images.services import FUNCTIONS, configured, service_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("containers")]

INSPECTION: Final = ROOT / "tests/images/inspect_image.py"
TOKEN: Final = "a-token-of-these-tests"
WITH_EVENTS: Final = [function for function in FUNCTIONS if service_of(function).event_paths]
WITH_MACHINE_CODE: Final = [function for function in FUNCTIONS if function in ("predict_async", "drift")]
COMPILE: Final = """
import pathlib, sys
from matchcast.features.compiled import compile_now
compile_now()
names = [sorted(file.name for file in pathlib.Path(folder).rglob("*.nb?")) for folder in ("/venv/share", "/cache")]
assert names[0], "no machine code came with the image"
assert names[0] == names[1], f"{set(names[1]) - set(names[0])} was compiled anew"
"""

Start = Callable[[str], AbstractContextManager[httpx.Client]]


@pytest.fixture
def start(container_house: House, tmp_path: Any) -> Start:
    """Starts a function's container with what its manifest gives it; the house takes the cluster's place."""

    @contextmanager
    def started(function: str) -> Iterator[httpx.Client]:
        service = service_of(function)
        given = configured() | {
            "database-url": "sqlite:////house/matchcast.db",
            "objects-url": "/house/objects",
            "hook-token": TOKEN,
            "sink": "http://127.0.0.1:9",
        }
        clock = {"MATCHCAST_CLOCK_STARTS_AT": container_house.environment["MATCHCAST_CLOCK_STARTS_AT"]}
        with podman.serving(
            built(function),
            mounts=Mounts(service.empty, {container_house.folder: "/house"}),
            environment=clock | dict(service.variables) | {name: given[key] for name, key in service.filled.items()},
            log=tmp_path / f"{function}.log",
            headers={"X-API-Key": container_house.key("predict")},
        ) as client:
            yield client

    return started


@cache
def inspected(function: str) -> dict[str, Any]:
    """What a container of the image tells of itself."""
    ended = podman.run(
        built(function),
        "/inspect_image.py",
        *sorted(forbidden_to(function)),
        mounts=Mounts(folders={INSPECTION: "/inspect_image.py:ro"}),
        entrypoint="python",
    )
    assert ended.status == 0, ended.err
    told: dict[str, Any] = json.loads(ended.out)
    return told


def forbidden_to(function: str) -> set[str]:
    """Libraries that a function must not reach, as the import rules say."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return {
        module
        for contract in contracts
        if contract["type"] == "forbidden" and f"functions.{function}" in contract["source_modules"]
        for module in contract["forbidden_modules"]
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_runs_without_rights_and_without_anything_to_write_to(function: str) -> None:
    told = inspected(function)
    assert (told["user"], told["group"]) == (USER, USER)
    assert told["capabilities"] == 0
    assert told["no_new_privileges"]
    assert told["writable"] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_image_holds_its_function_compiled_and_nothing_else(function: str) -> None:
    told = inspected(function)
    assert told["importable"] == []
    assert told["tools"] == []
    assert told["uncompiled"] == []
    assert told["secrets"] == []
    assert [name for name in told["top"] if not name.endswith(".dist-info")] == ["functions", "matchcast"]
    assert told["functions"] == [function]


@pytest.mark.parametrize("function", [*FUNCTIONS, "retrain"])
def test_an_image_says_which_revision_it_was_built_from_and_keeps_no_certificate_or_setting_of_the_builder(
    function: str,
) -> None:
    config = json.loads(podman.ask("image", "inspect", "--format={{json .Config}}", built(function)))
    revision = config["Labels"]["org.opencontainers.image.revision"]
    assert config["Labels"]["org.opencontainers.image.title"] == function
    assert f"MATCHCAST_CODE_REVISION={revision}" in config["Env"]
    assert config["User"] == f"{USER}:{USER}"
    assert not [entry for entry in config["Env"] if entry.startswith(("SSL_", "UV_", "PIP_", "http"))]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_container_lives_until_it_is_told_to_stop(function: str, start: Start) -> None:
    with start(function) as client:
        assert client.get("/livez").json()["status"] == "alive"
        assert client.get("/metrics").status_code == 200
        ready = client.get("/readyz")
        assert ready.status_code == 200, ready.text


@pytest.mark.parametrize("function", WITH_EVENTS)
def test_a_container_rejects_what_is_no_event_so_that_no_broker_loses_it(function: str, start: Start) -> None:
    with start(function) as client:
        for path in service_of(function).event_paths:
            answer = client.post(path, content=b"junk", headers={"Content-Type": "text/plain"})
            assert (answer.status_code, answer.headers.get("ce-type")) == (200, "org.matchcast.event.rejected")


def test_a_container_takes_what_minio_sends_even_if_it_is_junk(start: Start) -> None:
    with start("reload") as client:
        answer = client.post("/hooks/minio", content=b"junk", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 204
        assert client.post("/hooks/minio", content=b"junk").status_code == 401
        assert client.post("/", content=b"junk").headers["ce-type"] == "org.matchcast.event.rejected"


def test_a_container_forecasts_as_the_checkout_does_and_records_it(
    container_house: House, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start("predict_sync") as client:
        answer = client.post("/predict/", json=PAIRING)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    for name, value in container_house.environment.items():
        monkeypatch.setenv(name, value)
    with served(predict_sync_app(), container_house.key("predict")) as checkout:
        assert told["probabilities"] == checkout.post("/predict/", json=PAIRING).json()["probabilities"]
    assert told["ledger"] == "written"
    row = SqlLedger(Database(container_house.database_url)).find(told["forecast_id"])
    assert row is not None
    assert row.forecast.probabilities._asdict() == told["probabilities"]
    label = '{{index .Config.Labels "org.opencontainers.image.revision"}}'
    assert (
        row.forecast.code_revision == podman.ask("image", "inspect", f"--format={label}", built("predict_sync")).strip()
    )


def test_a_container_looks_a_forecast_up(container_house: House, start: Start) -> None:
    fixture = next(fixture for fixture in fixtures() if fixture.kickoff_at > AS_OF)
    with start("lookup") as client:
        answer = client.get(f"/predict/{fixture.match_id}")
        listed = client.get("/matches/", params={"limit": 5})
    assert answer.status_code == 200, answer.text
    assert sum(answer.json()["probabilities"].values()) == pytest.approx(1)
    assert len(listed.json()["items"]) == 5


@pytest.mark.parametrize("function", WITH_MACHINE_CODE)
def test_the_forward_pass_was_compiled_when_the_image_was_built(function: str) -> None:
    ended = podman.run(built(function), "-c", COMPILE, mounts=Mounts(service_of(function).empty), entrypoint="python")
    assert ended.status == 0, ended.err


def test_functions_that_need_the_same_packages_share_their_layer() -> None:
    predict_sync, lookup = (
        json.loads(podman.ask("image", "inspect", "--format={{json .RootFS.Layers}}", built(function)))
        for function in ("predict_sync", "lookup")
    )
    assert len(predict_sync) == len(lookup)
    assert predict_sync[:-1] == lookup[:-1]
