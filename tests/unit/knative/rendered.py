"""The manifests as kustomize renders them."""

import copy
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from knative.deploy.cluster import run

KNATIVE: Final = Path(__file__).parents[3] / "knative"
BASE: Final = "base"
OVERLAYS: Final = ("overlays/local-cluster", "overlays/production")
ON_S3: Final = "overlays/production+s3"
"""An overlay with one component more."""
ALL: Final = (BASE, *OVERLAYS, ON_S3)

Manifest = dict[str, Any]


def rendered(folder: str) -> list[Manifest]:
    """The manifests of a folder of `knative`, `+` a component, to do with as one likes."""
    return copy.deepcopy(_rendered(folder))


@cache
def _rendered(folder: str) -> list[Manifest]:
    overlay, _, component = folder.partition("+")
    with tempfile.TemporaryDirectory() as temporary:
        here = Path(temporary).resolve()
        components = [KNATIVE / "components" / component] if component else []
        kustomization = {
            "resources": [os.path.relpath(KNATIVE / overlay, here)],
            "components": [os.path.relpath(place, here) for place in components],
        }
        (here / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return list(yaml.safe_load_all(run("kustomize", "build", str(here))))


def of_kind(manifests: Iterable[Manifest], kind: str) -> dict[str, Manifest]:
    """By name."""
    return {m["metadata"]["name"]: m for m in manifests if m["kind"] == kind}


def one(manifests: Iterable[Manifest], kind: str, name: str) -> Manifest:
    return of_kind(manifests, kind)[name]


Mutation = Callable[[list[Manifest]], object]


def mutated(folder: str, mutation: Mutation) -> list[Manifest]:
    """The manifests of a folder after a change that does change them."""
    manifests = rendered(folder)
    mutation(manifests)
    assert manifests != _rendered(folder), "the mutation changes nothing"
    return manifests


def set_at(kind: str, name: str, *path: str | int, to: object) -> Mutation:
    """Put a value at a path of a manifest."""

    def mutate(manifests: list[Manifest]) -> None:
        _at(one(manifests, kind, name), path[:-1])[path[-1]] = to

    return mutate


def drop(kind: str, name: str, *path: str | int) -> Mutation:
    """Take out a part of a manifest, or the whole of it."""

    def mutate(manifests: list[Manifest]) -> None:
        found = one(manifests, kind, name)
        if path:
            del _at(found, path[:-1])[path[-1]]
        else:
            manifests.remove(found)

    return mutate


def _at(manifest: Any, path: Sequence[str | int]) -> Any:
    for part in path:
        manifest = manifest[part]
    return manifest
