"""/metrics of functions that come and go."""

import re
import sqlite3
import subprocess
import sys
import time
from textwrap import dedent

import httpx
import pytest

from functions.deadletter.main import app as deadletter_app
from functions.lookup.main import app as lookup_app
from functions.predict_sync.main import app as predict_sync_app
from knative.local.manifests import read_manifests
from knative.local.runtime import local_runtime
from tests.entrypoints import house
from tests.entrypoints.house import House
from tests.entrypoints.served import PAIRING, served


def samples(client: httpx.Client) -> dict[str, float]:
    """Every sample by name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return read(answer.text)


def read(exposition: str) -> dict[str, float]:
    lines = (line.rsplit(" ", 1) for line in exposition.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def upcoming() -> int:
    fixture = next(f for f in house.fixtures() if f.kickoff_at > house.NOW)
    assert fixture.match_id is not None
    return fixture.match_id


def test_a_function_that_has_just_started_shows_the_true_counts(furnished: House) -> None:
    key = furnished.key("predict")
    with served(predict_sync_app(), key) as client:
        for _ in range(2):
            assert client.post("/predict/", json=PAIRING).status_code == 200
    with served(lookup_app(), key) as client:
        assert client.get(f"/predict/{upcoming()}").status_code == 200
    with served(predict_sync_app()) as client:
        shown = samples(client)
    assert shown['prediction_requests_total{source="sync"}'] == 2
    assert shown['prediction_requests_total{source="lookup"}'] == 1
    assert shown["matchcast_ledger_rows"] >= 1
    by_cause = [
        value for name, value in shown.items() if name.startswith('matchcast_forecasts_total{cause="requested"')
    ]
    assert sum(by_cause) == shown["matchcast_ledger_rows"]
    assert shown["model_registered_at_seconds"] == house.NOW.timestamp()
    assert shown["matchcast_snapshot_as_of_seconds"] == house.AS_OF.timestamp()
    assert shown['matchcast_dependency_up{dependency="database"}'] == 1


def test_a_database_that_is_away_is_told_and_nothing_is_made_up(furnished: House) -> None:
    file = furnished.folder / "matchcast.db"
    file.rename(file.with_suffix(".away"))
    with served(lookup_app()) as client:
        shown = samples(client)
    assert shown['matchcast_dependency_up{dependency="database"}'] == 0
    assert shown['matchcast_dependency_up{dependency="objects"}'] == 1
    assert not [name for name in shown if name.startswith(("matchcast_ledger", "matchcast_forecasts"))]
    assert shown["model_registered_at_seconds"] == house.NOW.timestamp()


@pytest.mark.parametrize(
    ("broken", "address"),
    [
        ("cache", {"MATCHCAST_CACHE_URL": "redis://127.0.0.1:1/0"}),
        ("queues", {"MATCHCAST_QUEUES_URL": "http://127.0.0.1:1"}),
        (
            "objects",
            {
                "MATCHCAST_OBJECTS_URL": "s3://matchcast",
                "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
                "AWS_ACCESS_KEY_ID": "matchcast",
                "AWS_SECRET_ACCESS_KEY": "secret",
            },
        ),
    ],
)
def test_what_is_broken_is_told_by_a_function_that_has_not_used_it(
    furnished: House, monkeypatch: pytest.MonkeyPatch, broken: str, address: dict[str, str]
) -> None:
    brokers = {f"MATCHCAST_{broker}_BROKER_URL": "http://127.0.0.1:1" for broker in ("INGEST", "INFERENCE")}
    for name, value in (address | brokers).items():
        monkeypatch.setenv(name, value)
    telemetry = deadletter_app().telemetry
    name, deadline = f'matchcast_dependency_up{{dependency="{broken}"}}', time.monotonic() + 60
    told: dict[str, float] = {}
    while name not in told:
        assert time.monotonic() < deadline, told
        told = read(telemetry.exposition().decode())
    assert told[name] == 0
    assert told['matchcast_dependency_up{dependency="database"}'] == 1
    telemetry.close()


def test_forecasts_are_counted_that_are_shown(furnished: House) -> None:
    """Each of a list counts, and none of an answer that says the client has it already."""
    with served(lookup_app(), furnished.key("predict")) as client:
        path, listed = f"/predict/{upcoming()}", client.get("/predict/")
        shown = len(listed.json()["items"])
        assert shown > 1
        for url, etag in ((path, client.get(path).headers["ETag"]), ("/predict/", listed.headers["ETag"])):
            assert client.get(url, headers={"If-None-Match": etag}).status_code == 304
        assert samples(client)['prediction_requests_total{source="lookup"}'] == shown + 1


def test_metrics_cost_a_function_no_heavy_import(furnished: House) -> None:
    """Nothing is asked before /metrics is, and then by the driver alone."""
    script = """
        import sys
        from functions.lookup.main import app
        telemetry = app().telemetry
        assert "matchcast.adapters.database.light" not in sys.modules, "the database is reached too early"
        telemetry.predictions.labels("lookup").inc()
        assert b'dependency="database"} 1.0' in telemetry.exposition()
        telemetry.close()
        print(*sorted({"sqlalchemy", "psycopg", "redis", "pandas"} & set(sys.modules)))
    """
    told = subprocess.run([sys.executable, "-c", dedent(script)], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout.strip()) == (0, ""), told.stderr


def test_the_front_shows_functions_that_run_and_wakes_none(furnished: House) -> None:
    """What outlives processes is shown all the same."""
    with served(local_runtime(read_manifests(), processes=True), furnished.key("predict")) as client:
        assert client.get(f"/predict/{upcoming()}").status_code == 200
        shown = samples(client)
        states = {name: p["state"] for name, p in client.get("/_local").json()["processes"].items()}
    name = 'http_requests_total{function="lookup",method="GET",path="/predict/{match_id}",status="200"}'
    assert shown[name] == 1
    assert shown['prediction_requests_total{function="lookup",source="lookup"}'] == 1
    assert shown['matchcast_dependency_up{dependency="database",function="local"}'] == 1
    assert len([name for name in shown if name.startswith("matchcast_queue_messages")]) == len(
        read_manifests().triggers
    )
    assert {name for name, state in states.items() if state != "stopped"} == {"lookup"}


def test_counts_of_functions_in_one_process_are_shown_at_once_and_by_the_runtime_alone(furnished: House) -> None:
    with served(local_runtime(read_manifests()), furnished.key("predict")) as client:
        assert client.get(f"/predict/{upcoming()}").status_code == 200
        shown = samples(client)
    found = [name for name in shown if re.match(r"prediction_requests_total\{", name)]
    assert found == ['prediction_requests_total{function="local",source="lookup"}']
    with sqlite3.connect(furnished.folder / "matchcast.db") as connection:
        assert connection.execute("SELECT name, labels, value FROM metric_totals").fetchall() == [
            ("prediction_requests_total", '{"source": "lookup"}', 1.0)
        ]
