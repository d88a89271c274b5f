"""A Service's address while its function is a process: requests are held until it is ready and passed on."""

import logging
from typing import Final

import aiohttp
from starlette.types import Receive, Scope, Send
from yarl import URL

from knative.local.ingress import read_body
from knative.local.processes import FunctionProcess
from matchcast.errors import Unavailable
from matchcast.web.problems import problem

LARGEST_REQUEST: Final = 1024 * 1024
_CHUNK: Final = 64 * 1024
_TRIES: Final = 3
_HOP_BY_HOP: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade".split()
)
_LOG: Final = logging.getLogger("matchcast.local")


class Activator:
    """An ASGI application in front of a function's process.

    A request is bounded and held as a whole, so that it can be sent again while nothing of it has arrived; an answer
    streams.
    """

    def __init__(self, process: FunctionProcess) -> None:
        self._process = process

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await read_body(receive, LARGEST_REQUEST)
        if body is None:
            await problem(scope, 413, f"body: is larger than {LARGEST_REQUEST} bytes; send a smaller one")(
                scope, receive, send
            )
            return
        try:
            for _ in range(_TRIES):
                if await self._pass_on(scope, body, send):
                    return
            await self._fail(scope, receive, send, f"{self._process.name} does not listen")
        except Unavailable as error:
            await self._fail(scope, receive, send, str(error))
        except _Broken as error:
            await self._fail(scope, receive, send, str(error), 502)

    async def _pass_on(self, scope: Scope, body: bytes, send: Send) -> bool:
        """False if the process was gone before anything was sent."""
        async with self._process.instance() as instance:
            path = scope.get("raw_path") or scope["path"].encode()
            query = b"?" + scope["query_string"] if scope["query_string"] else b""
            headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"] if n not in _HOP_BY_HOP]
            begun = False
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
                    begun = True
                    async for part in answer.content.iter_chunked(_CHUNK):
                        await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
                return True
            except aiohttp.ClientConnectorError as error:
                _LOG.warning("%s does not listen any more (%s)", self._process.name, error)
                await self._process.unreachable(instance)
                return False
            except (aiohttp.ClientError, OSError, RuntimeError) as error:
                if begun:
                    raise
                raise _Broken(f"{self._process.name} ended before it answered ({error}); try again") from error

    async def _fail(self, scope: Scope, receive: Receive, send: Send, words: str, status: int = 503) -> None:
        await problem(scope, status, words, headers={"Retry-After": "1"})(scope, receive, send)


class _Broken(Exception):
    """The connection broke; the function may have handled the request."""


def _url(base: str, target: bytes) -> URL:
    return URL(base + target.decode("latin-1"), encoded=True)
