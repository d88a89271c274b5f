"""Alerts fire and are quiet when they should, name metrics that exist, and lead to a page that helps."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from commands.main import app
from tests.unit.monitoring.test_lasting import Shared

PROJECT = Path(__file__).parents[3]
PROMETHEUS = PROJECT / "monitoring" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yaml"))
ALERTS: list[dict[str, Any]] = [
    rule for file in RULES for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]
]
NAMES = [alert["alert"] for alert in ALERTS]


def promtool(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    program = shutil.which("promtool")
    if program is None:
        pytest.fail("promtool is missing: `make services` installs Prometheus", pytrace=False)
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def exported() -> set[str]:
    """Names of all samples of a function that has done everything once."""
    telemetry = Shared().telemetry()
    telemetry.requests.labels("GET", "/", 200).inc()
    telemetry.request_seconds.labels("GET", "/").observe(1)
    telemetry.confidence.labels("home").observe(1)
    telemetry.predictions.labels("sync").inc()
    lines = telemetry.exposition().decode().splitlines()
    return {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}


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
def test_every_metric_of_an_alert_is_one_that_functions_export(alert: dict[str, Any]) -> None:
    told = re.sub(r'"[^"]*"|by \([^)]*\)', "", alert["expr"])
    named = set(re.findall(r"\b(?:http|model|prediction|inference|matchcast)_\w+", told))
    assert named or alert["alert"] == "MatchcastNotScraped"
    assert named <= exported()


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_every_alert_has_a_severity_a_summary_and_a_page_that_names_it(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("warning", "critical")
    assert alert["annotations"]["summary"]
    page = PROJECT / alert["annotations"]["runbook_url"]
    assert page.parent == PROJECT / "docs" / "runbooks"
    assert alert["alert"] in page.read_text()


def test_names_of_alerts_are_unique() -> None:
    assert sorted(set(NAMES)) == sorted(NAMES)


@pytest.mark.parametrize("page", sorted({alert["annotations"]["runbook_url"] for alert in ALERTS}))
def test_a_page_says_what_it_means_how_to_look_and_how_to_mend(page: str) -> None:
    headings = re.findall(r"^## (.+)$", (PROJECT / page).read_text(), re.M)
    assert headings == ["What it means", "How to look", "How to mend"]


@pytest.mark.parametrize("page", sorted({alert["annotations"]["runbook_url"] for alert in ALERTS}))
def test_commands_of_a_page_exist(page: str) -> None:
    """Every `matchcast …` that a page tells is one of the command line."""
    told = re.findall(r"(?<!-n )matchcast ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", (PROJECT / page).read_text())
    for command in told:
        done = CliRunner().invoke(app, [*command.split(), "--help"])
        assert done.exit_code == 0, command
