"""Whether the manifests fit one another, the functions and the events; each check tells its faults."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import fields

from matchcast import settings
from matchcast.events import PAYLOADS, PING
from matchcast.settings import PREFIX, Settings
from matchcast.web.app import DRAIN
from tests.unit.knative.rendered import KNATIVE, Manifest, of_kind

NAMESPACE: Final = "matchcast"
TERMINAL: Final = "matchcast.org/terminal"
OUTSIDE: Final = frozenset({"airflow"})
"""Who sends events of ours and is no Service."""
PARALLELISM: Final = "rabbitmq.eventing.knative.dev/parallelism"
PREFETCH: Final = 100
STOCK_ACKNOWLEDGEMENT_SECONDS: Final = 30 * 60
QUEUE_PROXY_SECONDS: Final = 30
"""It waits so long for further requests before the function is told to end."""
_DURATION: Final = re.compile(r"PT(?:(\d+)M)?(?:(\d+)S)?")
_PLACEHOLDER: Final = re.compile(r"\{\w+\}")


def event_types(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Every type that is emitted is declared, with its schema; it has a Trigger or is terminal, never both."""
    declared = set()
    services = of_kind(manifests, "Service")
    for name, manifest in of_kind(manifests, "EventType").items():
        value = _attributes(manifest)
        broker, type_ = manifest["spec"]["reference"]["name"], value["type"]
        declared.add(type_)
        if name != f"{broker}.{type_.removeprefix('org.matchcast.')}":
            yield f"{name}: is not named by its broker and type"
        taken = any(b == broker and f.get("type") == type_ for b, f in _filters(manifests).values())
        terminal = manifest["metadata"].get("annotations", {}).get(TERMINAL) == "true"
        if taken == terminal:
            yield f"{name}: {'is terminal and has a Trigger' if taken else 'has no Trigger and is not terminal'}"
        service = value["source"].removeprefix("/matchcast/")
        if service not in {*services, *OUTSIDE} and not _PLACEHOLDER.fullmatch(service):
            yield f"{name}: source {value['source']} is no Service"
        schema = KNATIVE / "events" / "schemas" / value["dataschema"].rpartition("/")[2]
        if not schema.is_file() or json.loads(schema.read_text())["$id"] != value["dataschema"]:
            yield f"{name}: {value['dataschema']} is not published"
    yield from (f"{type_}: no EventType declares it" for type_ in sorted(set(PAYLOADS) - declared))
    yield from (f"{type_}: no payload has it" for type_ in sorted(declared - set(PAYLOADS)))


