"""A broker's address: events are posted to its root, in binary or structured mode."""

import logging
from typing import Final, Protocol

from starlette.types import Receive, Scope, Send

from knative.local.messages import Message, read_message
from matchcast.errors import BadInput, Unavailable

LARGEST_EVENT: Final = 768 * 1024
"""Bytes; functions take somewhat more."""

_LOG: Final = logging.getLogger("matchcast.broker")


class Publisher(Protocol):
    """Takes events for good."""

    async def publish(self, message: Message) -> None:
        """Hand an event over; it is the broker's when this returns.

        Raises:
            BadInput: the broker can never take it.
            Unavailable: the broker cannot take it now.
        """
        ...


class Ingress:
    """An ASGI application that answers as the real ingress does: 202, 400, 404, 405, and 500 when it cannot publish.

    Beyond that, 413 for an event that no function would take.
    """

    def __init__(self, broker: Publisher) -> None:
        self._broker = broker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            status, words = await self._answer(scope, receive)
        except Disconnected:
            return
        await send({"type": "http.response.start", "status": status, "headers": _headers(words)})
        await send({"type": "http.response.body", "body": words})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        body = await read_body(receive, LARGEST_EVENT)
        if scope["method"] != "POST":
            return 405, b""
        if scope["path"] != "/" or scope["query_string"]:
            return 404, b""
        if body is None:
            return 413, f"body: is larger than {LARGEST_EVENT} bytes; put the data into the object store".encode()
        try:
            message = read_message(scope["headers"], body)
            await self._broker.publish(message)
        except BadInput as error:
            return 400, str(error).encode()
        except Unavailable as error:
            _LOG.info("an event was not taken: %s", error)
            return 500, str(error).encode()
        return 202, b""


class Disconnected(Exception):
    """Whoever sent a request went away before all of it was there; nothing of it counts, and nobody waits for an answer."""


async def read_body(receive: Receive, largest: int) -> bytes | None:
    """A request's body; None if it is larger, and then the rest is read all the same.

    Raises:
        Disconnected: it ends before it is whole.
    """
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        part = await receive()
        if part["type"] == "http.disconnect":
            raise Disconnected
        body = part.get("body", b"")
        size += len(body)
        if size <= largest:
            parts.append(body)
        more = part.get("more_body", False)
    if size > largest:
        return None
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _headers(words: bytes) -> list[tuple[bytes, bytes]]:
    length = (b"content-length", str(len(words)).encode())
    return [length, (b"content-type", b"text/plain; charset=utf-8")] if words else [length]
