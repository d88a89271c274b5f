"""What has an address in the cluster has one here: a port on the loopback interface each."""

import re
from typing import Final

from knative.local.delivery import Place
from knative.local.objects import Destination
from matchcast.errors import BadInput

_ANY: Final = re.compile(r"http://([a-z0-9.-]+\.svc\.cluster\.local)(?::80)?(?=[/?#]|$|[^a-z0-9.:-])")
_JOBS: Final = "job-sink.knative-eventing.svc.cluster.local"


class Addresses:
    """The local address of every Service, Broker and JobSink.

    Args:
        namespace: of the manifests.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._urls: dict[str, str] = {}

    @property
    def all(self) -> dict[str, str]:
        """Local by in-cluster address."""
        return {f"http://{host}": url for host, url in self._urls.items()}

    def add_service(self, name: str, url: str) -> None:
        self._urls[self._host("Service", name)] = url

    def add_broker(self, name: str, url: str) -> None:
        self._urls[self._host("Broker", name)] = url

    def add_job_sinks(self, url: str) -> None:
        self._urls[_JOBS] = url

    def place(self, destination: Destination) -> Place:
        """Where a sink or subscriber is.

        Raises:
            BadInput: it is nowhere here.
        """
        ref = destination.ref
        if ref is None:
            name = destination.uri or ""
        else:
            path = f"/{self._namespace}/{ref.name}" if ref.kind == "JobSink" else ""
            name = f"http://{self._host(ref.kind, ref.name)}{path}"
            if destination.uri:
                name += "/" + destination.uri.lstrip("/")
        return Place(name, self.localized(name))

    def localized(self, text: str) -> str:
        """The text with in-cluster addresses of the manifests replaced by local ones."""
        return _ANY.sub(lambda found: self._urls.get(found[1], found[0]), text)

    def _host(self, kind: str, name: str) -> str:
        hosts = {
            "Service": f"{name}.{self._namespace}.svc.cluster.local",
            "Broker": f"{name}-broker-ingress.{self._namespace}.svc.cluster.local",
            "JobSink": _JOBS,
        }
        if kind not in hosts:
            raise BadInput(f"{kind} {name} has no address here; refer to a Service, Broker or JobSink", "ref.kind")
        return hosts[kind]
