"""GET /monitoring/queues: what waits for each Trigger, and what could not be delivered."""

from collections.abc import Iterator

import httpx
import pytest

from functions.deadletter.main import app as deadletter_app
from knative.local.manifests import read_manifests
from knative.local.runtime import local_runtime
from matchcast.events import PredictionRequested, first_event
from tests.entrypoints import house
from tests.entrypoints.house import House
from tests.entrypoints.recorder import deliver
from tests.entrypoints.served import assert_problem, served

TRIGGERS = sorted((t.spec.broker, t.metadata.name) for t in read_manifests().triggers)
ASKED = first_event(PredictionRequested(task_id="t1", match_id=7), id="e1", service="predict-async", now=house.NOW)


@pytest.fixture
def ops(furnished: House) -> Iterator[httpx.Client]:
    """Everything on one port, for a key with the scope admin."""
    with served(local_runtime(read_manifests()), furnished.key("admin")) as client:
        yield client


def test_every_trigger_is_told_with_its_dead_letters(ops: httpx.Client) -> None:
    address = ops.get("/_local").json()["addresses"]["http://deadletter.matchcast.svc.cluster.local"]
    with httpx.Client(base_url=address) as inside:
        assert deliver(inside, ASKED, "/from/inference/prediction-requested").status_code == 204
    items = ops.get("/monitoring/queues").json()["items"]
    assert [(item["broker"], item["trigger"]) for item in items] == TRIGGERS
    died = {item["trigger"]: item["dead_letters"] for item in items}
    assert died == {trigger: int(trigger == "prediction-requested") for _, trigger in TRIGGERS}
    consumers = {t.metadata.name: t.parallelism for t in read_manifests().triggers}
    assert {item["trigger"]: item["consumers"] for item in items} == consumers
    assert all(item["depth"] == item["waiting"] + item["in_delivery"] == 0 for item in items)


def test_queues_are_for_operators(ops: httpx.Client, furnished: House) -> None:
    ops.headers["X-API-Key"] = furnished.key("predict")
    assert_problem(ops.get("/monitoring/queues"), 403, "X-API-Key")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1", "start RabbitMQ or correct it; GET /monitoring/dead-letters still lists"),
        ("", "set MATCHCAST_QUEUES_URL to the address of RabbitMQ's management API"),
    ],
)
def test_a_broker_that_is_away_is_told_and_letters_still_are(furnished: House, url: str, words: str) -> None:
    brokers = dict.fromkeys(("MATCHCAST_INGEST_BROKER_URL", "MATCHCAST_INFERENCE_BROKER_URL"), "http://broker")
    environment = {**furnished.environment, **brokers, "MATCHCAST_QUEUES_URL": url}
    with served(deadletter_app(environment), furnished.key("admin")) as client:
        assert_problem(client.get("/monitoring/queues"), 503, None, words)
        assert client.get("/monitoring/dead-letters").json()["items"] == []
        shown = client.get("/metrics").text
        assert ('matchcast_dependency_up{dependency="queues"} 0.0' in shown) == bool(url)
