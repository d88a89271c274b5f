"""Ports of the loopback interface, an application each, served by one server."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from matchcast.errors import Unavailable
from matchcast.web.app import KEEP_ALIVE

_LOG: Final = logging.getLogger("matchcast.local")
_STOP_SECONDS: Final = 10


class Listeners:
    """Ports are open from `open` on; requests are answered from `start` on and wait until then."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._apps: dict[int, ASGIApp] = {}
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    def open(self, port: int = 0) -> str:
        """The URL of a new listener.

        Raises:
            Unavailable: the port is taken.
        """
        try:
            opened = socket.create_server(("127.0.0.1", port), backlog=2048)
        except OSError as error:
            raise Unavailable(f"port {port} cannot be listened on ({error}); give another one") from error
        self._sockets.append(opened)
        return f"http://127.0.0.1:{opened.getsockname()[1]}"

    def serve(self, url: str, app: ASGIApp) -> None:
        """Let an application answer at the URL."""
        self._apps[int(url.rpartition(":")[2])] = app

    async def start(self) -> None:
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            lifespan="off",
            ws="none",
            proxy_headers=False,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(self._sockets))
        while not self._server.started:
            if self._task.done():
                await self._task
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Let requests in flight finish."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
        self.close()

    def close(self) -> None:
        for opened in self._sockets:
            opened.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._apps[scope["server"][1]](scope, receive, send)


class _Server(uvicorn.Server):
    """Leaves signals to the server of the front."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
