"""Manifests beside the resources' published schemas."""

import re

import pytest

from tests.unit.knative.published import faults
from tests.unit.knative.rendered import ALL, Mutation, mutated, rendered, set_at


@pytest.mark.parametrize("folder", ALL)
def test_every_manifest_is_what_the_projects_publish(folder: str) -> None:
    found = {f"{m['kind']} {m['metadata']['name']}": faults(m) for m in rendered(folder)}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    ("folder", "mutation", "words"),
    [
        (
            "base",
            set_at("Service", "drift", "spec", "template", "spec", "timoutSeconds", to=1),
            "'timoutSeconds' was unex",
        ),
        ("base", set_at("Service", "drift", "spec", "template", "spec", "timeoutSeconds", to="long"), "timeoutSeconds"),
        (
            "base",
            set_at("Service", "drift", "spec", "template", "spec", "containers", 0, "securityContext", "root", to=1),
            "'root' was unexpected",
        ),
        ("base", set_at("Trigger", "drift-due", "spec", "delivery", "retries", to=5), "'retries' was unexpected"),
        ("base", set_at("Trigger", "drift-due", "spec", "subscriber", "refs", to={}), "'refs' was unexpected"),
        ("base", set_at("Broker", "ingest", "spec", "configuration", to={}), "'configuration' was unexpected"),
        ("base", set_at("PingSource", "odds", "spec", "cron", to="* * * * *"), "'cron' was unexpected"),
        ("base", set_at("SinkBinding", "scrape", "spec", "target", to={}), "'target' was unexpected"),
        ("base", set_at("EventType", "ingest.scrape.failed", "spec", "schemas", to=""), "'schemas' was unexpected"),
        ("base", set_at("JobSink", "retrain", "spec", "jobs", to={}), "'jobs' was unexpected"),
        ("base", set_at("JobSink", "retrain", "spec", "job", "spec", "ttl", to=1), "'ttl' was unexpected"),
        (
            "base",
            set_at("JobSink", "retrain", "spec", "job", "spec", "template", "spec", "containers", 0, "comand", to=[]),
            "'comand' was unexpected",
        ),
        ("base", set_at("RabbitmqCluster", "rabbitmq", "spec", "replica", to=3), "'replica' was unexpected"),
        ("base", set_at("RabbitmqBrokerConfig", "rabbitmq", "spec", "queueType", to="stream"), "'stream' is not one"),
        ("base", set_at("NetworkPolicy", "names", "spec", "egres", to=[]), "'egres' was unexpected"),
        ("base", set_at("HTTPRoute", "matchcast", "spec", "rules", 0, "backend", to=[]), "'backend' was unexpected"),
        ("base", set_at("HTTPRoute", "hooks", "metadata", "label", to={}), "metadata: .*'label' was unexpected"),
        (
            "overlays/production",
            set_at("BackendTrafficPolicy", "matchcast", "spec", "rateLimit", "local", "burst", to=5),
            "'burst' was unexpected",
        ),
        ("overlays/production", set_at("Gateway", "matchcast", "spec", "class", to="envoy"), "'class' was unexpected"),
        (
            "overlays/production",
            set_at("ClientTrafficPolicy", "matchcast", "spec", "connection", "connectionLimit", "value", to="many"),
            "connectionLimit.value",
        ),
        ("overlays/production", set_at("ReferenceGrant", "matchcast", "spec", "from", to={}), "spec.from"),
    ],
)
def test_what_is_not_published_is_a_fault(folder: str, mutation: Mutation, words: str) -> None:
    found = "\n".join(fault for manifest in mutated(folder, mutation) for fault in faults(manifest))
    assert re.search(words, found), found
