"""Our Services as the real kn understands them, without a cluster."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from knative.deploy.cluster import run
from tests.unit.knative.rendered import ALL, BASE, Manifest, mutated, of_kind, rendered, set_at


def as_kn_writes_it(service: Manifest, folder: Path) -> Any:
    """What `kn service create` would send to the API server, less what it fills in by itself."""
    file = folder / "service.yaml"
    file.write_text(yaml.safe_dump(service))
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    run("kn", "service", "create", name, "--filename", str(file), "--namespace", namespace, "--target", str(folder))
    written = yaml.safe_load((folder / namespace / "ksvc" / f"{name}.yaml").read_text())
    del written["status"], written["metadata"]["creationTimestamp"]
    template = written["spec"]["template"]
    del template["metadata"]["creationTimestamp"]
    del template["metadata"]["annotations"]["client.knative.dev/updateTimestamp"]
    assert template["spec"]["containers"][0].pop("name") == ""
    for probe in ("readinessProbe", "livenessProbe"):
        assert template["spec"]["containers"][0][probe]["httpGet"].pop("port") == 0  # 0 is the container's own
    return written


@pytest.mark.parametrize("folder", ALL)
def test_kn_takes_every_service_as_it_is_written(folder: str, tmp_path: Path) -> None:
    for service in of_kind(rendered(folder), "Service").values():
        assert as_kn_writes_it(service, tmp_path) == service


def test_what_kn_does_not_know_is_lost(tmp_path: Path) -> None:
    """So the test above would tell a field that is spelt wrong."""
    manifests = mutated(BASE, set_at("Service", "drift", "spec", "template", "spec", "timoutSeconds", to=200))
    service = of_kind(manifests, "Service")["drift"]
    assert as_kn_writes_it(service, tmp_path) != service