def filters(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Every Trigger takes a type that its broker carries, or the events of one PingSource that sends there."""
    carried = {
        (m["spec"]["reference"]["name"], _attributes(m)["type"]) for m in of_kind(manifests, "EventType").values()
    }
    pings = {
        (m["spec"]["sink"]["ref"]["name"], f"/apis/v1/namespaces/{NAMESPACE}/pingsources/{name}")
        for name, m in of_kind(manifests, "PingSource").items()
    }
    taken = set()
    for name, (broker, wanted) in _filters(manifests).items():
        if wanted.get("type") == PING:
            taken.add((broker, wanted.get("source")))
            if set(wanted) != {"type", "source"} or (broker, wanted["source"]) not in pings:
                yield f"{name}: no PingSource sends {wanted} to {broker}"
        elif set(wanted) != {"type"} or (broker, wanted["type"]) not in carried:
            yield f"{name}: nothing on {broker} is {wanted}"
    yield from (f"PingSource {source}: no Trigger takes its events from {b}" for b, source in sorted(pings - taken))


def deliveries(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Every Trigger says its whole delivery, and all its tries fit into what RabbitMQ waits for."""
    (cluster,) = of_kind(manifests, "RabbitmqCluster").values()
    config = dict(
        line.split(" = ")
        for line in cluster["spec"]["rabbitmq"]["additionalConfig"].splitlines()
        if line and not line.startswith("#")
    )
    patience = int(config["consumer_timeout"]) / 1000
    for name, trigger in of_kind(manifests, "Trigger").items():
        delivery = trigger["spec"].get("delivery", {})
        if set(delivery) != {"retry", "backoffPolicy", "backoffDelay", "timeout", "deadLetterSink"}:
            yield f"{name}: its delivery is not whole"
            continue
        if (delivery["retry"], delivery["backoffPolicy"], delivery["backoffDelay"]) != (5, "exponential", "PT1S"):
            yield f"{name}: is not tried six times with 1, 2, 4 … seconds between"
        sink = delivery["deadLetterSink"]
        if sink["ref"]["name"] not in of_kind(manifests, "Service"):
            yield f"{name}: there is no Service {sink['ref']['name']} for its dead letters"
        if sink.get("uri") != f"/from/{trigger['spec']['broker']}/{name}":
            yield f"{name}: its dead letters do not say which broker and Trigger they come from"
        timeout = seconds(delivery["timeout"])
        waits = sum(seconds(delivery["backoffDelay"]) * 2**n for n in range(1, delivery["retry"] + 1))
        if timeout * (delivery["retry"] + 1) + waits > STOCK_ACKNOWLEDGEMENT_SECONDS:
            yield f"{name}: six tries of {timeout:g} s and {waits:g} s between them are too long for RabbitMQ"
        parallelism = int(trigger["metadata"].get("annotations", {}).get(PARALLELISM, 0))
        if not 1 <= parallelism <= 1000:
            yield f"{name}: its parallelism is not from 1 to 1000"
        elif math.ceil(PREFETCH / parallelism) * timeout > patience:
            yield f"{name}: the last of {PREFETCH} events could wait longer than RabbitMQ's {patience:g} s"


def references(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Every Service, Broker, JobSink, configuration and Secret that is named exists."""
    kinds = {kind: of_kind(manifests, kind) for kind in ("Service", "Broker", "JobSink", "RabbitmqBrokerConfig")}
    clusters = of_kind(manifests, "RabbitmqCluster")
    for manifest in manifests:
        kind, name, spec = manifest["kind"], manifest["metadata"]["name"], manifest.get("spec", {})
        ends = {
            "Trigger": lambda s: [s["subscriber"]["ref"], {"kind": "Broker", "name": s["broker"]}],
            "PingSource": lambda s: [s["sink"]["ref"]],
            "SinkBinding": lambda s: [s["sink"]["ref"], s["subject"]],
            "EventType": lambda s: [s["reference"]],
            "Broker": lambda s: [s["config"]],
        }.get(kind, lambda _: [])(spec)
        for end in ends:
            if end["name"] not in kinds[end["kind"]]:
                yield f"{kind} {name}: there is no {end['kind']} {end['name']}"
        if kind == "RabbitmqBrokerConfig" and spec["rabbitmqClusterReference"]["name"] not in clusters:
            yield f"{kind} {name}: there is no RabbitmqCluster {spec['rabbitmqClusterReference']['name']}"


def environments(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Every MATCHCAST_ variable is a setting of its function, what a function must have it gets, and K_SINK who reads it."""
    bound = {m["spec"]["subject"]["name"] for m in of_kind(manifests, "SinkBinding").values()}
    for name, service in of_kind(manifests, "Service").items():
        known = variables(settings_of(service))
        given = {entry["name"] for entry in container(service)["env"]} | ({"K_SINK"} if name in bound else set())
        yield from (f"{name}: {v} is no setting of it" for v in sorted(given - set(known)))
        needed = {variable for variable, required in known.items() if required}
        yield from (f"{name}: lacks {v}" for v in sorted(needed - given))
    job = of_kind(manifests, "JobSink")["retrain"]["spec"]["job"]["spec"]
    for entry in job["template"]["spec"]["containers"][0]["env"]:
        if entry["name"].startswith(PREFIX) and entry["name"] not in variables(Settings):
            yield f"retrain: {entry['name']} is no setting"


def keys(manifests: Sequence[Manifest], secrets: Mapping[str, set[str]]) -> Iterator[str]:
    """Every key of a ConfigMap or Secret that is read is there, unless it is optional, and every key that is there is read.

    Args:
        secrets: keys by Secret, as the runbook has them made.
    """
    have = {("configMapKeyRef", n): set(m["data"]) for n, m in of_kind(manifests, "ConfigMap").items()}
    have |= {("secretKeyRef", n): set(k) for n, k in secrets.items()}
    read: dict[tuple[str, str], set[str]] = {}
    needed: dict[tuple[str, str], set[str]] = {}
    for entry in _environment(manifests):
        for kind, reference in entry.get("valueFrom", {}).items():
            source = kind, reference["name"]
            read.setdefault(source, set()).add(reference["key"])
            if not reference.get("optional"):
                needed.setdefault(source, set()).add(reference["key"])
    for source in sorted(have.keys() | read.keys()):
        yield from (f"{source}: lacks {key}" for key in sorted(needed.get(source, set()) - have.get(source, set())))
        yield from (
            f"{source}: nobody reads {key}" for key in sorted(have.get(source, set()) - read.get(source, set()))
        )


def timeouts(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A request is given up before Knative gives up its answer, a handler before its Trigger, and that before Knative.

    What is in flight when a pod goes has its time. A Trigger waits for its dead-letter sink no longer than for its
    subscriber.
    """
    services = of_kind(manifests, "Service")
    for name, service in services.items():
        spec = service["spec"]["template"]["spec"]
        known = untold(settings_of(service))
        if QUEUE_PROXY_SECONDS + max(DRAIN, known.drain_seconds) > spec["timeoutSeconds"]:
            yield f"{name}: {spec['timeoutSeconds']} s cut its draining"
        if not spec["responseStartTimeoutSeconds"] <= spec["timeoutSeconds"] <= 600:
            yield f"{name}: an answer may begin later than it must end"
        if known.request_seconds >= spec["responseStartTimeoutSeconds"]:
            yield f"{name}: Knative gives its answers up before it does so itself"
    for name, trigger in of_kind(manifests, "Trigger").items():
        timeout = seconds(trigger["spec"]["delivery"]["timeout"])
        sink = services[trigger["spec"]["delivery"]["deadLetterSink"]["ref"]["name"]]
        bound = untold(settings_of(sink)).handler_seconds
        if bound >= timeout:
            yield f"{name}: waits {timeout:g} s, and its dead-letter sink may take {bound:g}"
        service = services.get(trigger["spec"]["subscriber"]["ref"]["name"], {})
        if not service:
            continue
        if timeout > service["spec"]["template"]["spec"]["responseStartTimeoutSeconds"]:
            yield f"{name}: waits {timeout:g} s, longer than Knative lets its subscriber take"
        known = untold(settings_of(service))
        renewal = hasattr(known, "renewal_seconds") and not name.startswith("prediction")
        bound = known.renewal_seconds if renewal else known.handler_seconds
        if bound >= timeout:
            yield f"{name}: waits {timeout:g} s, and its handler may take {bound:g}"


def capacities(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Triggers leave room for requests in what they send to."""
    sent: dict[str, int] = {}
    for trigger in of_kind(manifests, "Trigger").values():
        if trigger["spec"]["subscriber"]["ref"]["kind"] == "Service":
            name = trigger["spec"]["subscriber"]["ref"]["name"]
            sent[name] = sent.get(name, 0) + int(trigger["metadata"]["annotations"][PARALLELISM])
    for name, open_at_once in sent.items():
        template = of_kind(manifests, "Service")[name]["spec"]["template"]
        pods = int(template["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"])
        if open_at_once >= pods * template["spec"]["containerConcurrency"]:
            yield f"{name}: its Triggers alone send {open_at_once} at once"


def hardening(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Containers run as nobody, on a file system they cannot write, with nothing they do not need; no Service is public."""
    pods = {name: m["spec"]["template"]["spec"] for name, m in of_kind(manifests, "Service").items()}
    pods["retrain"] = of_kind(manifests, "JobSink")["retrain"]["spec"]["job"]["spec"]["template"]["spec"]
    wanted = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for name, pod in pods.items():
        if (
            pod["containers"][0].get("securityContext") != wanted
            or pod.get("automountServiceAccountToken") is not False
        ):
            yield f"{name}: is not hardened"
        if {"requests", "limits"} != set(pod["containers"][0].get("resources", {})):
            yield f"{name}: says not what it needs"
    for name, service in of_kind(manifests, "Service").items():
        if service["metadata"]["labels"].get("networking.knative.dev/visibility") != "cluster-local":
            yield f"{name}: is public"
        probes = [container(service)[p]["httpGet"]["path"] for p in ("readinessProbe", "livenessProbe")]
        if probes != ["/readyz", "/livez"]:
            yield f"{name}: is asked at {probes}"


def policies(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Everything is denied but what is allowed; who publishes to a broker is let out and in, nobody else is."""
    found = of_kind(manifests, "NetworkPolicy")
    if found.get("default-deny", {}).get("spec") != {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}:
        yield "nothing is denied by default"
    for broker in of_kind(manifests, "Broker"):
        publishers = {
            m["spec"]["subject"]["name"]
            for m in of_kind(manifests, "SinkBinding").values()
            if m["spec"]["sink"]["ref"]["name"] == broker
        } | {
            name
            for name, service in of_kind(manifests, "Service").items()
            if any(f"//{broker}-broker-ingress." in str(entry.get("value")) for entry in container(service)["env"])
        }
        out = _services_in(found[f"publish-to-{broker}"]["spec"]["podSelector"])
        into = [
            name
            for rule in found[f"{broker}-broker"]["spec"]["ingress"]
            for peer in rule["from"]
            for name in _services_in(peer.get("podSelector", {}))
        ]
        if out != sorted(publishers):
            yield f"{broker}: {sorted(publishers)} publish there, and {out} may go out"
        if sorted(into) != sorted(publishers):
            yield f"{broker}: {sorted(publishers)} publish there, and {sorted(into)} are let in"


def settings_of(service: Manifest) -> type[Settings]:
    """By the name of the function: `predict_sync` has PredictSyncSettings."""
    function = service["metadata"]["labels"]["matchcast.org/function"]
    kind: type[Settings] = getattr(settings, "".join(part.capitalize() for part in function.split("_")) + "Settings")
    return kind


def variables(kind: type[Settings]) -> Mapping[str, bool]:
    """Every variable that a function reads, and whether it must be there."""
    return {field.encode_name: field.required for field in fields(kind)}


def untold(kind: type[Settings]) -> Any:
    """What a function goes by where its environment says nothing."""
    needed: dict[str, Any] = {field.name: "" for field in fields(kind) if field.required}
    return kind(**needed)


def container(service: Manifest) -> dict[str, Any]:
    (only,) = service["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def seconds(duration: str) -> float:
    """Of an ISO 8601 duration of minutes and seconds."""
    found = _DURATION.fullmatch(duration)
    assert found, duration
    return int(found[1] or 0) * 60 + int(found[2] or 0)


def _attributes(event_type: Manifest) -> dict[str, str]:
    return {attribute["name"]: attribute.get("value", "") for attribute in event_type["spec"]["attributes"]}


def _filters(manifests: Sequence[Manifest]) -> dict[str, tuple[str, dict[str, str]]]:
    triggers = of_kind(manifests, "Trigger")
    return {n: (t["spec"]["broker"], t["spec"].get("filter", {}).get("attributes", {})) for n, t in triggers.items()}


def _environment(manifests: Sequence[Manifest]) -> Iterator[dict[str, Any]]:
    for service in of_kind(manifests, "Service").values():
        yield from container(service)["env"]
    for sink in of_kind(manifests, "JobSink").values():
        yield from sink["spec"]["job"]["spec"]["template"]["spec"]["containers"][0]["env"]


def _services_in(selector: Mapping[str, Any]) -> list[str]:
    return sorted(
        value
        for expression in selector.get("matchExpressions", [])
        if expression["key"] == "serving.knative.dev/service"
        for value in expression["values"]
    )
