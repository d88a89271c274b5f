"""The manifests fit one another, the functions and the events, and every check of that can fail."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from knative.deploy.cluster import run
from matchcast.errors import MatchcastError
from tests.unit.knative import checks
from tests.unit.knative.rendered import (
    ALL,
    BASE,
    KNATIVE,
    ON_S3,
    OVERLAYS,
    Manifest,
    Mutation,
    drop,
    mutated,
    of_kind,
    rendered,
    set_at,
)

Check = Callable[[Sequence[Manifest]], Iterator[str]]
CHECKS: Sequence[Check] = (
    checks.event_types, checks.filters, checks.deliveries, checks.references, checks.environments, checks.timeouts,
    checks.capacities, checks.hardening, checks.policies,
)  # fmt: skip
SPEC = ("spec", "template", "spec")
CONTAINER = (*SPEC, "containers", 0)
FILTER = ("spec", "filter", "attributes")


def id_of(check: object) -> str:
    return getattr(check, "__name__", "")


def made_secrets() -> dict[str, set[str]]:
    """Keys by Secret, as the runbook has them made."""
    text = (KNATIVE.parent / "docs" / "runbooks" / "deploy.md").read_text().replace("\\\n", " ")
    commands = [line for line in text.splitlines() if "create secret generic" in line]
    return {
        command.split("generic ")[1].split()[0]: set(re.findall(r"--from-literal=([\w-]+)=", command))
        for command in commands
    }


@pytest.mark.parametrize("check", CHECKS, ids=id_of)
@pytest.mark.parametrize("folder", ALL)
def test_the_manifests_fit(folder: str, check: Check) -> None:
    assert list(check(rendered(folder))) == []


def test_scrape_alone_may_reach_a_browser_of_another_namespace() -> None:
    hub = {
        "to": [{"namespaceSelector": {"matchLabels": {"matchcast.org/browser": "true"}}}],
        "ports": [{"protocol": "TCP", "port": 4444}],
    }
    allowed = [
        policy["spec"]["podSelector"]
        for policy in of_kind(rendered(BASE), "NetworkPolicy").values()
        if hub in policy["spec"].get("egress", [])
    ]
    assert allowed == [{"matchLabels": {"serving.knative.dev/service": "scrape"}}]
    assert "`matchcast.org/browser=true`" in (KNATIVE.parent / "docs" / "runbooks" / "deploy.md").read_text()


def test_on_s3_functions_and_retraining_reach_what_scrape_reaches_and_otherwise_it_alone() -> None:
    def reach(folder: str) -> list[Manifest]:
        web = of_kind(rendered(folder), "NetworkPolicy")["scrape-to-sources"]["spec"]["egress"][0]
        policies = of_kind(rendered(folder), "NetworkPolicy").values()
        return [p["spec"]["podSelector"] for p in policies if web in p["spec"].get("egress", [])]

    scrape = {"matchLabels": {"serving.knative.dev/service": "scrape"}}
    functions = {"matchExpressions": [{"key": "serving.knative.dev/service", "operator": "Exists"}]}
    retrain = {"matchLabels": {"matchcast.org/job": "retrain"}}
    assert reach(OVERLAYS[1]) == [scrape]
    assert sorted(reach(ON_S3), key=str) == sorted([scrape, functions, retrain], key=str)


def test_names_are_asked_of_the_clusters_dns_or_of_the_nodes_cache() -> None:
    (rule,) = of_kind(rendered(BASE), "NetworkPolicy")["names"]["spec"]["egress"]
    assert rule["to"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}},
        {"ipBlock": {"cidr": "169.254.20.10/32"}},
    ]


def test_what_the_runbook_of_a_refusal_has_set_can_be_set() -> None:
    named = set(re.findall(r"MATCHCAST_\w+", (KNATIVE.parent / "docs" / "runbooks" / "source-not-read.md").read_text()))
    env = of_kind(rendered(BASE), "Service")["scrape"]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"MATCHCAST_COOL_DOWN_HOURS", "MATCHCAST_WHOSCORED_SECONDS"} <= named
    assert named <= {entry["name"] for entry in env}


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_key_that_is_read_is_made_and_every_key_that_is_made_is_read(folder: str) -> None:
    assert list(checks.keys(rendered(folder), made_secrets())) == []


def test_a_key_that_is_not_made_is_a_fault() -> None:
    made = made_secrets()["matchcast"]
    lacking = list(checks.keys(rendered(OVERLAYS[0]), {"matchcast": made - {"hook-token"}}))
    assert lacking == ["('secretKeyRef', 'matchcast'): lacks hook-token"]
    too_many = list(checks.keys(rendered(OVERLAYS[0]), {"matchcast": made | {"other"}}))
    assert too_many == ["('secretKeyRef', 'matchcast'): nobody reads other"]
    changed = mutated(OVERLAYS[0], drop("ConfigMap", "matchcast", "data", "objects-url"))
    assert list(checks.keys(changed, made_secrets())) == ["('configMapKeyRef', 'matchcast'): lacks objects-url"]


@pytest.mark.parametrize(
    ("check", "mutation", "words"),
    [
        (checks.event_types, drop("Trigger", "retrain-on-drift"), "drift.detected: has no Trigger and is not terminal"),
        (
            checks.event_types,
            set_at("EventType", "inference.model.promoted", "metadata", "annotations", to={checks.TERMINAL: "true"}),
            "model.promoted: is terminal and has a Trigger",
        ),
        (checks.event_types, drop("EventType", "ingest.scrape.failed"), "scrape.failed: no EventType declares it"),
        (
            checks.event_types,
            set_at(
                "EventType", "ingest.scrape.failed", "spec", "attributes", 2, "value", to="org.matchcast.scrape.lost"
            ),
            "org.matchcast.scrape.lost: no payload has it",
        ),
        (
            checks.event_types,
            set_at("EventType", "ingest.scrape.failed", "spec", "attributes", 3, "value", to="/matchcast/scraper"),
            "source /matchcast/scraper is no Service",
        ),
        (
            checks.event_types,
            set_at("EventType", "ingest.scrape.failed", "spec", "attributes", 6, "value", to="https://x/y.json"),
            "https://x/y.json is not published",
        ),
        (checks.filters, set_at("Trigger", "renew-on-model", *FILTER, "type", to="org.matchcast.x"), "renew-on-model"),
        (checks.filters, set_at("Trigger", "renew-on-model", "spec", "broker", to="ingest"), "nothing on ingest is"),
        (checks.filters, set_at("Trigger", "odds-due", *FILTER, "source", to="/other"), "no PingSource sends"),
        (checks.filters, drop("Trigger", "drift-due"), "no Trigger takes its events from inference"),
        (checks.filters, drop("Trigger", "renew-on-model", "spec", "filter"), "nothing on inference is {}"),
        (checks.deliveries, drop("Trigger", "drift-due", "spec", "delivery"), "drift-due: its delivery is not whole"),
        (checks.deliveries, drop("Trigger", "drift-due", "spec", "delivery", "timeout"), "its delivery is not whole"),
        (checks.deliveries, set_at("Trigger", "drift-due", "spec", "delivery", "retry", to=2), "not tried six times"),
        (
            checks.deliveries,
            set_at("Trigger", "drift-due", "spec", "delivery", "deadLetterSink", "uri", to="/from/ingest"),
            "do not say which broker",
        ),
        (
            checks.deliveries,
            set_at("Trigger", "drift-due", "spec", "delivery", "deadLetterSink", "ref", "name", to="letters"),
            "there is no Service letters",
        ),
        (checks.deliveries, set_at("Trigger", "drift-due", "spec", "delivery", "timeout", to="PT5M"), "too long for"),
        (
            checks.deliveries,
            set_at(
                "RabbitmqCluster", "rabbitmq", "spec", "rabbitmq", "additionalConfig", to="consumer_timeout = 1800000\n"
            ),
            "could wait longer than RabbitMQ's 1800 s",
        ),
        (checks.deliveries, drop("Trigger", "drift-due", "metadata", "annotations"), "parallelism is not from 1"),
        (checks.references, drop("Service", "drift"), "Trigger settle-on-matches: there is no Service drift"),
        (checks.references, drop("Broker", "ingest"), "SinkBinding scrape: there is no Broker ingest"),
        (checks.references, drop("JobSink", "retrain"), "there is no JobSink retrain"),
        (checks.references, drop("RabbitmqBrokerConfig", "rabbitmq"), "there is no RabbitmqBrokerConfig rabbitmq"),
        (checks.references, drop("RabbitmqCluster", "rabbitmq"), "there is no RabbitmqCluster rabbitmq"),
        (
            checks.environments,
            set_at("Service", "drift", *CONTAINER, "env", 2, "name", to="MATCHCAST_X"),
            "MATCHCAST_X",
        ),
        (checks.environments, drop("Service", "reload", *CONTAINER, "env", 2), "reload: lacks MATCHCAST_HOOK_TOKEN"),
        (checks.environments, drop("SinkBinding", "scrape"), "scrape: lacks K_SINK"),
        (
            checks.environments,
            set_at("SinkBinding", "scrape", "spec", "subject", "name", to="lookup"),
            "lookup: K_SINK is no setting of it",
        ),
        (
            checks.environments,
            set_at("JobSink", "retrain", "spec", "job", *SPEC, "containers", 0, "env", 0, "name", to="MATCHCAST_DB"),
            "retrain: MATCHCAST_DB is no setting",
        ),
        (checks.timeouts, set_at("Service", "drift", *SPEC, "timeoutSeconds", to=184), "drift: 184 s cut its draining"),
        (checks.timeouts, set_at("Service", "lookup", *SPEC, "timeoutSeconds", to=64), "lookup: 64 s cut its draining"),
        (
            checks.timeouts,
            set_at("Service", "predict-sync", *SPEC, "responseStartTimeoutSeconds", to=30),
            "predict-sync: Knative gives its answers up before",
        ),
        (checks.timeouts, set_at("Service", "drift", *SPEC, "timeoutSeconds", to=601), "than it must end"),
        (
            checks.timeouts,
            set_at("Trigger", "drift-due", "spec", "delivery", "timeout", to="PT196S"),
            "longer than Knative lets its subscriber take",
        ),
        (
            checks.timeouts,
            set_at("Trigger", "renew-on-model", "spec", "delivery", "timeout", to="PT150S"),
            "its handler may take 150",
        ),
        (
            checks.timeouts,
            set_at("Trigger", "matches-across", "spec", "delivery", "timeout", to="PT10S"),
            "matches-across: waits 10 s, and its dead-letter sink may take 25",
        ),
        (
            checks.capacities,
            set_at("Trigger", "prediction-requested", "metadata", "annotations", checks.PARALLELISM, to="80"),
            "predict-async: its Triggers alone send 82 at once",
        ),
        (
            checks.hardening,
            set_at("Service", "drift", *CONTAINER, "securityContext", "runAsNonRoot", to=False),
            "harden",
        ),
        (checks.hardening, drop("Service", "drift", *SPEC, "automountServiceAccountToken"), "drift: is not hardened"),
        (checks.hardening, drop("Service", "drift", *CONTAINER, "resources", "limits"), "says not what it needs"),
        (
            checks.hardening,
            set_at("Service", "drift", *CONTAINER, "readinessProbe", "httpGet", "path", to="/"),
            "drift: is asked at",
        ),
        (
            checks.hardening,
            drop("Service", "drift", "metadata", "labels", "networking.knative.dev/visibility"),
            "drift: is public",
        ),
        (checks.policies, drop("NetworkPolicy", "default-deny"), "nothing is denied by default"),
        (checks.policies, drop("SinkBinding", "reload"), "inference: .* publish there, and .*reload.* may go out"),
        (
            checks.policies,
            drop("NetworkPolicy", "ingest-broker", "spec", "ingress", 0, "from", 0),
            r"ingest: .* publish there, and \[\] are let in",
        ),
    ],
)
def test_every_check_can_fail(check: Check, mutation: Mutation, words: str) -> None:
    found = "\n".join(check(mutated(BASE, mutation)))
    assert re.search(words, found), found


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_request_from_outside_goes_to_knatives_ingress_with_the_services_name(folder: str) -> None:
    manifests = rendered(folder)
    (route,) = of_kind(manifests, "HTTPRoute").values()
    for rule in route["spec"]["rules"]:
        assert rule["backendRefs"] == [{"name": "kourier-internal", "namespace": "kourier-system", "port": 80}]
        host = rule["filters"][0]["urlRewrite"]["hostname"]
        assert host.removesuffix(".matchcast.svc.cluster.local") in of_kind(manifests, "Service")
    grant = of_kind(manifests, "ReferenceGrant")["matchcast"]
    assert grant["metadata"]["namespace"] == "kourier-system"
    assert grant["spec"]["to"][0]["name"] == "kourier-internal"


@pytest.mark.parametrize("folder", [BASE])
def test_the_host_of_a_rule_is_its_services(folder: str) -> None:
    for route in of_kind(rendered(folder), "HTTPRoute").values():
        for rule in route["spec"]["rules"]:
            service = rule["backendRefs"][0]["name"]
            assert rule["filters"][0]["urlRewrite"]["hostname"] == f"{service}.matchcast.svc.cluster.local"


@pytest.mark.parametrize("folder", OVERLAYS)
def test_the_rate_limit_is_what_the_overlay_says(folder: str) -> None:
    def limits(manifests: Sequence[Manifest]) -> list[object]:
        rules = of_kind(manifests, "BackendTrafficPolicy")["matchcast"]["spec"]["rateLimit"]["local"]["rules"]
        connections = of_kind(manifests, "ClientTrafficPolicy")["matchcast"]["spec"]["connection"]["connectionLimit"]
        return [*((r["limit"]["requests"], r["limit"]["unit"]) for r in rules), connections["value"]]

    text = (KNATIVE / folder / "parameters.yaml").read_text()
    said = {key: int(value) for key, value in re.findall(r'^  ([\w-]+): "(\d+)"$', text, re.MULTILINE)}
    assert limits(rendered(folder)) == [
        (said["requests-per-minute"], "Minute"), (said["burst-per-second"], "Second"), said["connections"],
    ]  # fmt: skip
    assert "parameters" not in of_kind(rendered(folder), "ConfigMap")


def test_production_ends_tls_and_a_local_cluster_has_one_rabbitmq() -> None:
    listener = of_kind(rendered("overlays/production"), "Gateway")["matchcast"]["spec"]["listeners"][0]
    assert (listener["protocol"], listener["port"], listener["hostname"]) == ("HTTPS", 443, "matchcast.example.com")
    clusters = [of_kind(rendered(folder), "RabbitmqCluster")["rabbitmq"]["spec"]["replicas"] for folder in OVERLAYS]
    assert clusters == [1, 3]


def test_a_folder_that_kustomize_refuses_is_named(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [absent.yaml]\n")
    with pytest.raises(MatchcastError, match=r"absent\.yaml"):
        run("kustomize", "build", str(tmp_path))
