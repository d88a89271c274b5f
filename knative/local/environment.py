"""The environment variables of a container outside the cluster."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from knative.local.addresses import Addresses
from knative.local.objects import Container


def container_environment(container: Container, given: Mapping[str, str], addresses: Addresses) -> dict[str, str]:
    """The process's own environment, and below it what the manifest says.

    A value from a Secret or ConfigMap is the process's variable of the same name, or absent. A path in a mounted volume
    is the cluster's and left out. In-cluster addresses become local ones.
    """
    mounts = [PurePosixPath(mount.mount_path) for mount in container.volume_mounts]
    plain = {
        variable.name: variable.value
        for variable in container.env
        if variable.value is not None and not any(PurePosixPath(variable.value).is_relative_to(m) for m in mounts)
    }
    return {name: addresses.localized(value) for name, value in {**plain, **given}.items()}


def lacking(container: Container, environment: Mapping[str, str]) -> list[str]:
    """Variables that the cluster takes from a Secret or ConfigMap and the process does not have."""
    return [v.name for v in container.env if v.value_from is not None and not environment.get(v.name)]


def service_environment(
    name: str, container: Container, sink: str | None, given: Mapping[str, str], addresses: Addresses
) -> dict[str, str]:
    """What the container of a Knative Service is told.

    Args:
        sink: the address that a SinkBinding gives it.
    """
    knative = {"K_SERVICE": name, "K_CONFIGURATION": name, "K_REVISION": f"{name}-local"}
    if sink is not None:
        knative["K_SINK"] = sink
    return {**container_environment(container, given, addresses), **knative}
