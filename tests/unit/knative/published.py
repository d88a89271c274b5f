"""What the projects publish about their resources, as JSON Schemas in which unknown fields are errors.

Knative's come from its published models, RabbitMQ's and the gateways' from their CRDs as knative/install-tools.sh gets
them. A pod inside a Job is held against the CRD of RabbitmqCluster, which carries the whole schema of one. Rules in CEL
(x-kubernetes-validations) are for the API server.
"""

import os
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft202012Validator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # two of its fields are named as methods of their base
    from cloudcoil.models.knative_eventing.eventing import v1 as eventing_v1
    from cloudcoil.models.knative_eventing.eventing import v1beta3 as eventing_v1beta3
    from cloudcoil.models.knative_eventing.sinks import v1alpha1 as sinks_v1alpha1
    from cloudcoil.models.knative_eventing.sources import v1 as sources_v1
    from cloudcoil.models.knative_serving.serving import v1 as serving_v1

Schema = dict[str, Any]

CRDS: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "matchcast" / "crds"
_MODELS: Final = {
    ("serving.knative.dev/v1", "Service"): serving_v1.Service,
    ("eventing.knative.dev/v1", "Broker"): eventing_v1.Broker,
    ("eventing.knative.dev/v1", "Trigger"): eventing_v1.Trigger,
    ("eventing.knative.dev/v1beta3", "EventType"): eventing_v1beta3.EventType,
    ("sources.knative.dev/v1", "PingSource"): sources_v1.PingSource,
    ("sources.knative.dev/v1", "SinkBinding"): sources_v1.SinkBinding,
    ("sinks.knative.dev/v1alpha1", "JobSink"): sinks_v1alpha1.JobSink,
}
_TEXT: Final[Schema] = {"type": "string", "minLength": 1}
_LABELS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}


def _object(required: str = "", /, **properties: Schema) -> Schema:
    return {
        "type": "object", "properties": properties, "required": required.split(), "additionalProperties": False,
    }  # fmt: skip


def _list(items: Schema, least: int = 1) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


_SELECTOR: Final = _object(
    matchLabels=_LABELS,
    matchExpressions=_list(
        _object("key operator", key=_TEXT, operator={"enum": ["In", "NotIn", "Exists", "DoesNotExist"]}, values=_list(_TEXT))
    ),
)  # fmt: skip
_PORTS: Final = _list(
    _object("port", protocol={"enum": ["TCP", "UDP", "SCTP"]}, port={"type": "integer", "minimum": 1, "maximum": 65535})
)
_PEERS: Final = _list(
    _object(
        podSelector=_SELECTOR,
        namespaceSelector=_SELECTOR,
        ipBlock=_object("cidr", cidr=_TEXT, **{"except": _list(_TEXT)}),
    )
)
_WRITTEN_DOWN: Final[Mapping[tuple[str, str], Schema]] = {
    # no package that Python 3.11 can use carries these, so they are written down from Kubernetes' and Knative's reference
    ("v1", "Namespace"): _object(),
    ("v1", "ConfigMap"): _object(data=_LABELS),
    ("networking.k8s.io/v1", "NetworkPolicy"): _object(
        "spec",
        spec=_object(
            "podSelector policyTypes",
            podSelector=_SELECTOR,
            policyTypes=_list({"enum": ["Ingress", "Egress"]}),
            ingress=_list(_object(**{"from": _PEERS}, ports=_PORTS)),
            egress=_list(_object(to=_PEERS, ports=_PORTS)),
        ),
    ),
    ("eventing.knative.dev/v1alpha1", "RabbitmqBrokerConfig"): _object(
        "spec",
        spec=_object(
            "rabbitmqClusterReference queueType",
            rabbitmqClusterReference=_object(
                "name namespace", name=_TEXT, namespace=_TEXT, connectionSecret=_object("name", name=_TEXT)
            ),
            queueType={"enum": ["quorum", "classic"]},
            vhost=_TEXT,
        ),
    ),
}  # fmt: skip
_METADATA: Final = _object("name", name=_TEXT, namespace=_TEXT, labels=_LABELS, annotations=_LABELS)


def faults(manifest: Mapping[str, Any]) -> list[str]:
    """What is not as published: path and reason."""
    kind = (str(manifest.get("apiVersion")), str(manifest.get("kind")))
    found = _against(_schema(*kind), manifest)
    found += _against(_METADATA, manifest["metadata"], "metadata")
    if kind[1] == "JobSink":
        found += _against(_job(), manifest["spec"]["job"], "spec.job")
    return found


def _against(schema: Schema, value: Any, under: str = "") -> list[str]:
    return [fault for error in Draft202012Validator(schema).iter_errors(value) for fault in _leaves(error, under)]


def _leaves(error: Any, under: str) -> Iterator[str]:
    """An `anyOf` with null says only that nothing fitted; what did not fit lies inside."""
    inside = [
        context for context in error.context or [] if context.message != f"{context.instance!r} is not of type 'null'"
    ]
    if inside:
        for context in inside:
            yield from _leaves(context, under)
    else:
        path = ".".join(str(part) for part in error.absolute_path)
        yield f"{'.'.join(filter(None, (under, path)))}: {error.message}"


@cache
def _schema(version: str, kind: str) -> Schema:
    model = _MODELS.get((version, kind))
    if model is not None:
        schema: Schema = _closed(model.model_json_schema(by_alias=True))
        if kind == "Trigger":
            # the CRD lets unknown fields of a delivery through for the sake of this one, and the model leaves it out
            schema["$defs"]["DeliveryModel"]["properties"]["timeout"] = _TEXT
        return schema
    written = _WRITTEN_DOWN.get((version, kind))
    if written is not None:
        common = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": {}}
        return {**written, "properties": {**common, **written["properties"]}}
    return _crd(version, kind)


def _crd(version: str, kind: str) -> Schema:
    try:
        return _crds()[version, kind]
    except KeyError:
        pytest.fail(f"no published schema of {version} {kind} is known; `make services` gets CRDs into {CRDS}")


@cache
def _crds() -> Mapping[tuple[str, str], Schema]:
    found = {}
    for path in CRDS.glob("*.yaml"):
        definition = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["spec"]
        for served in definition["versions"]:
            key = (f"{definition['group']}/{served['name']}", definition["names"]["kind"])
            found[key] = _closed(served["schema"]["openAPIV3Schema"])
    return found


@cache
def _job() -> Schema:
    cluster = _crd("rabbitmq.com/v1beta1", "RabbitmqCluster")
    spec = cluster["properties"]["spec"]["properties"]
    template = spec["override"]["properties"]["statefulSet"]["properties"]["spec"]["properties"]["template"]
    whole = {"type": "integer", "minimum": 0}
    return _object(
        "spec",
        spec=_object(
            "template backoffLimit activeDeadlineSeconds ttlSecondsAfterFinished",
            template=template, backoffLimit=whole, activeDeadlineSeconds=whole, ttlSecondsAfterFinished=whole,
        ),
    )  # fmt: skip


def _closed(schema: Any) -> Any:
    """The same, and what it does not name is an error."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(part) for key, part in schema.items()}
    free = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and "type" in schema and not free:
        closed["additionalProperties"] = False
    return closed
