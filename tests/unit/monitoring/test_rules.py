"""Alerts fire and are quiet when they should, name metrics that exist, and lead to a page that helps."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from commands.main import app
from knative.local.manifests import read_manifests
from knative.local.routing import Routes
from matchcast.ports.events import TaskState
from tests.unit.monitoring.test_lasting import Shared

PROJECT = Path(__file__).parents[3]
PROMETHEUS = PROJECT / "monitoring" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yaml"))
ALERTS: list[dict[str, Any]] = [
    rule for file in RULES for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]
]
NAMES = [alert["alert"] for alert in ALERTS]
PAGES = PROJECT / "docs" / "runbooks"
EVERY_PAGE = pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)

SURFACE = json.loads((PROJECT / "shared" / "matchcast" / "web" / "openapi.json").read_text())
ANSWERS = [
    (path, method.upper(), int(status))
    for path, operations in SURFACE["paths"].items()
    for method, operation in operations.items()
    for status in operation["responses"]
]
"""Path, method and status of every answer of a function."""

QUOTED = re.compile(r'"[^"]*"')
SELECTOR = re.compile(r'\b([a-z]\w*)\{((?:[^"{}]|"[^"]*")*)\}')
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
ADDED = {"function"}
"""By the front, and by the configuration for a cluster."""


def promtool(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    program = shutil.which("promtool")
    if program is None:
        pytest.fail("promtool is missing: `make services` installs Prometheus", pytrace=False)
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@cache
def exported() -> Mapping[str, Sequence[Mapping[str, str]]]:
    """Labels of all samples, by name, of functions that have given every answer and done everything once."""
    telemetry = Shared(tasks={("scrape", state.value): 1 for state in TaskState}).telemetry()
    for path, method, status in ANSWERS:
        telemetry.requests.labels(method, path, status).inc()
        telemetry.request_seconds.labels(method, path).observe(1)
    telemetry.confidence.labels("home").observe(1)
    telemetry.predictions.labels("sync").inc()
    found: dict[str, list[Mapping[str, str]]] = {
        "up": [{"job": scrape()["job_name"]} for scrape in (local, in_cluster)]
    }
    for family in text_string_to_metric_families(telemetry.exposition().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def configuration(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((PROMETHEUS / name).read_text())
    return found


def local() -> dict[str, Any]:
    (found,) = configuration("prometheus.yml")["scrape_configs"]
    assert isinstance(found, dict)
    return found


def in_cluster() -> dict[str, Any]:
    (found,) = configuration("kubernetes.yml")["scrape_configs"]
    assert isinstance(found, dict)
    return found


def page_of(alert: Mapping[str, Any]) -> Path:
    before, _, page = alert["annotations"]["runbook_url"].partition("/")
    assert before == "{{ $externalLabels.docs }}"
    return PROJECT / "docs" / str(page)


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.stem)
def test_alerts_fire_and_are_quiet_when_they_should(file: Path) -> None:
    done = promtool("test", "rules", PROMETHEUS / "tests" / file.name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_configuration() -> None:
    done = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_is_seen_firing_and_quiet(name: str) -> None:
    tested = [
        bool(check.get("exp_alerts"))
        for file in (PROMETHEUS / "tests").glob("*.yaml")
        for test in yaml.safe_load(file.read_text())["tests"]
        for check in test["alert_rule_test"]
        if check["alertname"] == name
    ]
    assert set(tested) == {True, False}


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_every_series_of_an_alert_is_one_that_functions_export(alert: dict[str, Any]) -> None:
    """By its name, the names of its labels, and the values that it asks for."""
    expression = alert["expr"]
    named = set(re.findall(r"\b(?:up|(?:http|model|prediction|inference|matchcast)_\w+)\b", QUOTED.sub("", expression)))
    assert named
    assert named <= exported().keys()
    for name, inside in SELECTOR.findall(expression):
        for label, operator, value in MATCHER.findall(inside):
            told = {labels.get(label, "") for labels in exported()[name]}
            wanted = re.compile(value if "~" in operator else re.escape(value))
            assert any(wanted.fullmatch(one) for one in told), f"no {name} has {label}{operator}{value}"
    grouped = {label for inside in re.findall(r"\bby \(([^)]*)\)", expression) for label in inside.split(", ")}
    labels = {label for name in named for sample in exported()[name] for label in sample} | ADDED
    assert grouped <= labels, grouped - labels


def test_probes_and_nothing_else_are_left_out_of_failing_requests() -> None:
    (alert,) = (alert for alert in ALERTS if alert["alert"] == "MatchcastApiErrors")
    left_out = {
        value for _, inside in SELECTOR.findall(alert["expr"]) for _, o, value in MATCHER.findall(inside) if o == "!~"
    }
    (pattern,) = left_out
    assert {path for path, _, _ in ANSWERS if re.fullmatch(pattern, path)} == {
        "/readyz",
        "/livez",
        "/healthcheck/",
        "/metrics",
    }


def test_in_a_cluster_every_function_is_a_target_with_its_name(tmp_path: Path) -> None:
    """Prometheus relabels pods as Kubernetes tells of them: each container with its ports."""
    config = configuration("kubernetes.yml")
    (scrape,) = config["scrape_configs"]
    (discovery,) = scrape.pop("kubernetes_sd_configs")
    assert discovery == {
        "role": "pod",
        "namespaces": {"names": ["matchcast"]},
        "selectors": [{"role": "pod", "label": "serving.knative.dev/service"}],
    }
    services = [service.metadata.name for service in read_manifests().services]
    pods = [
        told_pod(service, container, port, phase)
        for service in services
        for container, port, phase in (
            ("user-container", 8080, "Running"), ("queue-proxy", 8012, "Running"), ("queue-proxy", 9090, "Running"),
            ("user-container", 8080, "Succeeded"),
        )
    ]  # fmt: skip
    (tmp_path / "pods.json").write_text(json.dumps(pods))
    scrape["file_sd_configs"] = [{"files": ["pods.json"]}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({**config, "rule_files": []}))
    done = promtool("check", "service-discovery", "--timeout=2s", tmp_path / "prometheus.yml", scrape["job_name"])
    assert done.returncode == 0, done.stderr
    targets = [found["labels"] for found in json.loads(done.stdout) if found["labels"]]
    assert sorted(target["function"] for target in targets) == sorted(services)
    for target in targets:
        assert target["__address__"] == "10.0.0.7:8080"
        assert (target["__metrics_path__"], target["job"]) == ("/metrics", local()["job_name"])
        assert target["instance"] == f"{target['function']}-00001-deployment-x"


def told_pod(service: str, container: str, port: int, phase: str) -> dict[str, Any]:
    told = {
        "container_name": container,
        "container_port_number": str(port),
        "label_serving_knative_dev_service": service,
        "name": f"{service}-00001-deployment-x",
        "phase": phase,
    }
    labels = {f"__meta_kubernetes_pod_{name}": value for name, value in told.items()}
    return {"targets": [f"10.0.0.7:{port}"], "labels": labels}


def test_both_configurations_say_where_pages_are_and_evaluate_the_same_rules() -> None:
    one_machine, cluster = configuration("prometheus.yml"), configuration("kubernetes.yml")
    assert one_machine["rule_files"] == cluster["rule_files"] == ["rules/*.yaml"]
    for config in (one_machine, cluster):
        assert urlsplit(config["global"]["external_labels"]["docs"]).scheme == "https"


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_every_alert_has_a_severity_a_summary_and_a_page_that_names_it(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("warning", "critical")
    assert alert["annotations"]["summary"]
    page = page_of(alert)
    assert page.parent == PAGES
    assert alert["alert"] in page.read_text()


def test_names_of_alerts_are_unique() -> None:
    assert sorted(set(NAMES)) == sorted(NAMES)


@pytest.mark.parametrize("page", sorted({page_of(alert) for alert in ALERTS}), ids=lambda page: page.stem)
def test_a_page_says_what_it_means_how_to_look_and_how_to_mend(page: Path) -> None:
    headings = re.findall(r"^## (.+)$", page.read_text(), re.M)
    assert headings == ["What it means", "How to look", "How to mend"]


@EVERY_PAGE
def test_commands_of_a_page_exist(page: Path) -> None:
    """Every `matchcast …` that a page tells is one of the command line."""
    told = re.findall(r"(?<!-n )(?<!namespace )\bmatchcast ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", page.read_text())
    for command in told:
        done = CliRunner().invoke(app, [*command.split(), "--help"])
        assert done.exit_code == 0, command


@EVERY_PAGE
def test_addresses_of_a_page_answer(page: Path) -> None:
    """$URL is the way in, with the routes of the manifests; $POD is one function, reached through a port-forward."""
    text, routes = page.read_text(), Routes(read_manifests().routes)
    for line in text.splitlines():
        method = (re.findall(r"-X (\w+)", line) or ["GET"])[0]
        for path in re.findall(r"\$URL(/[^\s\"'`]*)", line):
            assert routes.service_for(method, path), f"{method} {path} is not routed"
    asked = re.findall(r"\$POD(/[^\s\"'`]*)", text)
    assert set(asked) <= {path for path, _, _ in ANSWERS}
    assert not asked or re.search(r"port-forward .*\nPOD=localhost", text)


@EVERY_PAGE
def test_pods_and_services_that_a_page_names_exist(page: Path) -> None:
    """Pods have labels of Knative's, with the name of their Service; those of the Service are not theirs."""
    services = {service.metadata.name for service in read_manifests().services} | {"FUNCTION"}
    text = page.read_text()
    for label, value in re.findall(r" -l ([^\s=]+)=([\w-]*)", text):
        assert label == "serving.knative.dev/service"
        assert value in services
    assert set(re.findall(r"(?:kn service update|describe ksvc) ([\w-]+)", text)) <= services | {"NAME"}
