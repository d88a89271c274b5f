"""What an overlay renders to, with images by digest, sorted by when it is applied."""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from knative.deploy.cluster import run
from matchcast.errors import BadInput

OVERLAYS: Final = Path(__file__).parents[1] / "overlays"
Manifest = Mapping[str, Any]

BASIS: Final = (
    "ConfigMap",
    "NetworkPolicy",
    "RabbitmqCluster",
    "RabbitmqBrokerConfig",
    "Broker",
    "EventType",
    "JobSink",
)
LAST: Final = (
    "Trigger", "PingSource", "ReferenceGrant", "Gateway", "ClientTrafficPolicy", "BackendTrafficPolicy", "HTTPRoute",
)  # fmt: skip
"""What brings work to the functions."""
PHASES: Final = (("Namespace",), BASIS, ("SinkBinding",), ("Service",), LAST)

# Knative takes these from the node and resolves no digest
_FROM_NODE: Final = ("dev.local/", "kind.local/", "ko.local/")
_BY_DIGEST: Final = re.compile(r"[\w./:-]+@sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Plan:
    """All manifests of an overlay.

    Attributes:
        text: as kustomize wrote them.
    """

    text: str
    manifests: Sequence[Manifest]

    def of(self, *kinds: str) -> Sequence[Manifest]:
        """Those of these kinds, in the order of the kinds."""
        return sorted((m for m in self.manifests if m["kind"] in kinds), key=lambda m: kinds.index(m["kind"]))

    @property
    def namespace(self) -> str:
        (namespace,) = self.of("Namespace")
        return str(namespace["metadata"]["name"])

    def secret_keys(self) -> Mapping[str, set[str]]:
        """Keys that must be there, by Secret; empty where any will do."""
        keys: dict[str, set[str]] = {}
        for node in _nodes(self.manifests):
            reference = node.get("secretKeyRef")
            if isinstance(reference, dict):
                keys.setdefault(reference["name"], set()).add(reference["key"])
        for gateway in self.of("Gateway"):
            for listener in gateway["spec"]["listeners"]:
                for reference in listener.get("tls", {}).get("certificateRefs", []):
                    keys.setdefault(reference["name"], set())
        return keys

    def subscribers(self) -> set[str]:
        """Services that Triggers send events to."""
        references = [trigger["spec"]["subscriber"]["ref"] for trigger in self.of("Trigger")]
        return {reference["name"] for reference in references if reference["kind"] == "Service"}

    def bindings(self, service: str) -> Sequence[Manifest]:
        """SinkBindings of a Service."""
        return [binding for binding in self.of("SinkBinding") if binding["spec"]["subject"]["name"] == service]

    def entrance(self) -> tuple[str, str]:
        """Namespace and name of Knative's cluster-local ingress."""
        (route,) = self.of("HTTPRoute")
        backend = route["spec"]["rules"][0]["backendRefs"][0]
        return backend["namespace"], backend["name"]


def read_images(path: Path) -> Mapping[str, str]:
    """References by digest, by the name that the manifests use.

    Raises:
        BadInput: a line is not `name=reference@sha256:digest`; names it.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise BadInput(
            f"--images: {path} cannot be read ({error}); give the file that pushing wrote", "images"
        ) from error
    images = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, reference = line.strip().partition("=")
        if not name or not _BY_DIGEST.fullmatch(reference):
            raise BadInput(
                f"--images: line {number} of {path} is no name=reference@sha256:digest; correct it", "images"
            )
        images[name] = reference
    return images


def render(overlay: str, images: Mapping[str, str]) -> Plan:
    """The manifests of an overlay with these images.

    Raises:
        BadInput: there is no such overlay, kustomize refuses it, it has a kind that no phase applies, or an image would
            not be pinned by its digest.
    """
    folder = OVERLAYS / overlay
    if not (folder / "kustomization.yaml").is_file():
        known = ", ".join(sorted(path.parent.name for path in OVERLAYS.glob("*/kustomization.yaml")))
        raise BadInput(f"--overlay: there is no {overlay}; choose one of {known}", "overlay")
    with tempfile.TemporaryDirectory() as temporary:
        here = Path(temporary).resolve()
        entries = []
        for name, reference in images.items():
            new_name, _, digest = reference.partition("@")
            entries.append({"name": name, "newName": new_name, "digest": digest})
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [os.path.relpath(folder.resolve(), here)],
            "images": entries,
        }
        (here / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        text = run("kustomize", "build", str(here))
    plan = Plan(text, list(yaml.safe_load_all(text)))
    _check(plan)
    return plan


def _check(plan: Plan) -> None:
    known = {kind for phase in PHASES for kind in phase}
    for manifest in plan.manifests:
        if manifest["kind"] not in known:
            name = manifest["metadata"]["name"]
            raise BadInput(f"{manifest['kind']} {name}: no phase applies this kind; add it to knative/deploy/plan.py")
    loose = sorted({image for image in _images(plan.manifests) if not _pinned(image)})
    if loose:
        raise BadInput(
            f"images: {', '.join(loose)}: push them and give their digests, a line each such as "
            f"{loose[0]}=registry.example.com/{loose[0]}@sha256:…, with --images",
            "images",
        )


def _pinned(image: str) -> bool:
    return image.startswith(_FROM_NODE) or _BY_DIGEST.fullmatch(image) is not None


def _images(manifests: Iterable[Manifest]) -> Iterator[str]:
    for node in _nodes(manifests):
        for container in node.get("containers") or []:
            yield container["image"]


def _nodes(tree: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(tree, Mapping):
        yield tree
        tree = tree.values()
    elif not isinstance(tree, list | tuple):
        return
    for part in tree:
        yield from _nodes(part)
