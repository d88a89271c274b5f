"""Every image is built, started as a cluster starts it, and made to answer."""

import json
import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from functions.predict_sync.main import app as predict_sync_app
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.database.migrate import migrate
from matchcast.adapters.objects_folder import FolderStore
from tests.entrypoints.drifting import NOW as DRIFT_NOW
from tests.entrypoints.drifting import Watched
from tests.entrypoints.house import AS_OF, NOW, House, fixtures
from tests.entrypoints.served import PAIRING, served
from tests.images import podman
from tests.images.conftest import hand_over
from tests.images.podman import ROOT, USER, Mounts, built
from tests.images.services import FUNCTIONS, configured, service_of
from tests.unit.events.examples import EXAMPLES

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

Start = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture
def start(container_house: House, tmp_path: Path) -> Start:
    """Starts a function's container with what its manifest gives it; a house takes the cluster's place."""

    @contextmanager
    def started(function: str, folder: Path = container_house.folder, now: datetime = NOW) -> Iterator[httpx.Client]:
        service = service_of(function)
        given = configured() | {
            "cache-url": "",
            "database-url": "sqlite:////house/matchcast.db",
            "objects-url": "/house/objects",
            "hook-token": TOKEN,
            "queues-url": "http://127.0.0.1:1",
            "s3-access-key-id": "not-asked-for",
            "s3-secret-access-key": "by-a-folder",
            "sink": "http://127.0.0.1:9",
        }
        environment = dict(service.variables) | {name: given[key] for name, key in service.filled.items()}
        with podman.serving(
            built(function),
            mounts=Mounts(service.empty, {folder: "/house"}),
            environment=environment | {"MATCHCAST_CLOCK_STARTS_AT": now.isoformat()},
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


COME_WITH: Final = {"drift": {"sklearn"}}
"""What a function's own libraries install, though its code never imports it: Evidently needs scikit-learn."""


def forbidden_to(function: str) -> set[str]:
    """Libraries that an image must not hold: those its function must not reach, as the import rules say."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return {
        module
        for contract in contracts
        if contract["type"] == "forbidden" and f"functions.{function}" in contract["source_modules"]
        for module in contract["forbidden_modules"]
    } - COME_WITH.get(function, set())


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


def test_a_container_renews_every_forecast_when_results_come(
    container_house: House, start: Start, tmp_path: Path
) -> None:
    """With numba, and nothing to write to but what the manifest gives."""
    folder = tmp_path / "house"
    shutil.copytree(container_house.folder, folder)
    hand_over(folder)
    data = {**EXAMPLES["matches.ingested"], "finished": [], "upcoming": [fixtures()[0].match_id]}
    with start("predict_async", folder) as client:
        answer = client.post(
            "/", json=data, headers=event_headers("org.matchcast.matches.ingested", "/matchcast/scrape")
        )
    assert (answer.status_code, answer.headers.get("ce-type")) == (200, "org.matchcast.forecasts.updated"), answer.text
    assert answer.json()["count"] == len([fixture for fixture in fixtures() if fixture.kickoff_at > NOW])


def test_a_container_looks_for_drift(start: Start, tmp_path: Path) -> None:
    """With Evidently, and nothing to write to but what the manifest gives."""
    folder = tmp_path / "watched"
    (folder / "objects").mkdir(parents=True)
    migrate(f"sqlite:///{folder}/matchcast.db")
    watched = Watched({}, Database(f"sqlite:///{folder}/matchcast.db"), FolderStore(folder / "objects"))
    watched.fill()
    rows = watched.recent_rows()
    watched.promote(rows, rows)
    watched.database.close()
    hand_over(folder)
    source = "/apis/v1/namespaces/matchcast/pingsources/drift-daily"
    with start("drift", folder, DRIFT_NOW) as client:
        answer = client.post("/", json={}, headers=event_headers("dev.knative.sources.ping", source))
    assert (answer.status_code, answer.headers.get("ce-type")) == (200, "org.matchcast.drift.checked"), answer.text
    assert (folder / "objects" / answer.json()["html_key"]).stat().st_size > 0


def event_headers(type_: str, source: str) -> dict[str, str]:
    """A CloudEvent's attributes in binary mode."""
    return {
        "ce-specversion": "1.0",
        "ce-id": str(uuid4()),
        "ce-source": source,
        "ce-type": type_,
        "ce-time": NOW.isoformat(),
    }


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
