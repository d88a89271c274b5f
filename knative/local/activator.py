"""A Service's address while its function is a process: requests are held until it is ready and passed on."""

import logging
import uuid
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
_SAFE: Final = frozenset({"GET", "HEAD"})
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
            words = f"body: is larger than {LARGEST_REQUEST} bytes; send a smaller one"
            await refuse(scope, receive, send, 413, words)
            return
        try:
            for _ in range(_TRIES):
                if await self._pass_on(scope, body, send):
                    return
            await refuse(scope, receive, send, 503, f"{self._process.name} does not listen")
        except Unavailable as error:
            await refuse(scope, receive, send, 503, str(error))
        except _Broken as error:
            await refuse(scope, receive, send, 502, str(error))

    async def _pass_on(self, scope: Scope, body: bytes, send: Send) -> bool:
        """False if the process is gone and the request may be sent to the next one."""
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
                if scope["method"] in _SAFE:
                    await self._process.unreachable(instance)
                    return False
                raise _Broken(f"{self._process.name} ended before it answered ({error}); try again") from error


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, words: str) -> None:
    """Answer for a function that does not."""
    request_id = uuid.uuid4().hex
    scope.setdefault("state", {})["request_id"] = request_id
    headers = {"X-Request-ID": request_id, "Retry-After": "1"}
    await problem(scope, status, words, headers=headers)(scope, receive, send)


class _Broken(Exception):
    """The connection broke; the function may have handled the request."""


def _url(base: str, target: bytes) -> URL:
    return URL(base + target.decode("latin-1"), encoded=True)
