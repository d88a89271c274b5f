"""A server of files of our own making, as an ASGI application."""

from dataclasses import dataclass, field

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


@dataclass
class Shelf:
    """Answers GET with the files it has, by path, and 404 for others; `status` other than 200 is answered to all."""

    files: dict[str, str] = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

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
            answer = Response("", self.status, self.headers)
        elif path in self.files:
            answer = Response(self.files[path], media_type="text/csv")
        else:
            answer = Response("not here", 404)
        await answer(scope, receive, send)
