"""A Service's address while its function is a process: requests are held until it is ready and passed on."""

import asyncio
import logging
import uuid
from contextlib import nullcontext
from typing import Final

import aiohttp
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send
from yarl import URL

from knative.local.ingress import Disconnected, read_body
from knative.local.processes import FunctionProcess, Instance
from matchcast.errors import Unavailable
from matchcast.web.problems import problem

LARGEST_REQUEST: Final = 1024 * 1024
_CHUNK: Final = 64 * 1024
_TRIES: Final = 3
_WAITING: Final = 10
"""As many times the requests that are handled at once may wait, as in Knative's queue-proxy."""
_HOP_BY_HOP: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade".split()
)
_LATE: Final = PlainTextResponse("request timeout", 504)
"""As queue-proxy says it; the function may go on handling the request."""
_LOG: Final = logging.getLogger("matchcast.local")


class Activator:
    """An ASGI application in front of a function's process.

    A request is bounded and held as a whole, so that it can be sent again; an answer streams. A request to a process
    that has ended before anything of an answer came is sent once more, to the next process: whether a handler had it
    cannot be told, so it may be handled twice, as any event may.

    Args:
        concurrency: how many requests are handled at once; ten times as many wait, more are refused. 0 sets no limit.
        seconds: from the arrival of a request, before which the process may not even have started, until the end of its
            answer.
        begins_within: seconds until the answer begins; by default no other limit.
    """

    def __init__(
        self, process: FunctionProcess, concurrency: int = 0, seconds: float = 300, begins_within: float | None = None
    ) -> None:
        self._process = process
        self._places = asyncio.Semaphore(concurrency) if concurrency else None
        self._most = concurrency * (1 + _WAITING)
        self._seconds = seconds
        self._begins_within = seconds if begins_within is None else min(begins_within, seconds)
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        end = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout(self._begins_within) as limit:
                answer = _Answer(send, limit, end)
                await self._take(scope, receive, answer)
        except TimeoutError:
            if not limit.expired() or answer.begun:
                raise
            await _LATE(scope, receive, send)

    async def _take(self, scope: Scope, receive: Receive, send: "_Answer") -> None:
        try:
            body = await read_body(receive, LARGEST_REQUEST)
        except Disconnected:
            return
        if body is None:
            words = f"body: is larger than {LARGEST_REQUEST} bytes; send a smaller one"
            await refuse(scope, receive, send, 413, words)
            return
        if self._most and self._inside >= self._most:
            await refuse(scope, receive, send, 503, f"{self._process.name}: {self._most} requests are there already")
            return
        self._inside += 1
        try:
            await self._answer(scope, receive, body, send)
        finally:
            self._inside -= 1

    async def _answer(self, scope: Scope, receive: Receive, body: bytes, send: "_Answer") -> None:
        broken = 0
        try:
            for _ in range(_TRIES):
                try:
                    async with self._process.instance() as instance, self._places or nullcontext():
                        await self._pass_on(scope, body, send, instance)
                    return
                except _Gone as error:
                    _LOG.warning("%s is gone (%s)", self._process.name, error)
                    broken += error.sent
                    if broken > 1:
                        words = f"{self._process.name} ended before it answered ({error}); try again"
                        await refuse(scope, receive, send, 502, words)
                        return
            await refuse(scope, receive, send, 503, f"{self._process.name} does not listen")
        except Unavailable as error:
            await refuse(scope, receive, send, 503, str(error))
        except _Broken as error:
            await refuse(scope, receive, send, 502, str(error))

    async def _pass_on(self, scope: Scope, body: bytes, send: "_Answer", instance: Instance) -> None:
        """
        Raises:
            _Gone: the process is gone and the request may be sent to the next one.
            _Broken: the connection broke; the function may have handled the request.
        """
        path = scope.get("raw_path") or scope["path"].encode()
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"] if n not in _HOP_BY_HOP]
        try:
            async with instance.session.request(
                scope["method"],
                _url(instance.url, path + query),
                data=body or None,
                headers=headers,
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
            ) as answer:
                kept = [(n.lower(), v) for n, v in answer.raw_headers if n.lower() not in _HOP_BY_HOP]
                await send({"type": "http.response.start", "status": answer.status, "headers": kept})
                async for part in answer.content.iter_chunked(_CHUNK):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except aiohttp.ClientConnectorError as error:
            await self._process.unreachable(instance)
            raise _Gone(str(error), sent=False) from error
        except (aiohttp.ClientError, ConnectionError, RuntimeError) as error:
            if send.begun:
                raise
            await self._process.unreachable(instance)
            if instance.alive:
                raise _Broken(f"{self._process.name} broke the connection ({error}); try again") from error
            raise _Gone(str(error), sent=True) from error


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, words: str) -> None:
    """Answer for a function that does not."""
    request_id = uuid.uuid4().hex
    scope.setdefault("state", {})["request_id"] = request_id
    headers = {"X-Request-ID": request_id, "Retry-After": "1"}
    await problem(scope, status, words, headers=headers)(scope, receive, send)


class _Gone(Exception):
    """The process has ended, and nothing of an answer came.

    Args:
        sent: the request may have reached a handler.
    """

    def __init__(self, words: str, sent: bool) -> None:
        super().__init__(words)
        self.sent = sent


class _Broken(Exception):
    """The process that broke the connection lives; it may have handled the request."""


class _Answer:
    """An answer on its way: once it begins, `limit` is put off to `end`."""

    def __init__(self, send: Send, limit: asyncio.Timeout, end: float) -> None:
        self._send = send
        self._limit = limit
        self._end = end
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if not self.begun:
            self.begun = True
            self._limit.reschedule(self._end)
        await self._send(message)


def _url(base: str, target: bytes) -> URL:
    return URL(base + target.decode("latin-1"), encoded=True)
