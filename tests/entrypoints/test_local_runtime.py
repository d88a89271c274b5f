"""The manifests on one machine."""

import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from knative.local.manifests import BASE, read_manifests
from knative.local.routing import Routes
from knative.local.runtime import local_runtime
from matchcast.adapters.clock import utc_now
from matchcast.errors import BadInput
from matchcast.web.app import DOCUMENTS, VERSIONS
from tests.entrypoints import house
from tests.entrypoints.house import House
from tests.entrypoints.served import PAIRING, assert_problem, served

HOOK = "/hooks/minio"
HEALTH = {"/livez", "/readyz", "/healthcheck/", "/metrics"}


@cache
def routes() -> Routes:
    return Routes(read_manifests().routes)


@cache
def functions() -> dict[str, Any]:
    """What each Service's function answers, but for health: (method, path); nothing of it is opened."""
    needs = dict.fromkeys(("K_SINK", "MATCHCAST_INGEST_BROKER_URL", "MATCHCAST_INFERENCE_BROKER_URL"), "http://broker")
    stores = {"MATCHCAST_DATABASE_URL": "sqlite:////nowhere/x.db", "MATCHCAST_OBJECTS_URL": "/nowhere/objects"}
    environment = {**stores, **needs, "MATCHCAST_HOOK_TOKEN": "one-word-of-many-letters"}
    apps = {
        service.metadata.name: importlib.import_module(f"functions.{service.function}.main").app(environment)
        for service in read_manifests().services
    }
    return {
        name: {
            (method, o.path)
            for o in app.operations
            if o.tag not in ("health", "documents")
            for method in ((o.method, "HEAD") if o.method == "GET" else (o.method,))
        }
        for name, app in apps.items()
    }


def sample(path: str) -> str:
    return re.sub(r"\{\w+\}", "123", path)


def test_every_route_of_a_function_is_in_the_manifest() -> None:
    for name, documented in functions().items():
        for method, path in documented:
            for version in ("", *(VERSIONS if path != HOOK else ())):
                for variant in (version + sample(path).rstrip("/"), version + sample(path).rstrip("/") + "/"):
                    assert routes().service_for(method, variant) == name, (method, variant)


def test_every_route_of_the_manifest_is_in_a_function() -> None:
    documented = functions()
    for route in routes().all:
        if route.path in DOCUMENTS:
            continue
        answered = [
            path
            for method, told in documented[route.service]
            for path in (told, *(version + told for version in VERSIONS))
            if method == route.method
            and (route.takes_path(sample(path)) or route.path.rstrip("/") == sample(path).rstrip("/"))
        ]
        assert answered, route


@pytest.mark.parametrize(
    ("method", "path", "service"),
    [
        ("POST", "/predict", "predict-sync"),
        ("POST", "/predict/", "predict-sync"),
        ("POST", "/predict/1", None),
        ("GET", "/predict", "lookup"),
        ("HEAD", "/predict", "lookup"),
        ("GET", "/predict/1", "lookup"),
        ("GET", "/predict/model/info", "predict-sync"),
        ("GET", "/predict/model", "lookup"),
        ("GET", "/predictions", None),
        ("GET", "/matches/", "lookup"),
        ("DELETE", "/matches/", None),
    ],
)
def test_the_most_specific_route_wins(method: str, path: str, service: str | None) -> None:
    assert routes().service_for(method, path) == service


def test_all_functions_answer_on_one_port(local: httpx.Client) -> None:
    match = next(f for f in house.fixtures() if f.kickoff_at > house.NOW).match_id
    assert local.post("/predict/", json={"match_id": match}).json()["ledger"] == "written"
    assert local.get(f"/predict/{match}").json()["cause"] == "new_results"
    assert local.get("/predict/model/info").json()["run_id"] == "run1"
    assert local.get("/matches").json()["items"]


def test_a_key_revoked_or_expired_by_now_is_refused_by_functions_whose_clock_starts_in_the_past(
    furnished: House,
) -> None:
    now = utc_now()
    revoked, expired, active = (
        furnished.keys.create("tests", frozenset({"predict"}), house.NOW, expires_at)
        for expires_at in (None, now - timedelta(seconds=1), now + timedelta(hours=1))
    )
    assert expired.key.expires_at is not None
    assert expired.key.expires_at > house.NOW + timedelta(days=1)
    furnished.keys.revoke(revoked.key.key_id, now)
    with served(local_runtime(read_manifests())) as client:
        for method, path in (("POST", "/predict/"), ("GET", "/predict/")):
            body = PAIRING if method == "POST" else None
            for made in (revoked, expired):
                answer = client.request(method, path, json=body, headers={"X-API-Key": made.text})
                assert_problem(answer, 401, "X-API-Key", "is no active key")
            assert client.request(method, path, json=body, headers={"X-API-Key": active.text}).status_code == 200


