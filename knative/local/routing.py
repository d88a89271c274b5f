"""Which Service answers a request, by the rules of the Gateway API."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from knative.local.objects import HttpRoute


class Route(NamedTuple):
    """One match of an HTTPRoute; `method` None means any."""

    path: str
    exact: bool
    method: str | None
    service: str

    def takes_path(self, path: str) -> bool:
        if self.exact:
            return path == self.path
        prefix = self.path.rstrip("/")
        return path == prefix or path.startswith(f"{prefix}/")


class Routes:
    """All routes, the most specific first: exact before prefix, longer before shorter, with a method before without."""

    def __init__(self, manifests: Iterable[HttpRoute]) -> None:
        found = [
            Route(match.path.value, match.path.type == "Exact", match.method, rule.backend_refs[0].name)
            for route in manifests
            for rule in route.spec.rules
            for match in rule.matches
        ]
        self.all: Sequence[Route] = sorted(found, key=lambda r: (not r.exact, -len(r.path), r.method is None))

    def service_for(self, method: str, path: str) -> str | None:
        """The Service that answers; None if none does."""
        return next((r.service for r in self.all if r.takes_path(path) and r.method in (None, method)), None)

    def methods_at(self, path: str) -> Sequence[str]:
        """Methods that some Service takes at this path."""
        return sorted({r.method for r in self.all if r.method is not None and r.takes_path(path)})
