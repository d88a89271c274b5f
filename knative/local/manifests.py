"""What the local runtime reads of the manifests: Services and HTTPRoutes. The rest of them is for the cluster."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from matchcast.errors import BadInput

M = TypeVar("M", bound="Manifest")
BASE: Final = Path(__file__).parents[1] / "base"
FUNCTION_LABEL: Final = "matchcast.org/function"


class Manifest(BaseModel):
    """Part of a Kubernetes object."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)


class Metadata(Manifest):
    """Name and labels."""

    name: str
    labels: Mapping[str, str] = Field(default_factory=dict)


class Service(Manifest):
    """A Knative Service; its label `matchcast.org/function` names the folder under `functions`."""

    metadata: Metadata

    @property
    def function(self) -> str:
        """Name of the function's package.

        Raises:
            BadInput: the label is missing.
        """
        if FUNCTION_LABEL not in self.metadata.labels:
            raise BadInput(f"Service {self.metadata.name}: add the label {FUNCTION_LABEL}", FUNCTION_LABEL)
        return self.metadata.labels[FUNCTION_LABEL]


class PathMatch(Manifest):
    """Gateway API: Exact compares whole paths; PathPrefix compares segments and ignores a trailing slash."""

    type: Literal["Exact", "PathPrefix"]
    value: str = Field(pattern="^/")


class RouteMatch(Manifest):
    """Path and method; no method means any."""

    path: PathMatch
    method: str | None = None


class Backend(Manifest):
    """A Service by name."""

    name: str


class Rule(Manifest):
    """Requests that match any of `matches` go to the one backend."""

    matches: Sequence[RouteMatch]
    backend_refs: Sequence[Backend] = Field(min_length=1, max_length=1)


class RouteSpec(Manifest):
    """Rules of a route."""

    rules: Sequence[Rule]


class HttpRoute(Manifest):
    """A Gateway API HTTPRoute."""

    metadata: Metadata
    spec: RouteSpec


class Kustomization(Manifest):
    """Which files there are."""

    resources: Sequence[str]


class Manifests(BaseModel):
    """All that the local runtime runs."""

    model_config = ConfigDict(frozen=True)

    services: Sequence[Service]
    routes: Sequence[HttpRoute]


def read_manifests(folder: Path = BASE) -> Manifests:
    """The Services and routes that a kustomization lists.

    Raises:
        BadInput: a file is missing or not as expected; names it.
    """
    (kustomization,) = _documents(folder / "kustomization.yaml")
    services: list[Service] = []
    routes: list[HttpRoute] = []
    for name in _as(Kustomization, kustomization, "kustomization.yaml").resources:
        for document in _documents(folder / name):
            kind = (str(document.get("apiVersion", "")).partition("/")[0], document.get("kind"))
            if kind == ("serving.knative.dev", "Service"):
                services.append(_as(Service, document, name))
            elif kind == ("gateway.networking.k8s.io", "HTTPRoute"):
                routes.append(_as(HttpRoute, document, name))
    known = {service.metadata.name for service in services}
    for route in routes:
        for backend in (backend.name for rule in route.spec.rules for backend in rule.backend_refs):
            if backend not in known:
                raise BadInput(f"HTTPRoute {route.metadata.name}: there is no Service {backend}", "backendRefs")
    return Manifests(services=services, routes=routes)


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
        return kind.model_validate(document)
    except ValidationError as error:
        raise BadInput(f"{name}: {error}; correct the manifest", name) from error