def test_what_is_not_routed_is_not_served(local: httpx.Client) -> None:
    assert_problem(local.get("/nothing"), 404)
    answer = local.delete("/predict/")
    assert_problem(answer, 405, None, "GET, HEAD, POST")
    assert answer.headers["allow"] == "GET, HEAD, POST"


def test_health_covers_all_functions(furnished: House) -> None:
    with served(local_runtime(read_manifests())) as client:
        assert client.get("/readyz").status_code == 200
    (furnished.folder / "objects" / "models" / "champion.json").unlink()
    with served(local_runtime(read_manifests())) as client:
        assert client.get("/livez").status_code == 200
        for path in ("/readyz", "/healthcheck/"):
            body = assert_problem(client.get(path), 503, "predict-sync model")
            assert len(body["errors"]) == 1


def test_metrics_of_all_functions_are_one_exposition(local: httpx.Client) -> None:
    local.post("/predict/", json={})
    local.get("/predict/1")
    text = local.get("/metrics").text
    assert 'http_requests_total{function="predict-sync",method="POST",path="/predict/",status="422"} 1.0' in text
    assert 'http_requests_total{function="lookup",method="GET",path="/predict/{match_id}",status="404"} 1.0' in text
    assert text.count("# TYPE http_requests_total counter") == 1


def test_one_document_describes_exactly_the_routes(local: httpx.Client, furnished: House) -> None:
    document = local.get("/openapi.json").json()
    described = {(m.upper(), p) for p, o in document["paths"].items() if p not in HEALTH for m in o}
    answered = set().union(*functions().values())
    assert described == {(m, p) for m, p in answered if p != HOOK and m != "HEAD"}  # which every GET answers
    assert document["openapi"].startswith("3.1")
    text = yaml.safe_dump(document)
    for reference in set(re.findall(r"#/components/(\w+)/([\w.-]+)", text)):
        assert reference[1] in document["components"][reference[0]]
    assert local.get("/docs").status_code == 200


def test_the_document_is_the_same_where_functions_are_processes(furnished: House) -> None:
    with served(local_runtime(read_manifests())) as client:
        embedded = client.get("/openapi.json").json()
    with served(local_runtime(read_manifests(), processes=True)) as client:
        assert client.get("/openapi.json").json() == embedded
        assert {p["state"] for p in client.get("/_local").json()["processes"].values()} == {"stopped"}


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("lookup.yaml", "matchcast.org/function: lookup>x: y", "add the label matchcast.org/function"),
        ("routes.yaml", "name: lookup\n          port>name: nobody\n          port", "there is no Service nobody"),
        ("routes.yaml", "PathPrefix>Regex", "routes.yaml"),
        ("kustomization.yaml", "lookup.yaml>absent.yaml", "absent.yaml: cannot be read"),
        ("triggers.yaml", "retry: 5>retyr: 5", "triggers.yaml: Trigger scrape-requested: spec.delivery.retyr"),
        ("triggers.yaml", "PT1S>1s", "spec.delivery.backoffDelay: '1s' is no ISO 8601 duration"),
        ("triggers.yaml", "timeout: PT285S>timeout: later", "spec.delivery.timeout"),
        ("triggers.yaml", "attributes:>cesql:", "spec.filter.cesql"),
        ("triggers.yaml", "  broker: ingest>  broker: other", "Trigger scrape-requested: there is no Broker other"),
        ("triggers.yaml", 'parallelism: "4">parallelism: "0"', "parallelism is 0; give a number from 1 to 1000"),
        ("triggers.yaml", "name: deadletter>name: nobody", "there is no Service nobody"),
        ("brokers.yaml", "class: RabbitMQBroker>class: Kafka", "only RabbitMQBroker runs here"),
        ("sources.yaml", "name: inference>name: nowhere", "PingSource drift-daily: there is no Broker nowhere"),
        ("sources.yaml", 'data: "{}">daat: "{}"', "PingSource drift-daily: spec.daat"),
        ("sink-bindings.yaml", "name: ingest>name: nowhere", "SinkBinding scrape: there is no Broker nowhere"),
        ("scrape.yaml", "containers:>containres:", "scrape.yaml: Service scrape: spec.template.spec.containers"),
        ("kustomization.yaml", "resources:>resources: {", "kustomization.yaml: cannot be read"),
    ],
)
def test_a_manifest_that_is_not_right_is_named(tmp_path: Path, name: str, change: str, words: str) -> None:
    for file in BASE.glob("*.yaml"):
        (tmp_path / file.name).write_text(file.read_text())
    old, new = change.split(">")
    text = (tmp_path / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1))
    with pytest.raises(BadInput, match=words):
        for service in read_manifests(tmp_path).services:
            assert service.function


