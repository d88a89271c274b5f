"""New revisions beside the old ones, looked at before any traffic goes there."""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

import httpx

from knative.deploy.cluster import Cluster
from knative.deploy.plan import Plan
from matchcast.errors import MatchcastError, Unavailable

TAG: Final = "canary"
_PORT: Final = 80
_COLD_START_SECONDS: Final = 60.0
_LOG: Final = logging.getLogger(__name__)


class Rollout:
    """Of all Services of a plan at once: traffic moves when every one of them passed.

    Args:
        share: percent of the traffic that new revisions get at first.
        pause: seconds until they get the rest.
    """

    def __init__(self, cluster: Cluster, plan: Plan, *, share: int, pause: float) -> None:
        self._cluster = cluster
        self._plan = plan
        self._share = share
        self._pause = pause
        self._live: dict[str, str] = {}

    def start(self) -> None:
        """Make the new revisions; those that serve go on serving everything.

        A Service that does not exist yet gets its traffic at once: nothing leads to it before the routes and Triggers do.
        Its SinkBinding becomes ready only when it is there, so that its first revision may have started without K_SINK; it
        is given a second try then.

        Raises:
            Unavailable: a revision does not become ready.
        """
        for manifest in self._plan.of("Service"):
            name = manifest["metadata"]["name"]
            live = self._serving(name)
            if live is None:
                traffic: list[Mapping[str, Any]] = [{"latestRevision": True, "percent": 100, "tag": TAG}]
            else:
                self._live[name] = live
                traffic = [
                    {"revisionName": live, "latestRevision": False, "percent": 100},
                    {"latestRevision": True, "percent": 0, "tag": TAG},
                ]
            spec = {**manifest["spec"], "traffic": traffic}
            _LOG.info("  %s, %s", name, "new" if live is None else f"beside {live}")
            whole = {**manifest, "spec": spec}
            try:
                self._cluster.apply_service(whole)
            except Unavailable as error:
                bindings = self._plan.bindings(name)
                if live is not None or not bindings:
                    raise
                _LOG.info("  %s, once more when it is bound to its sink (%s)", name, error)
                self._cluster.wait(bindings)
                self._cluster.apply_service(whole)
                self._cluster.wait([whole])  # kn waits for nothing where it finds nothing to change

    def smoke_test(self) -> None:
        """Ask every new revision at its tag's own address.

        Raises:
            Unavailable: one is not ready, or does not know an event from junk; names it.
        """
        namespace, name = self._plan.entrance()
        with self._cluster.forwarded(namespace, name, _PORT) as port:
            for manifest in self._plan.of("Service"):
                service = manifest["metadata"]["name"]
                host = f"{TAG}-{service}.{self._plan.namespace}.svc.cluster.local"
                with httpx.Client(
                    base_url=f"http://127.0.0.1:{port}", headers={"Host": host}, timeout=_COLD_START_SECONDS
                ) as client:
                    _look_at(service, client, takes_events=service in self._plan.subscribers())

    def finish(self) -> None:
        """Move the traffic: a share, a pause with another look, the rest; back again if anything fails.

        Raises:
            MatchcastError: what failed; the old revisions serve everything.
        """
        try:
            if self._live:
                for name, live in self._live.items():
                    self._move(name, {live: 100 - self._share, "@latest": self._share})
                time.sleep(self._pause)
                self.smoke_test()
            for manifest in self._plan.of("Service"):
                self._move(manifest["metadata"]["name"], {"@latest": 100}, untag=TAG)
        except MatchcastError:
            self._back()
            raise

    def _back(self) -> None:
        for name, live in self._live.items():
            try:
                self._move(name, {live: 100})
            except MatchcastError as error:
                _LOG.error("  %s: traffic could not be moved back to %s: %s", name, live, error)

    def _serving(self, name: str) -> str | None:
        """The revision with the most traffic."""
        service = self._cluster.get("services.serving.knative.dev", name, self._plan.namespace)
        targets = (service or {}).get("status", {}).get("traffic", [])
        most = max(targets, key=lambda target: target.get("percent", 0), default=None)
        return most["revisionName"] if most and most.get("percent") else None

    def _move(self, name: str, shares: Mapping[str, int], untag: str | None = None) -> None:
        self._cluster.move_traffic(name, self._plan.namespace, shares, untag=untag)


def _look_at(service: str, client: httpx.Client, *, takes_events: bool) -> None:
    try:
        ready = client.get("/readyz")
        if ready.status_code != 200:
            raise Unavailable(f"{service}: /readyz answered {ready.status_code}: {ready.text}; the traffic stays")
        if takes_events:
            answer = client.post("/", json={"what": "no event"})
            if answer.status_code != 200 or answer.headers.get("ce-type") != "org.matchcast.event.rejected":
                raise Unavailable(
                    f"{service}: answered junk with {answer.status_code}, not with an event; the traffic stays"
                )
    except httpx.HTTPError as error:
        raise Unavailable(f"{service}: does not answer at its canary's address ({error}); the traffic stays") from error
    _LOG.info("  %s answers", service)
