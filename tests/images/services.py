"""What the manifests give a function: variables, folders to write to, where events reach it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from tests.images.podman import ROOT

FUNCTIONS: Final = sorted(file.parent.name for file in ROOT.glob("functions/*/main.py"))


class Service(NamedTuple):
    """One function's Service.

    Attributes:
        variables: environment; those the cluster must fill in have a key such as `database-url` in `filled`.
        empty: paths of its emptyDirs.
        event_paths: where Triggers deliver, and dead letters go.
    """

    name: str
    variables: Mapping[str, str]
    filled: Mapping[str, str]
    empty: tuple[str, ...]
    event_paths: tuple[str, ...]


def service_of(function: str) -> Service:
    """The Service of a function."""
    manifests = list(_manifests())
    (service,) = [
        one
        for one in manifests
        if one["kind"] == "Service" and one["metadata"].get("labels", {}).get("matchcast.org/function") == function
    ]
    spec = service["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    variables, filled = {}, {}
    for entry in container.get("env", []):
        if "value" in entry:
            variables[entry["name"]] = entry["value"]
        else:
            (source,) = entry["valueFrom"].values()
            if not source.get("optional", False):
                filled[entry["name"]] = source["key"]
    name = service["metadata"]["name"]
    if any(one["kind"] == "SinkBinding" and one["spec"]["subject"]["name"] == name for one in manifests):
        filled["K_SINK"] = "sink"
    empty = {volume["name"] for volume in spec.get("volumes", []) if "emptyDir" in volume}
    mounts = [mount["mountPath"] for mount in container.get("volumeMounts", []) if mount["name"] in empty]
    return Service(name, variables, filled, tuple(mounts), tuple(sorted(set(_deliveries(manifests, name)))))


def configured() -> dict[str, str]:
    """What the clusters' configuration fills in, by key."""
    (config,) = [
        one
        for one in _manifests("knative/overlays/local-cluster")
        if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "matchcast"
    ]
    return dict(config["data"])


def _deliveries(manifests: list[dict[str, Any]], name: str) -> Iterator[str]:
    for trigger in [one for one in manifests if one["kind"] == "Trigger"]:
        spec = trigger["spec"]
        for target in (spec["subscriber"], spec.get("delivery", {}).get("deadLetterSink", {})):
            ref = target.get("ref", {})
            if ref.get("kind") == "Service" and ref["name"] == name:
                yield target.get("uri", "/")


def _manifests(folder: str = "knative/base") -> Iterator[dict[str, Any]]:
    for file in sorted(Path(ROOT, folder).glob("*.yaml")):
        yield from (one for one in yaml.safe_load_all(file.read_text()) if one)
