"""Functions start with the environment that the manifests give them, and answer the routes that lead to them."""

import importlib
import re
import runpy
from typing import Any

import pytest

from knative.local.manifests import read_manifests
from knative.local.routing import Routes
from matchcast.events import PAYLOADS, PING
from matchcast.settings import ScrapeSettings, read_settings
from matchcast.web.app import DOCUMENTS, DRAIN, VERSIONS
from tests.unit.knative.checks import container, settings_of
from tests.unit.knative.rendered import BASE, KNATIVE, ON_S3, OVERLAYS, Manifest, mutated, of_kind, rendered, set_at

FUNCTIONS = sorted(of_kind(rendered(BASE), "Service"))
SECRETS = {
    "database-url": "postgresql://matchcast@postgres/matchcast",
    "cache-url": "redis://redis.data.svc.cluster.local/0",
    "hook-token": "0123456789abcdef",
    "queues-url": "http://user:made-up@rabbitmq:15672",
    "s3-access-key-id": "matchcast",
    "s3-secret-access-key": "made-up",
}


def environment(manifests: list[Manifest], name: str) -> dict[str, str]:
    """What a container of this Service gets on the cluster."""
    configuration = of_kind(manifests, "ConfigMap")["matchcast"]["data"]
    found = {}
    for entry in container(of_kind(manifests, "Service")[name])["env"]:
        source = entry.get("valueFrom", {})
        if "secretKeyRef" in source:
            found[entry["name"]] = SECRETS[source["secretKeyRef"]["key"]]
        elif "configMapKeyRef" in source:
            reference = source["configMapKeyRef"]
            if reference["key"] in configuration or not reference.get("optional"):
                found[entry["name"]] = configuration[reference["key"]]
        else:
            found[entry["name"]] = entry["value"]
    for binding in of_kind(manifests, "SinkBinding").values():
        if binding["spec"]["subject"]["name"] == name:
            found["K_SINK"] = (
                f"http://{binding['spec']['sink']['ref']['name']}-broker-ingress.matchcast.svc.cluster.local"
            )
    return found


def application(name: str) -> Any:
    """The function's application, as on the cluster."""
    manifests = rendered(OVERLAYS[0])
    function = of_kind(manifests, "Service")[name]["metadata"]["labels"]["matchcast.org/function"]
    module = importlib.import_module(f"functions.{function}.main")
    return module.app(environment(manifests, name))


def documented(name: str) -> set[tuple[str, str]]:
    """Method and path of every route but health and documents, which all have."""
    operations = application(name).operations
    return {
        (method, f"{version}{operation.path}")
        for operation in operations
        if operation.tag not in ("health", "documents")
        for method in ((operation.method, "HEAD") if operation.method == "GET" else (operation.method,))
        for version in ("", *(VERSIONS if operation.tag != "hooks" else ()))
    }


def sample(path: str) -> str:
    return re.sub(r"\{[\w:]+\}", "123", path)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("folder", OVERLAYS)
def test_a_functions_settings_take_what_the_cluster_gives(folder: str, name: str) -> None:
    manifests = rendered(folder)
    settings = read_settings(settings_of(of_kind(manifests, "Service")[name]), environment(manifests, name))
    assert settings.s3 == ("http://minio.minio.svc.cluster.local:9000", "matchcast", "made-up", "us-east-1")


def test_on_s3_every_function_and_retraining_take_the_region_that_the_overlay_says() -> None:
    manifests = mutated(ON_S3, set_at("ConfigMap", "matchcast", "data", "s3-region", to="eu-central-1"))
    for name, service in of_kind(manifests, "Service").items():
        access = read_settings(settings_of(service), environment(manifests, name)).s3
        assert access is not None
        assert access.region == "eu-central-1"
        unsaid = read_settings(settings_of(service), environment(rendered(ON_S3), name)).s3
        assert unsaid is not None
        assert unsaid.region == "us-east-1"
    job = of_kind(manifests, "JobSink")["retrain"]["spec"]["job"]["spec"]["template"]["spec"]["containers"][0]
    (region,) = [entry for entry in job["env"] if entry["name"] == "AWS_DEFAULT_REGION"]
    assert region["valueFrom"]["configMapKeyRef"] == {"name": "matchcast", "key": "s3-region", "optional": True}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_gives_what_it_has_begun_as_long_as_that_may_take(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    service = of_kind(rendered(OVERLAYS[0]), "Service")[name]
    given = environment(rendered(OVERLAYS[0]), name)
    drains: list[float] = []

    def served(_: str, *, drain: float = DRAIN) -> None:
        drains.append(drain)

    monkeypatch.setattr("matchcast.web.app.serve", served)
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    runpy.run_module(f"functions.{service['metadata']['labels']['matchcast.org/function']}", run_name="__main__")
    (drain,) = drains
    longest = read_settings(settings_of(service), given).longest_seconds
    assert drain >= longest
    assert longest == {"scrape": 270, "predict-async": 150, "drift": 150}.get(name, 30)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_the_source_that_odds_are_asked_of_is_configured(folder: str) -> None:
    manifests = rendered(folder)
    assert '"source": "football-data"' in of_kind(manifests, "PingSource")["odds"]["spec"]["data"]
    assert read_settings(ScrapeSettings, environment(manifests, "scrape")).football_data_url


def test_no_site_is_visited_before_the_operator_says_so() -> None:
    settings = read_settings(ScrapeSettings, environment(rendered(OVERLAYS[0]), "scrape"))
    assert (settings.whoscored_url, settings.contact) == (None, None)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_route_of_a_function_leads_there(name: str) -> None:
    routes = Routes(read_manifests(KNATIVE / BASE).routes)
    for method, path in documented(name):
        for variant in (sample(path).rstrip("/"), sample(path).rstrip("/") + "/"):
            assert routes.service_for(method, variant) == name, (method, variant)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_route_that_leads_to_a_function_is_answered_there(name: str) -> None:
    for route in Routes(read_manifests(KNATIVE / BASE).routes).all:
        if route.service == name and route.path not in DOCUMENTS:
            assert [
                path
                for method, path in documented(name)
                if method == route.method
                and (route.takes_path(sample(path)) or route.path.rstrip("/") == path.rstrip("/"))
            ], route


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_takes_events_where_triggers_send_them(name: str) -> None:
    triggers = of_kind(rendered(BASE), "Trigger").values()
    sent = {"/" for t in triggers if t["spec"]["subscriber"]["ref"] == {**t["spec"]["subscriber"]["ref"], "name": name}}
    if name == "deadletter":
        sent |= {t["spec"]["delivery"]["deadLetterSink"]["uri"] for t in triggers}
    taken = application(name).event_paths
    assert {path for path in sent if not any(re.fullmatch(sample_pattern(known), path) for known in taken)} == set()


def sample_pattern(path: str) -> str:
    return re.sub(r"\\\{\w+\\\}", r"[^/]+", re.escape(path))


def test_every_type_is_taken_or_known() -> None:
    """Filters are spelled as the payloads are."""
    wanted = {t["spec"]["filter"]["attributes"]["type"] for t in of_kind(rendered(BASE), "Trigger").values()}
    assert wanted <= {PING, *PAYLOADS}
