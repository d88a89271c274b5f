"""A process that takes an event, and kills itself at a point of the scrape.

Args: the point, the folder of the pages. The environment is the function's; the event's JSON comes on standard input.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx

from matchcast.adapters.cloudevents import event_http
from matchcast.domain.event import Event
from tests.entrypoints.scraping import Pages, function_of

POINTS: Final = ("after the object", "after the capture", "in the parser", "in the load", "after the load")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Dying:
    """Death after so many calls of a method."""

    def __init__(self, method: str, calls: int) -> None:
        self._method = method
        self._left = calls

    def around(self, inner: Any) -> Any:
        return _Around(inner, self._method, self.count)

    def count(self) -> None:
        self._left -= 1
        if self._left == 0:
            die()


class _Around:
    def __init__(self, inner: Any, method: str, count: Callable[[], None]) -> None:
        self._inner = inner
        self._method = method
        self._count = count

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name != self._method:
            return found

        def called(*given: Any, **named: Any) -> Any:
            result = found(*given, **named)
            self._count()
            return result

        return called


def _as_it_is(thing: Any) -> Any:
    return thing


def main(point: str, folder: Path) -> None:
    object_put, capture_added, parsed = Dying("put", 2), Dying("add", 2), Dying("parse", 2)
    loaded = Dying("load", 1)
    feed: Any = Pages(folder)
    web = function_of(
        parsed.around(feed) if point == "in the parser" else feed,
        os.environ,
        objects=object_put.around if point == "after the object" else _as_it_is,
        captures=capture_added.around if point == "after the capture" else _as_it_is,
        store=loaded.around if point == "in the load" else _as_it_is,
    )
    told = json.loads(sys.stdin.read())
    headers, body = event_http(Event(**told | {"time": datetime.fromisoformat(told["time"])}))

    async def deliver() -> None:
        transport = httpx.ASGITransport(web)
        async with httpx.AsyncClient(transport=transport, base_url="http://function", timeout=60) as client:
            await client.post("/", headers=headers, content=body)

    asyncio.run(deliver())
    die()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
