"""Sources that are asked over the network: the `Feed` port."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import httpx

from matchcast.adapters.sources.demo import DemoSource, fetch_demo
from matchcast.adapters.sources.football_data import EXTRA_DIVISIONS, FIXTURE_LISTS, FootballData
from matchcast.domain.competitions import COMPETITIONS
from matchcast.errors import BadSource, Unavailable
from matchcast.ports import Parsed
from matchcast.ports.events import Deadline
from matchcast.ports.feeds import RawFile, Visit, Window

LARGEST_ANSWER: Final = 16 * 1024 * 1024
_SECONDS: Final = 20.0
_NOT_PUBLISHED: Final = frozenset((300, 404))
"""football-data.co.uk lists look-alikes with a 300 where a file does not exist."""
_PASSING: Final = frozenset((408, 425, 429))


class DemoFeed:
    """The matches of the demo package, as if it were `now`: those of earlier days have results.

    Args:
        wheel: the package's file; None to download it with uv or pip on first use.
        folder: where a downloaded one is kept.
    """

    name = DemoSource.name

    def __init__(self, wheel: Path | None, folder: Path) -> None:
        self._wheel = wheel
        self._folder = folder

    def fetch(self, window: Window, visit: Visit) -> Iterator[RawFile]:
        path = self._wheel or fetch_demo(self._folder)
        visit.deadline.check()
        try:
            content = path.read_bytes()
        except OSError as error:
            raise Unavailable(f"{path}: cannot be read ({error.strerror}); correct MATCHCAST_DEMO_WHEEL") from error
        yield RawFile(path.name, f"pypi:{path.name}", "application/zip", content)

    def parse(self, file: RawFile, now: datetime) -> Parsed:
        return DemoSource(now.date()).parse(file.content, file.name)


class FootballDataFeed:
    """football-data.co.uk, or a server with the same files.

    The seasons that the window touches, and the lists of matches to come where it reaches today or later. No other
    host than that of `base_url` is ever asked: redirects are not followed.

    Args:
        base_url: where `mmz4281/2425/E0.csv`, `new/ARG.csv` and `fixtures.csv` are.
    """

    name = FootballData.name

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")

    def fetch(self, window: Window, visit: Visit) -> Iterator[RawFile]:
        found = False
        paths = list(dict.fromkeys(_paths(window, visit.now)))
        with httpx.Client(timeout=_SECONDS, headers={"User-Agent": "matchcast"}) as client:
            for path in paths:
                visit.deadline.check()
                file = _get(client, f"{self._base_url}/{path}", visit.deadline)
                if file is not None:
                    found = True
                    yield file
        if not found:
            raise BadSource(
                f"source: {self._base_url} has none of the {len(paths)} files of this window; "
                "choose other days or tournaments",
                "source",
            )

    def parse(self, file: RawFile, now: datetime) -> Parsed:
        return FootballData().parse(file.content, file.name)


def _paths(window: Window, now: datetime) -> Iterator[str]:
    for competition in COMPETITIONS:
        code = dict(competition.codes).get(FootballData.name)
        if code is None or (window.tournaments and competition.id not in window.tournaments):
            continue
        if code in EXTRA_DIVISIONS.values():
            yield f"new/{code}.csv"
            continue
        for season in range(competition.season_of(window.first_day), competition.season_of(window.last_day) + 1):
            yield f"mmz4281/{season % 100:02}{(season + 1) % 100:02}/{code}.csv"
    if window.last_day >= now.date():
        yield from FIXTURE_LISTS


def _get(client: httpx.Client, url: str, deadline: Deadline) -> RawFile | None:
    """A file; None where it is not published."""
    try:
        with client.stream("GET", url) as answer:
            status = answer.status_code
            if status in _NOT_PUBLISHED:
                return None
            if status >= 500 or status in _PASSING:
                raise Unavailable(f"{url}: the server answered {status}; try again later")
            if status != 200:
                raise BadSource(f"source: {url} answered {status}; correct MATCHCAST_FOOTBALL_DATA_URL", "source")
            content = bytearray()
            for part in answer.iter_bytes():
                deadline.check()
                content += part
                if len(content) > LARGEST_ANSWER:
                    raise BadSource(f"source: {url} is larger than {LARGEST_ANSWER >> 20} MiB; is it a CSV?", "source")
            media_type = answer.headers.get("content-type", "application/octet-stream")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(f"{url}: {error}; check the address and the network, then try again") from error
    return RawFile(url.rsplit("/", 1)[1], url, media_type, bytes(content))