def test_a_function_whose_secret_is_missing_does_not_run_and_says_so_while_the_others_do(
    furnished: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MATCHCAST_HOOK_TOKEN", raising=False)
    with served(local_runtime(read_manifests())) as client:
        assert_problem(client.post("/hooks/minio"), 503, None, "reload does not run: the environment is not right")
        assert client.get("/matches").status_code == 200


def test_what_only_this_machine_may_ask_tells_addresses_and_sends_pings(furnished: House) -> None:
    with served(local_runtime(read_manifests())) as client:
        told = client.get("/_local").json()
        assert told["pingsources"] == ["drift-daily", "odds"]
        for name in ("lookup", "inference-broker-ingress"):
            url = told["addresses"][f"http://{name}.matchcast.svc.cluster.local"]
            assert httpx.get(url).status_code in (404, 405)
        assert client.post("/_local/pingsources/odds").status_code == 202
        assert_problem(client.post("/_local/pingsources/other"), 404, None, "there are drift-daily, odds")


@pytest.mark.parametrize("broker", ["redis://localhost", "rabbitmq"])
def test_a_broker_that_is_none_is_named(here: House, broker: str) -> None:
    with pytest.raises(BadInput, match=f"--broker {broker}: give memory or an amqp:// URL"):
        local_runtime(read_manifests(), broker=broker)


@contextmanager
def running(environment: dict[str, str], *command: str) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """A process that listens on a free port, ready, and a client for it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", *(part.format(port=port) for part in command)],
        env={**os.environ, **environment, "PORT": str(port)},
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_until_ready(process, client)
            yield process, client
    finally:
        process.kill()
        process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the process did not get ready")


@pytest.mark.parametrize(
    "command", [("knative.local", "--port", "{port}"), ("functions.predict_sync",), ("functions.lookup",)]
)
def test_each_entry_point_runs_and_stops_on_sigterm(furnished: House, command: tuple[str, ...]) -> None:
    with running(furnished.environment, *command) as (process, client):
        assert client.get("/livez").json()["status"] == "alive"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_function_outlives_the_runtime(furnished: House, how: signal.Signals) -> None:
    """With --processes a function starts on its first request and ends with the runtime, however that ends."""
    with running(furnished.environment, "knative.local", "--port", "{port}", "--processes") as (process, client):
        assert {p["state"] for p in client.get("/_local").json()["processes"].values()} == {"stopped"}
        assert client.get("/matches").status_code == 200
        lookup = client.get("/_local").json()["processes"]["lookup"]
        assert lookup["state"] == "ready"
        process.send_signal(how)
        assert process.wait(60) in (0, -how)
    deadline = time.monotonic() + 20
    while _runs(lookup["pid"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return b"functions" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def test_sigterm_lets_requests_in_flight_finish(furnished: House) -> None:
    """A request whose body is still being sent when SIGTERM comes is answered; new connections are refused."""
    body = json.dumps(PAIRING).encode()
    headers = {"X-API-Key": furnished.key("predict"), "Content-Type": "application/json"}
    with running(furnished.environment, "functions.predict_sync") as (process, client):
        address = (client.base_url.host, client.base_url.port or 0)

        def slowly() -> Iterator[bytes]:
            yield body[:20]
            process.send_signal(signal.SIGTERM)
            wait_until_refused(address)
            yield body[20:]

        answer = client.post("/predict/", content=slowly(), headers=headers)
        assert answer.status_code == 200
        assert answer.json()["ledger"] == "written"
        assert process.wait(20) in (0, -signal.SIGTERM)


def wait_until_refused(address: tuple[str, int]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(address, 1).close()
        except OSError:
            return
        time.sleep(0.02)
    raise AssertionError("the server goes on taking connections")
