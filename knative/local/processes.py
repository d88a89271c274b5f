"""Scale to zero: a function is a process of its own, started on first traffic, stopped after idling.

As Knative's activator, whoever comes meanwhile is held, and nobody refused.
"""

import asyncio
import ctypes
import logging
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final

import aiohttp

from matchcast.errors import Unavailable

HOLD_SECONDS: Final = 30.0
READINESS_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
STOP_SECONDS: Final = 300.0
POLL_SECONDS: Final = 0.05
PROJECT: Final = Path(__file__).parents[2]

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None)
_LOG: Final = logging.getLogger("matchcast.local")


class State(StrEnum):
    """Where a function's process is."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


class Instance:
    """One process and the connections to it.

    Attributes:
        url: where it listens.
        session: its connections are never those to a process before it.
    """

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process: Final = process
        self.url: Final = url
        self.session: Final = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
        )
        self.ended: Final = asyncio.create_task(self._await())

    async def _await(self) -> int:
        code = await self.process.wait()
        await self.session.close()
        return code

    @property
    def alive(self) -> bool:
        return self.process.returncode is None


class FunctionProcess:
    """The process of one Service: at most one at a time.

    Args:
        name: of the Service.
        command: starts it; it listens on PORT.
        environment: all of it, but for its address.
        idle_seconds: without traffic, after which it is stopped.
        hold_seconds: how long a request waits for it to become ready.
        stop_seconds: how long it may take to end after SIGTERM.
    """

    def __init__(
        self,
        name: str,
        command: tuple[str, ...],
        environment: Mapping[str, str],
        idle_seconds: float,
        hold_seconds: float = HOLD_SECONDS,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        self.name: Final = name
        self._command = command
        self._environment = environment
        self._idle_seconds = idle_seconds
        self._hold_seconds = hold_seconds
        self._stop_seconds = stop_seconds
        self._instance: Instance | None = None
        self._ready = False
        self._stopping = False
        self._starting: asyncio.Task[Instance] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._in_flight = 0
        self._last_use = time.monotonic()
        self._closed = False

    @property
    def pid(self) -> int | None:
        return self._instance.process.pid if self._instance is not None and self._instance.alive else None

    @property
    def url(self) -> str | None:
        """Where it listens while it is ready; asking there is no traffic and does not keep it."""
        return self._instance.url if self._instance is not None and self.state is State.READY else None

    @property
    def state(self) -> State:
        if self._stopping:
            return State.STOPPING
        if self.pid is None:
            return State.STOPPED
        return State.READY if self._ready else State.STARTING

    @asynccontextmanager
    async def instance(self) -> AsyncIterator[Instance]:
        """The ready process; it is not stopped for idling until this is left.

        Raises:
            Unavailable: it does not become ready, or ends instead; says so. The next request tries anew.
        """
        self._in_flight += 1
        try:
            yield await self._started()
        finally:
            self._in_flight -= 1
            self._last_use = time.monotonic()

    async def unreachable(self, instance: Instance) -> None:
        """Say that a process that was ready does not listen any more."""
        await asyncio.wait([instance.ended], timeout=1)
        if instance is self._instance:
            self._ready = False

    async def _started(self) -> Instance:
        if self._ending is not None:
            await asyncio.shield(self._ending)
        if self._closed:
            raise Unavailable(f"{self.name} is being shut down")
        if self._instance is not None and self._instance.alive and self._ready:
            return self._instance
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(self._start_done)
        return await asyncio.shield(self._starting)

    def _start_done(self, task: "asyncio.Task[Instance]") -> None:
        self._starting = None
        if not task.cancelled():
            task.exception()  # those who wait for it are told

    async def _start(self) -> Instance:
        instance = self._instance
        if instance is None or not instance.alive:
            self._ready = False
            instance = self._instance = await self._spawn()
        deadline = time.monotonic() + self._hold_seconds
        reason = "it does not listen yet"
        while time.monotonic() < deadline and not self._closed:
            if not instance.alive:
                raise Unavailable(f"{self.name} ended with {instance.process.returncode} at its start; see the log")
            try:
                async with instance.session.get(f"{instance.url}/readyz", timeout=READINESS_TIMEOUT) as answer:
                    if answer.status == 200:
                        self._ready = True
                        _LOG.info("%s is ready (process %d)", self.name, instance.process.pid)
                        return instance
                    reason = (await answer.text())[:500]
            except (aiohttp.ClientError, OSError, RuntimeError) as error:
                reason = str(error)
            await asyncio.sleep(POLL_SECONDS)
        raise Unavailable(f"{self.name} is not ready after {self._hold_seconds:g} s: {reason}")

    async def _spawn(self) -> Instance:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *self._command,
            env={**self._environment, "PORT": str(port), "MATCHCAST_HOST": "127.0.0.1"},
            stdin=asyncio.subprocess.DEVNULL,
            cwd=PROJECT,
            start_new_session=True,  # Ctrl-C is the runtime's to handle
            preexec_fn=end_with_parent,
        )
        _LOG.info("%s: process %d starts at port %d", self.name, process.pid, port)
        return Instance(process, f"http://127.0.0.1:{port}")

    async def watch(self) -> None:
        """Stop the process whenever it has been idle for long enough; for ever."""
        while True:
            await asyncio.sleep(min(self._idle_seconds / 4, 1.0))
            idle = time.monotonic() - self._last_use
            if self.pid is not None and not self._in_flight and self._starting is None and idle >= self._idle_seconds:
                _LOG.info("%s is stopped after %.0f s without traffic", self.name, idle)
                await self.stop()

    async def stop(self) -> None:
        """SIGTERM, then wait; who asks for it meanwhile waits too and then gets a new process."""
        if self._ending is None and self._instance is not None:
            self._ending = asyncio.create_task(self._end(self._instance))
        if self._ending is not None:
            await asyncio.shield(self._ending)

    async def _end(self, instance: Instance) -> None:
        self._stopping = True
        try:
            if instance.alive:
                instance.process.terminate()
            try:
                await asyncio.wait_for(asyncio.shield(instance.ended), self._stop_seconds)
            except TimeoutError:
                _LOG.error("%s: process %d does not end; it is killed", self.name, instance.process.pid)
                instance.process.kill()
                await instance.ended
        finally:
            self._instance, self._ready, self._stopping, self._ending = None, False, False, None

    async def close(self) -> None:
        """Stop it for good."""
        self._closed = True
        if self._starting is not None:
            await asyncio.wait([self._starting])
        await self.stop()


def function_command(function: str) -> tuple[str, ...]:
    """What starts a function."""
    return (sys.executable, "-m", f"functions.{function}")


def end_with_parent() -> None:
    """In the child: SIGTERM when the runtime ends, however it ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
