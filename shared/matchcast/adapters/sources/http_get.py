"""Files of a source over plain HTTP: asked for one after the other, over one connection, and only if they changed."""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import httpx

from matchcast.adapters.manners import agent, pause, seconds_to_wait
from matchcast.adapters.sources.whoscored.blocks import block_reason
from matchcast.errors import BadSource, Unavailable
from matchcast.ports.feeds import RawFile, Visit

LARGEST_ANSWER: Final = 16 * 1024 * 1024
_SECONDS: Final = 20.0
_NOT_PUBLISHED: Final = frozenset((300, 404, 410))
"""football-data.co.uk lists look-alikes with a 300 where a file does not exist."""
_PASSING: Final = frozenset((408, 425))
_REFUSED: Final = frozenset((401, 403, 429))
_PERHAPS_REFUSED: Final = 503
"""Of a server that is down, or of a challenge page before one that is not."""


class Asker(NamedTuple):
    """How files are asked for.

    Attributes:
        contact: where whoever asks can be reached, sent with every request; None tells only that Matchcast asks.
        mean_pause: seconds between two requests; each pause is between half of it and one and a half.
        sleep, uniform: as those of `time` and `random`.
    """

    contact: str | None = None
    mean_pause: float = 0
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform


AT_ONCE: Final = Asker()
"""Nameless, and without a pause: for a server of one's own."""


class Wanted(NamedTuple):
    """A file that may be published: its name for the parser, and its path below the base address."""

    name: str
    path: str


def published(base_url: str, wanted: Iterable[Wanted], visit: Visit, setting: str, asker: Asker) -> Iterator[RawFile]:
    """Those of the files that there are, in the same order.

    A file that was kept since the visit was first asked for is not asked for again; one that is kept from before comes as
    it is kept unless it changed. A refusal (401, 403, 429, a challenge page) comes as the file it is, and is the last.
    Redirects are not followed, so no other host is ever asked.

    Args:
        setting: what to correct where the address is wrong.
        asker: who asks, and how slowly.
    Raises:
        BadSource: none of the files is there, one is too large, or the server answers as no such server should.
        Unavailable: it cannot be reached, fails, or breaks off.
    """
    paths = list(dict.fromkeys(wanted))
    found = asked = False
    headers = {"User-Agent": agent(asker.contact)}
    with httpx.Client(timeout=_SECONDS, headers=headers, follow_redirects=False) as client:
        for name, path in paths:
            visit.deadline.check()
            url = f"{base_url.rstrip('/')}/{path}"
            kept = visit.kept(url)
            if kept is not None and kept.taken_at is not None and kept.taken_at >= visit.since:
                file: RawFile | None = kept
            else:
                if asked:
                    pause(asker.mean_pause, visit.deadline, asker.sleep, asker.uniform)
                asked = True
                file = _get(client, name, url, kept, visit, setting)
            if file is not None:
                found = True
                yield file
                if file.status != 200:
                    return
    if not found:
        raise BadSource(
            f"source: {base_url} has none of the {len(paths)} files of this window; choose other days or tournaments",
            "source",
        )


def _get(client: httpx.Client, name: str, url: str, kept: RawFile | None, visit: Visit, setting: str) -> RawFile | None:
    """A file, the one that is kept if it did not change; None where it is not published."""
    content = bytearray()
    try:
        with client.stream("GET", url, headers=_conditions(kept)) as answer:
            status = answer.status_code
            if status == 304 and kept is not None:
                return kept
            if status in _NOT_PUBLISHED:
                return None
            if (status >= 500 and status != _PERHAPS_REFUSED) or status in _PASSING:
                raise _failing(url, status)
            if status not in (200, _PERHAPS_REFUSED) and status not in _REFUSED:
                raise BadSource(f"source: {url} answered {status}; correct {setting}", "source")
            for part in answer.iter_bytes():
                visit.deadline.check()
                content += part
                if len(content) > LARGEST_ANSWER:
                    raise BadSource(
                        f"source: {url} is larger than {LARGEST_ANSWER >> 20} MiB; is it a file of matches?", "source"
                    )
            headers = answer.headers
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(f"{url}: {error}; check the address and the network, then try again") from error
    if status == 200 and kept is not None and kept.content == content:
        return kept
    if status == _PERHAPS_REFUSED and block_reason(bytes(content), status) is None:
        raise _failing(url, status)
    return RawFile(
        name,
        url,
        headers.get("content-type", "application/octet-stream"),
        bytes(content),
        status,
        headers.get("etag"),
        headers.get("last-modified"),
        retry_after=seconds_to_wait(headers.get("retry-after", ""), headers.get("date", "")),
    )


def _failing(url: str, status: int) -> Unavailable:
    return Unavailable(f"{url}: the server answered {status}; try again later")


def _conditions(kept: RawFile | None) -> dict[str, str]:
    told = {} if kept is None else {"If-None-Match": kept.etag, "If-Modified-Since": kept.last_modified}
    return {name: value for name, value in told.items() if value}
