"""A server of files of our own making, as an ASGI application."""

import hashlib
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


@dataclass
class Shelf:
    """Answers GET with the files it has, by path, and 404 for others; `status` other than 200 is answered to all,
    with `headers` and `body`.

    Each file has an ETag, and a Last-Modified where `modified` tells one; asked whether one of these still holds, the
    answer is a 304. `sent` are the paths of the files that went out whole.
    """

    files: dict[str, str] = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    asked: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    etags: bool = True
    modified: dict[str, str] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    """Paths whose answer breaks off in the middle."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        path = scope["path"].removeprefix("/")
        self.asked.append(path)
        if self.status != 200:
            answer = Response(self.body, self.status, self.headers)
        elif path in self.broken:
            answer = Response("Div,Da", headers={"Content-Length": "1000"})
        elif path in self.files:
            answer = self._file(path, Headers(scope=scope))
        else:
            answer = Response("not here", 404)
        await answer(scope, receive, send)

    def _file(self, path: str, asked: Headers) -> Response:
        content = self.files[path]
        told = {}
        if self.etags:
            told["ETag"] = f'"{hashlib.sha256(content.encode()).hexdigest()[:16]}"'
        if path in self.modified:
            told["Last-Modified"] = self.modified[path]
        condition = "If-None-Match" if "If-None-Match" in asked else "If-Modified-Since"
        validator = "ETag" if condition == "If-None-Match" else "Last-Modified"
        if validator in told and asked.get(condition) == told[validator]:
            return Response("", 304, told)
        self.sent.append(path)
        return Response(content, media_type="text/csv", headers=told)
