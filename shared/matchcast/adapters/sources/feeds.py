"""Sources that are asked over the network: the `Feed` port.

Files come as `http_get` gets them; a browser visits the sites that need one (`whoscored`).
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from matchcast.adapters.sources.captured import parse_captured
from matchcast.adapters.sources.demo import DemoSource, fetch_demo
from matchcast.adapters.sources.football_data import EXTRA_DIVISIONS, FIXTURE_LISTS, FootballData
from matchcast.adapters.sources.http_get import AT_ONCE, Asker, Wanted, published
from matchcast.adapters.sources.openfootball import OpenFootball
from matchcast.domain.competitions import COMPETITIONS, Competition
from matchcast.errors import Unavailable
from matchcast.ports import Parsed
from matchcast.ports.feeds import RawFile, Visit, Window

_FIRST_SEASON: Final = 1993
_FIRST_OPENFOOTBALL_SEASON: Final = 2010


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
        return parse_captured(self.name, file, now)


class FootballDataFeed:
    """football-data.co.uk, or a server with the same files.

    The lists of matches to come where the window reaches today or later, then the seasons that it touches, from 1993/94
    on: what both tell of, the season's file has the last word about.

    Args:
        base_url: where `mmz4281/2425/E0.csv`, `new/ARG.csv` and `fixtures.csv` are.
        asker: who asks, and how slowly.
    """

    name = FootballData.name

    def __init__(self, base_url: str, asker: Asker = AT_ONCE) -> None:
        self._base_url = base_url
        self._asker = asker

    def fetch(self, window: Window, visit: Visit) -> Iterator[RawFile]:
        wanted = _football_data(window, visit.now)
        return published(self._base_url, wanted, visit, "MATCHCAST_FOOTBALL_DATA_URL", self._asker)

    def parse(self, file: RawFile, now: datetime) -> Parsed:
        return parse_captured(self.name, file, now)


class OpenFootballFeed:
    """openfootball's JSON files, or a server with the same files: a league's season each.

    Args:
        base_url: where `2024-25/en.1.json` is.
        asker: who asks, and how slowly.
    """

    name = OpenFootball.name

    def __init__(self, base_url: str, asker: Asker = AT_ONCE) -> None:
        self._base_url = base_url
        self._asker = asker

    def fetch(self, window: Window, visit: Visit) -> Iterator[RawFile]:
        return published(self._base_url, _openfootball(window), visit, "MATCHCAST_OPENFOOTBALL_URL", self._asker)

    def parse(self, file: RawFile, now: datetime) -> Parsed:
        return parse_captured(self.name, file, now)


def _football_data(window: Window, now: datetime) -> Iterator[Wanted]:
    told = list(_told_of(window, FootballData.name))
    lists = {FIXTURE_LISTS[code in EXTRA_DIVISIONS.values()] for _, code in told}
    if window.last_day >= now.date():
        yield from (Wanted(name, name) for name in FIXTURE_LISTS if name in lists)
    for competition, code in told:
        if code in EXTRA_DIVISIONS.values():
            yield Wanted(f"{code}.csv", f"new/{code}.csv")
            continue
        for season in _seasons(window, competition, _FIRST_SEASON):
            yield Wanted(f"{code}.csv", f"mmz4281/{season % 100:02}{(season + 1) % 100:02}/{code}.csv")


def _openfootball(window: Window) -> Iterator[Wanted]:
    for competition, code in _told_of(window, OpenFootball.name):
        for season in _seasons(window, competition, _FIRST_OPENFOOTBALL_SEASON):
            path = f"{season}-{(season + 1) % 100:02}/{code}.json"
            yield Wanted(path, path)


def _told_of(window: Window, source: str) -> Iterator[tuple[Competition, str]]:
    """The competitions of the window that a source has, and its codes for them."""
    for competition in COMPETITIONS:
        code = dict(competition.codes).get(source)
        if code is not None and (not window.tournaments or competition.id in window.tournaments):
            yield competition, code


def _seasons(window: Window, competition: Competition, first: int) -> range:
    return range(max(competition.season_of(window.first_day), first), competition.season_of(window.last_day) + 1)
