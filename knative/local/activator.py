"""A Service's address while its function is a process: requests are held until it is ready and passed on."""

import asyncio
import logging
import uuid
from typing import Final

import aiohttp
from starlette.types import Receive, Scope, Send
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
_LOG: Final = logging.getLogger("matchcast.local")


class Activator:
    """An ASGI application in front of a function's process.

    A request is bounded and held as a whole, so that it can be sent again; an answer streams. A request to a process
    that has ended before anything of an answer came is sent once more, to the next process: whether a handler had it
    cannot be told, so it may be handled twice, as any event may.

    Args:
        concurrency: how many requests are handled at once; ten times as many wait, more are refused. 0 sets no limit.
        seconds: from when the process is ready until the end of an answer.
    """

    def __init__(self, process: FunctionProcess, concurrency: int = 0, seconds: float = 300) -> None:
        self._process = process
        self._places = asyncio.Semaphore(concurrency) if concurrency else None
        self._most = concurrency * (1 + _WAITING)
        self._seconds = seconds
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
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

    async def _answer(self, scope: Scope, receive: Receive, body: bytes, send: Send) -> None:
        broken = 0
        try:
            for _ in range(_TRIES):
                try:
                    async with self._process.instance() as instance:
                        await self._within(scope, body, send, instance)
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
        except _Late as error:
            await refuse(scope, receive, send, 504, str(error))
        except _Broken as error:
            await refuse(scope, receive, send, 502, str(error))

    async def _within(self, scope: Scope, body: bytes, send: Send, instance: Instance) -> None:
        """
        Raises:
            _Late: the answer does not begin in time; one that does not end in time is cut off.
        """
        begun = asyncio.Event()
        try:
            async with asyncio.timeout(self._seconds):
                if self._places is None:
                    await self._pass_on(scope, body, send, instance, begun)
                else:
                    async with self._places:
                        await self._pass_on(scope, body, send, instance, begun)
        except TimeoutError as error:
            if begun.is_set():
                raise
            raise _Late(f"{self._process.name} did not answer within {self._seconds:g} s") from error

    async def _pass_on(self, scope: Scope, body: bytes, send: Send, instance: Instance, begun: asyncio.Event) -> None:
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
                begun.set()
                await send({"type": "http.response.start", "status": answer.status, "headers": kept})
                async for part in answer.content.iter_chunked(_CHUNK):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except aiohttp.ClientConnectorError as error:
            await self._process.unreachable(instance)
            raise _Gone(str(error), sent=False) from error
        except (aiohttp.ClientError, ConnectionError, RuntimeError) as error:
            if begun.is_set():
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


class _Late(Exception):
    """The time for an answer is over; the function may go on handling the request."""


def _url(base: str, target: bytes) -> URL:
    return URL(base + target.decode("latin-1"), encoded=True)
