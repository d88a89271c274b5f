"""All functions and both brokers in one process, and everything that passes the brokers kept and checked."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from knative.local.manifests import BASE, read_manifests
from knative.local.runtime import MEMORY, local_runtime
from knative.schemas import FOLDER as SCHEMAS
from matchcast.adapters.cloudevents import event_http, read_event
from matchcast.domain.event import PREFIX, SOURCES, Event
from tests.entrypoints.served import served

TOKEN: Final = "a-token-of-sixteen-letters"
BROKERS: Final = ("ingest", "inference")
T = TypeVar("T")


@dataclass
class Taps:
    """Takes every event of both brokers, at /BROKER."""

    events: list[tuple[str, Event]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        request = Request(scope, receive)
        self.events.append((scope["path"].strip("/"), read_event(request.headers, await request.body())))
        await Response(status_code=204)(scope, receive, send)

    def on(self, broker: str) -> dict[str, list[Event]]:
        """What passed a broker, by type without our prefix."""
        found: dict[str, list[Event]] = {}
        for at, event in self.events:
            if at == broker:
                found.setdefault(event.type.removeprefix(PREFIX), []).append(event)
        return found

    def assert_declared(self) -> None:
        """Each event that a function sent is as its published schema says, and its broker declares type and source."""
        declared = _declared()
        for broker, event in self.events:
            if not event.source.startswith(SOURCES):
                continue
            known = {source for at, type_, source in declared if (at, type_) == (broker, event.type)}
            is_declared = event.source in known or SOURCES + "{service}" in known
            assert is_declared, f"{event.type} of {event.source} on {broker} is not declared"
            schema = json.loads((SCHEMAS / f"{event.type.removeprefix(PREFIX)}.json").read_text())
            Draft202012Validator(schema, format_checker=FormatChecker()).validate(event.data)


def _declared() -> set[tuple[str, str, str]]:
    """Broker, type and source of each EventType."""
    found = set()
    for manifest in yaml.safe_load_all((BASE / "event-types.yaml").read_text()):
        told = {attribute["name"]: attribute.get("value", "") for attribute in manifest["spec"]["attributes"]}
        found.add((manifest["spec"]["reference"]["name"], told["type"], told["source"]))
    return found


def tapped_manifests(folder: Path, taps_url: str, job: list[str], backoff: str = "PT1S") -> Path:
    """The manifests with one more Trigger on each broker, which takes everything, and another command for the Job.

    Args:
        backoff: of all Triggers, as Knative writes it.
    """
    shutil.copytree(BASE, folder)
    triggers = [
        {
            "apiVersion": "eventing.knative.dev/v1",
            "kind": "Trigger",
            "metadata": {"name": f"tap-{broker}"},
            "spec": {"broker": broker, "subscriber": {"uri": f"{taps_url}/{broker}"}},
        }
        for broker in BROKERS
    ]
    (folder / "taps.yaml").write_text(yaml.safe_dump_all(triggers))
    declared = folder / "triggers.yaml"
    declared.write_text(declared.read_text().replace("backoffDelay: PT1S", f"backoffDelay: {backoff}"))
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    kustomization["resources"].append("taps.yaml")
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    retrain = yaml.safe_load((folder / "retrain.yaml").read_text())
    retrain["spec"]["job"]["spec"]["template"]["spec"]["containers"][0]["command"] = job
    (folder / "retrain.yaml").write_text(yaml.safe_dump(retrain))
    return folder


@dataclass(frozen=True)
class Chain:
    """The running whole; `front` is the port that people use."""

    front: httpx.Client
    taps: Taps

    def broker(self, name: str) -> str:
        """A broker's address."""
        addresses: dict[str, str] = self.front.get("/_local").json()["addresses"]
        return addresses[f"http://{name}-broker-ingress.matchcast.svc.cluster.local"]

    def publish(self, broker: str, event: Event) -> None:
        """Put an event onto a broker as anybody may."""
        headers, body = event_http(event)
        assert httpx.post(self.broker(broker), headers=headers, content=body).status_code == 202

    def seen(self, broker: str, name: str, parent: Event | None = None) -> Event:
        """The event of a type, and of a parent, that passes a broker; waits for it."""

        def found() -> Event | None:
            events = self.taps.on(broker).get(name, [])
            return next((e for e in events if parent is None or e.extensions.get("parentid") == parent.id), None)

        return eventually(found, lambda: f"no {name} on {broker}; there are {sorted(self.taps.on(broker))}")

    def task(self, accepted: httpx.Response) -> dict[str, Any]:
        """What became of what was accepted; waits for the end."""
        assert accepted.status_code == 202, accepted.text

        def ended() -> dict[str, Any] | None:
            answer = self.front.get(accepted.headers["location"])
            assert answer.status_code == 200, answer.text
            status: dict[str, Any] = answer.json()
            return status if status["status"] in ("success", "failure") else None

        return eventually(ended, lambda: "the task has no final state")


@contextmanager
def chained(
    environment: Mapping[str, str],
    key: str,
    folder: Path,
    *,
    broker: str = MEMORY,
    job: list[str] | None = None,
    backoff: str = "PT1S",
) -> Iterator[Chain]:
    """All functions over these connections; in the end everything that passed the brokers is checked.

    Args:
        job: a command to run for each drift.detected; None runs nothing.
        backoff: what the Triggers' pauses between tries are made of.
    """
    taps = Taps()
    with served(taps) as recorded:
        taps_url = str(recorded.base_url).rstrip("/")
        manifests = read_manifests(tapped_manifests(folder, taps_url, job or ["true"], backoff))
        given = {"MATCHCAST_HOOK_TOKEN": TOKEN, **environment}
        front = local_runtime(manifests, broker=broker, jobs=job is not None, environment=given)
        with served(front, key) as client:
            yield Chain(client, taps)
    taps.assert_declared()


def eventually(question: Callable[[], T | None], told: Callable[[], str], seconds: float = 60) -> T:
    """The first answer that is not None."""
    deadline = time.monotonic() + seconds
    while (answer := question()) is None:
        assert time.monotonic() < deadline, told()
        time.sleep(0.02)
    return answer
