"""Reading the manifests: everything that a kustomization lists, each reference checked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from knative.local.objects import (
    Broker,
    BrokerConfig,
    Delivery,
    Destination,
    HttpRoute,
    JobSink,
    Manifest,
    PingSource,
    Service,
    SinkBinding,
    Trigger,
)
from knative.local.published import as_published
from matchcast.errors import BadInput

M = TypeVar("M", bound=Manifest)
BASE: Final = Path(__file__).parents[1] / "base"

_KINDS: Final[Mapping[tuple[str, str], tuple[str, type[Manifest]]]] = {
    ("serving.knative.dev", "Service"): ("services", Service),
    ("gateway.networking.k8s.io", "HTTPRoute"): ("routes", HttpRoute),
    ("eventing.knative.dev", "Broker"): ("brokers", Broker),
    ("eventing.knative.dev", "RabbitmqBrokerConfig"): ("broker_configs", BrokerConfig),
    ("eventing.knative.dev", "Trigger"): ("triggers", Trigger),
    ("sources.knative.dev", "PingSource"): ("ping_sources", PingSource),
    ("sources.knative.dev", "SinkBinding"): ("sink_bindings", SinkBinding),
    ("sinks.knative.dev", "JobSink"): ("job_sinks", JobSink),
}


class Kustomization(Manifest):
    """Which files there are; a folder among them is another kustomization."""

    namespace: str = "default"
    resources: Sequence[str]


class Manifests(BaseModel):
    """All that the local runtime runs."""

    model_config = ConfigDict(frozen=True)

    namespace: str = "default"
    services: Sequence[Service] = ()
    routes: Sequence[HttpRoute] = ()
    brokers: Sequence[Broker] = ()
    broker_configs: Sequence[BrokerConfig] = ()
    triggers: Sequence[Trigger] = ()
    ping_sources: Sequence[PingSource] = ()
    sink_bindings: Sequence[SinkBinding] = ()
    job_sinks: Sequence[JobSink] = Field(default=())

    def delivery_of(self, trigger: Trigger) -> Delivery | None:
        """A Trigger's own delivery replaces the Broker's as a whole."""
        broker = next(b for b in self.brokers if b.metadata.name == trigger.spec.broker)
        return trigger.spec.delivery or broker.spec.delivery

    def queue_type_of(self, broker: Broker) -> str:
        """`quorum` or `classic`."""
        config = broker.spec.config
        named = {c.metadata.name: c.spec.queue_type for c in self.broker_configs}
        return "quorum" if config is None else named.get(config.name, "quorum")


def read_manifests(folder: Path = BASE) -> Manifests:
    """The objects of a kustomization; those of other kinds are for the cluster.

    Raises:
        BadInput: a file is missing or not as expected, or something refers to what is not there; names file and field.
    """
    (kustomization,) = _documents(folder / "kustomization.yaml")
    listed = _as(Kustomization, kustomization, "kustomization.yaml")
    found: dict[str, list[Manifest]] = {group: [] for group, _ in _KINDS.values()}
    _read_into(found, folder, listed)
    manifests = Manifests.model_validate({"namespace": listed.namespace, **found})
    _check_references(manifests)
    return manifests


def _read_into(found: dict[str, list[Manifest]], folder: Path, listed: Kustomization) -> None:
    for name in listed.resources:
        if (folder / name).is_dir():
            (inner,) = _documents(folder / name / "kustomization.yaml")
            _read_into(found, folder / name, _as(Kustomization, inner, f"{name}/kustomization.yaml"))
            continue
        for document in _documents(folder / name):
            kind = (str(document.get("apiVersion", "")).partition("/")[0], str(document.get("kind")))
            if kind in _KINDS:
                group, model = _KINDS[kind]
                found[group].append(_as(model, document, name))


def _documents(path: Path) -> list[Mapping[str, Any]]:
    try:
        found = list(yaml.safe_load_all(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise BadInput(f"{path.name}: cannot be read ({error}); correct the manifest", path.name) from error
    if not all(isinstance(document, dict) for document in found):
        raise BadInput(f"{path.name}: holds something else than Kubernetes objects; correct the manifest", path.name)
    return found


def _as(kind: type[M], document: Mapping[str, Any], name: str) -> M:
    try:
        as_published(document)
        return kind.model_validate(document)
    except ValidationError as error:
        fault = error.errors()[0]
        metadata = document.get("metadata")
        called = metadata.get("name") if isinstance(metadata, dict) else None
        what = f"{document.get('kind', 'object')} {called}" if called else str(document.get("kind", "object"))
        field = ".".join(str(part) for part in fault["loc"]) or "object"
        reason = fault["msg"].removeprefix("Value error, ")
        raise BadInput(f"{name}: {what}: {field}: {reason}; correct the manifest", field) from error


def _check_references(manifests: Manifests) -> None:
    names = {
        "Service": {service.metadata.name for service in manifests.services},
        "Broker": {broker.metadata.name for broker in manifests.brokers},
        "JobSink": {sink.metadata.name for sink in manifests.job_sinks},
    }

    def check(owner: str, kind: str, name: str, field: str) -> None:
        if name not in names.get(kind, ()):
            raise BadInput(f"{owner}: there is no {kind} {name}; name one that the manifests have", field)

    def check_sink(owner: str, destination: Destination | None, field: str) -> None:
        if destination is not None and destination.ref is not None:
            check(owner, destination.ref.kind, destination.ref.name, f"{field}.ref")

    def check_delivery(owner: str, delivery: Delivery | None) -> None:
        if delivery is not None:
            check_sink(owner, delivery.dead_letter_sink, "spec.delivery.deadLetterSink")

    for route in manifests.routes:
        for backend in (backend.name for rule in route.spec.rules for backend in rule.backend_refs):
            check(f"HTTPRoute {route.metadata.name}", "Service", backend, "backendRefs")
    for broker in manifests.brokers:
        check_delivery(f"Broker {broker.metadata.name}", broker.spec.delivery)
    for trigger in manifests.triggers:
        owner = f"Trigger {trigger.metadata.name}"
        check(owner, "Broker", trigger.spec.broker, "spec.broker")
        check_sink(owner, trigger.spec.subscriber, "spec.subscriber")
        check_delivery(owner, trigger.spec.delivery)
    for source in manifests.ping_sources:
        check_sink(f"PingSource {source.metadata.name}", source.spec.sink, "spec.sink")
    for binding in manifests.sink_bindings:
        owner = f"SinkBinding {binding.metadata.name}"
        check(owner, "Service", binding.spec.subject.name, "spec.subject")
        check_sink(owner, binding.spec.sink, "spec.sink")
