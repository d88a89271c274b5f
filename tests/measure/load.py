"""Requests over connections that stay open, by a process of its own: a load that is the same for everything measured.

    python -m tests.measure.load PORT CONNECTIONS SECONDS < REQUESTS

Each connection sends its next request as soon as it has the answer to the one before. Standard input holds the requests
as they go over the line, packed by msgspec; they are sent in turn and over again. Standard output tells what happened, as
JSON of `Load`.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import cycle
from typing import Final, cast

import msgspec
import uvloop

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "
_OK: Final = b"HTTP/1.1 200"
_LATEST: Final = 30.0
"""Seconds that a last answer may take."""


class Load(msgspec.Struct, frozen=True):
    """What happened.

    Attributes:
        took: seconds from sending a request to the last byte of its answer, in order of the answers.
        seconds: from the first request to the last answer.
        refused: answers other than 200, as they came.
    """

    took: list[float]
    seconds: float
    refused: list[str]


class Connection(asyncio.Protocol):
    """One of those that ask."""

    def __init__(self, requests: "cycle[bytes]", until: float) -> None:
        self._requests = requests
        self._until = until
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._sent_at = 0.0
        self.took: Final[list[float]] = []
        self.refused: Final[list[bytes]] = []
        self.over: Final = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer = self._buffer + data if self._buffer else data
        head = buffer.find(_END_OF_HEAD)
        if head < 0:
            return
        start = buffer.lower().find(_LENGTH, 0, head) + len(_LENGTH)
        length = int(buffer[start : buffer.find(b"\r\n", start)])
        if len(buffer) < head + len(_END_OF_HEAD) + length:
            return
        now = time.perf_counter()
        self.took.append(now - self._sent_at)
        self._buffer = b""
        if not buffer.startswith(_OK):
            self.refused.append(buffer)
        if now < self._until:
            self._send()
        else:
            assert self._transport is not None
            self._transport.close()
            self.over.set_result(now)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(ConnectionResetError("the server closed the connection"))

    def _send(self) -> None:
        assert self._transport is not None
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._requests))


async def load(port: int, connections: int, seconds: float, requests: Sequence[bytes]) -> Load:
    """Ask for so many seconds."""
    turns, begun = cycle(requests), time.perf_counter()
    made = []
    for _ in range(connections):
        _, one = await asyncio.get_running_loop().create_connection(
            lambda: Connection(turns, begun + seconds), "127.0.0.1", port
        )
        made.append(one)
    async with asyncio.timeout(seconds + _LATEST):
        ended = await asyncio.gather(*(one.over for one in made))
    return Load(
        took=[took for one in made for took in one.took],
        seconds=max(ended) - begun,
        refused=[answer.decode() for one in made for answer in one.refused],
    )


def loaded(port: int, connections: int, seconds: float, requests: Sequence[bytes]) -> Load:
    """As `load`, by a process of its own.

    Raises:
        SystemExit: an answer was not 200, or there was none.
    """
    command = [sys.executable, "-m", __name__, str(port), str(connections), str(seconds)]
    done = subprocess.run(
        command, input=msgspec.msgpack.encode(list(requests)), stdout=subprocess.PIPE, check=False
    )  # its standard error is ours
    if done.returncode != 0:
        raise SystemExit("the load broke off")
    told = msgspec.json.decode(done.stdout, type=Load)
    if told.refused:
        raise SystemExit(f"{len(told.refused)} of {len(told.took)} answers were not 200, such as\n{told.refused[0]}")
    return told


def request(method: str, path: str, body: bytes | None = None, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """A request as it goes over the line."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers)]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + _END_OF_HEAD + (body or b"")


def main() -> None:
    port, connections, seconds = sys.argv[1:]
    requests = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=list[bytes])
    told = uvloop.run(load(int(port), int(connections), float(seconds), requests))
    sys.stdout.buffer.write(msgspec.json.encode(told))


if __name__ == "__main__":
    main()
