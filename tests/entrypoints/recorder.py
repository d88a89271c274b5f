"""A broker that takes CloudEvents and keeps them, as an ASGI application."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from matchcast.adapters.cloudevents import event_http, read_event
from matchcast.domain.event import Event
from matchcast.events import PAYLOADS, payload_of
from tests.entrypoints.served import served


@dataclass
class Recorder:
    """Answers every POST with `status`; keeps those answered 2xx, each checked against the schema of its type."""

    status: int = 202
    events: list[Event] = field(default_factory=list)
    url: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        request = Request(scope, receive)
        event = checked(read_event(request.headers, await request.body()))
        if self.status < 300:
            self.events.append(event)
        await Response(status_code=self.status)(scope, receive, send)

    @property
    def types(self) -> list[str]:
        return [event.type.removeprefix("org.matchcast.") for event in self.events]


@contextmanager
def recording(status: int = 202) -> Iterator[Recorder]:
    """A broker on a port of its own; `url` is its address."""
    recorder = Recorder(status)
    with served(recorder) as client:
        recorder.url = str(client.base_url)
        yield recorder


def checked(event: Event) -> Event:
    """The event, if its data is as the schema of its type says."""
    if event.type in PAYLOADS and "dataref" not in event.extensions:
        payload_of(event, PAYLOADS[event.type])
    return event


def deliver(client: httpx.Client, event: Event, path: str = "/") -> httpx.Response:
    """Post an event as a broker does."""
    headers, body = event_http(event)
    return client.post(path, headers=headers, content=body)


def reply_of(answer: httpx.Response) -> Event | None:
    """The event that a function answered with, checked; None for none. The answer is one that a broker understands."""
    assert answer.status_code in (200, 202, 204), answer.text
    return checked(read_event(answer.headers, answer.content)) if answer.content else None
