"""The event side of a function: a POST with a CloudEvent in, a CloudEvent that follows or nothing out.

A RabbitMQ broker loses an event that is answered with most 4xx. So what can never be handled is answered 200 with an
`event.rejected`, what may go better later 503 or 504, and nothing with another 4xx.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from anyio import fail_after, to_thread
from starlette.requests import Request
from starlette.responses import Response

from matchcast.adapters.claims import completed, lightened
from matchcast.adapters.clock import Timer
from matchcast.adapters.cloudevents import event_http, read_event
from matchcast.domain.event import Event, named_id
from matchcast.errors import BadInput, MatchcastError, TaskEnded, TimedOut, Unavailable
from matchcast.events import EventRejected, first_event, next_event
from matchcast.ports import Clock, ObjectStore
from matchcast.ports.events import Deadline
from matchcast.web.app import WebApp
from matchcast.web.problems import problem_data, problem_of

LARGEST_EVENT: Final = 1024 * 1024
"""Bytes; above what a broker of ours lets through."""

ANY: Final = "*"

_LOG: Final = logging.getLogger("matchcast.events")

Handler = Callable[[Event, Deadline], Event | None]
"""Handles an event; returns the one that follows.

Raises a BadInput or other lasting error for what can never be handled, and Unavailable for what may go better later.
"""


def take_events(
    app: WebApp,
    handlers: Mapping[str, Handler],
    *,
    service: str,
    now: Clock,
    objects: Callable[[], ObjectStore],
    seconds: float | Mapping[str, float],
    path: str = "/",
    whole: bool = True,
) -> None:
    """Let a function take events at `path`.

    Args:
        handlers: by CloudEvents type; `ANY` takes what no other does.
        objects: opens the store that holds what was too large to travel.
        path: what it names in braces becomes an extension of the event.
        seconds: how long the handling of an event may take, for all types or by type; its body comes within the least.
        whole: the data must be JSON, and is fetched if it was too large to travel, before an event is handled; otherwise
            events are taken as they are, also with data that is no JSON.
    """
    limits = seconds if isinstance(seconds, Mapping) else dict.fromkeys(handlers, seconds)
    reading = min(seconds.values()) if isinstance(seconds, Mapping) else seconds

    async def take(request: Request) -> Response:
        digest = hashlib.sha256(_attributes(request))
        try:
            with fail_after(reading):
                body = await bounded_body(request, digest.update)
        except TimeoutError:
            return problem_of(request.scope, TimedOut(f"body: did not come within {reading:g} s"))
        try:
            if body is None:
                raise BadInput(
                    f"body: is larger than {LARGEST_EVENT} bytes; put the data into the object store", "body"
                )
            event = read_event(request.headers, body, any_data=not whole)
            if request.path_params:
                event = replace(event, extensions={**event.extensions, **request.path_params})
        except BadInput as error:
            return _answer(_rejected_request(digest.hexdigest(), error))
        handler = handlers.get(event.type, handlers.get(ANY))
        if handler is None:
            known = ", ".join(sorted(handlers)) or "no others"
            return _answer(_rejected(event, BadInput(f"type: {event.type} is not taken here; {known} are", "type")))
        limit = limits.get(event.type, limits.get(ANY, 0))
        try:
            with fail_after(limit):
                reply = await to_thread.run_sync(_handled, handler, event, Timer(limit), abandon_on_cancel=True)
        except TimeoutError:
            return problem_of(request.scope, TimedOut(f"{event.type} {event.id} took longer than {limit:g} s"))
        except MatchcastError as error:
            _note(event, f"not now: {error}")
            return problem_of(request.scope, error if isinstance(error, Unavailable) else Unavailable(str(error)))
        return _answer(reply)

    def _handled(handler: Handler, event: Event, deadline: Deadline) -> Event | None:
        try:
            reply = handler(completed(event, objects) if whole else event, deadline)
        except Unavailable:
            raise
        except TaskEnded as error:
            _note(event, f"nothing to do: {error}")
            return None
        except MatchcastError as error:
            reply = _rejected(event, error)
        else:
            _note(event, "handled" if reply is None else f"handled, {reply.type} follows")
        return None if reply is None else lightened(reply, objects)

    def _rejected(event: Event, error: MatchcastError) -> Event | None:
        _note(event, f"rejected: {error}")
        if event.type == EventRejected.type():  # or rejections would follow from one another without end
            return None
        payload = EventRejected(
            parent_id=event.id, parent_source=event.source, parent_type=event.type, problem=problem_data(error)
        )
        return next_event(event, payload, service=service, now=now())

    def _rejected_request(digest: str, error: MatchcastError) -> Event:
        _LOG.warning("a request that is no event was rejected: %s", error)
        payload = EventRejected(parent_id=None, parent_source=None, parent_type=None, problem=problem_data(error))
        id_ = named_id(service, EventRejected.type(), digest)
        return first_event(payload, id=id_, service=service, now=now())

    app.add_event_path(path, take)


def _answer(reply: Event | None) -> Response:
    if reply is None:
        return Response(status_code=204)
    headers, body = event_http(reply)
    return Response(body, 200, headers)


def _attributes(request: Request) -> bytes:
    """The headers that make an event what it is."""
    told = sorted(item for item in request.headers.raw if item[0].startswith(b"ce-") or item[0] == b"content-type")
    return b"".join(b"%b: %b\n" % item for item in told) + b"\n"


async def bounded_body(request: Request, seen: Callable[[bytes], object] = len) -> bytes | None:
    """A request's body of at most `LARGEST_EVENT` bytes.

    None if it is larger; the rest is read all the same, so that the connection can go on.

    Args:
        seen: called with every part.
    """
    parts, size = [], 0
    async for part in request.stream():
        seen(part)
        size += len(part)
        if size <= LARGEST_EVENT:
            parts.append(part)
    return b"".join(parts) if size <= LARGEST_EVENT else None


def _note(event: Event, what: str) -> None:
    _LOG.info(
        "event", extra={"event_id": event.id, "event_type": event.type, "event_source": event.source, "what": what}
    )
