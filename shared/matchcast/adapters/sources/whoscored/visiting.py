"""Visiting WhoScored with a browser: slowly, one page after the other, saying who we are."""

import random
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import date, datetime, timedelta
from typing import Final
from urllib.parse import urljoin

from matchcast.adapters.browser import Answer, Browser
from matchcast.adapters.manners import pause
from matchcast.adapters.sources.whoscored import (
    Stage,
    WhoScored,
    block_reason,
    days_of,
    seasons_of,
    stages_of,
    tournaments_of,
)
from matchcast.domain.competitions import COMPETITION_BY_ID, COMPETITIONS, Competition
from matchcast.domain.match import MatchStatus, RejectedRow, SourceMatch
from matchcast.errors import BadSource, LayoutChanged, SourceBlocked, Unavailable
from matchcast.ports import Parsed
from matchcast.ports.feeds import RawFile, Visit, Window

LONGEST_BY_DAY: Final = 16
"""Days of a window that is read day by day; a longer one is read month by month."""
_JSON: Final = "application/json"
_TIERS: Final = "tiers.json"
_TIERS_KEPT: Final = timedelta(days=1)
_SPARE_SHARE: Final = 4
"""Of a visit's time, one in so many parts is for reading and loading what was fetched."""
_GONE: Final = frozenset((404, 410))
_GONE_FOR: Final = timedelta(days=1)
"""A match page that was not there is not asked for again for so long."""
_SETTLED_AFTER: Final = timedelta(hours=6)
"""Counted from kick-off: a page taken earlier may still change."""
_WITHOUT_STATS_AFTER: Final = timedelta(days=3)
"""Counted from kick-off: statistics that a page did not have by then will not come."""
_NO_FEED_FOR: Final = 3600
"""Seconds for which a site is left alone that shows a web page in the place of a feed."""

Asked = Generator[RawFile, None, RawFile]


class WhoScoredFeed:
    """WhoScored, or a server with pages like it.

    The front page first, as a person opens it. A window of few days is read from the live scores of each and of the
    days around them, for the site's day is not UTC's; a longer one from the calendars of its tournaments, and the month
    feeds they name. Then the page of every match that was played in a tournament known by its code, until it says no
    more than it did; those for which there is no time are left to later visits of these days. A page that refuses ends
    the visit: it is not asked again, nor is anything else.

    Args:
        site: its address, `https://www.whoscored.com`.
        mean_pause: seconds between two requests; each pause is between half of it and one and a half.
        browser: opens one.
        sleep, uniform: as those of `time` and `random`.
    """

    name = WhoScored.name

    def __init__(
        self,
        site: str,
        mean_pause: float,
        browser: Callable[[], AbstractContextManager[Browser]],
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.site = site.rstrip("/") + "/"
        self.browser = browser
        self._mean_pause = mean_pause
        self._sleep = sleep
        self._uniform = uniform

    def fetch(self, window: Window, visit: Visit) -> Iterator[RawFile]:
        played: dict[str, tuple[SourceMatch, datetime]] = {}
        spare = visit.deadline.left() / _SPARE_SHARE
        with ExitStack() as leaving:
            walk = _Walk(self, visit, leaving)
            by_day = (window.last_day - window.first_day).days < LONGEST_BY_DAY
            for file in (_by_day if by_day else _by_month)(walk, window):
                yield file
                if file.name.startswith(("day/", "month/")):
                    rows = self.parse(file, visit.now).rows
                    played |= {
                        row.source_id: (row, file.taken_at or visit.now)
                        for row in rows
                        if row.status is MatchStatus.FINISHED
                        and row.tournament in COMPETITION_BY_ID
                        and window.holds(row)
                    }
            left = 0
            for match, (told, told_at) in played.items():
                name, path = f"match/{match}.html", f"/matches/{match}/live"
                kept, missing = walk.kept(path), walk.missing(path)
                last = missing or kept
                files: Iterable[RawFile] = () if last is None else (last,)
                if missing is None and (kept is None or not self._is_final(kept, told, told_at)):
                    if visit.deadline.left() > spare or (kept is not None and walk.is_of_this_visit(kept)):
                        files = walk.read(name, path)
                    else:
                        left += 1
                for file in files:
                    yield file._replace(supplement=file.name.startswith("match/"))
            if left:
                visit.note(f"{left} of {len(played)} match pages are left to the next scrape of these days")

    def parse(self, file: RawFile, now: datetime) -> Parsed:
        reason = block_reason(file.content, file.status)
        if reason is not None:
            raise SourceBlocked(f"{file.url}: {reason}", retry_after=file.retry_after)
        if file.status in _GONE and file.name.startswith("match/"):
            return Parsed([], [RejectedRow(1, f"{file.url} answered {file.status}; its statistics are not known")])
        if file.status != 200:
            raise LayoutChanged(
                f"source: {file.url} answered {file.status}; is MATCHCAST_WHOSCORED_URL the site?", "source"
            )
        try:
            return WhoScored().parse(file.content, file.name)
        except LayoutChanged as error:
            if file.name.endswith(".json") and file.content.lstrip()[:1] == b"<":
                error.leave_alone_for = _NO_FEED_FOR
            raise

    def _is_final(self, page: RawFile, told: SourceMatch, told_at: datetime) -> bool:
        """Whether a kept match page need not be asked for again.

        Args:
            told: what a feed said of the match.
            told_at: when it did.
        """
        taken_at = page.taken_at or told_at
        try:
            rows = self.parse(page, taken_at).rows
        except BadSource:
            return False
        age = taken_at - told.kickoff_at
        if age < _SETTLED_AFTER:
            return False
        row = rows[0] if rows else None
        if row is None or row.stats is None:
            return age >= _WITHOUT_STATS_AFTER
        agrees = (row.status, row.home_goals, row.away_goals) == (told.status, told.home_goals, told.away_goals)
        return agrees or taken_at >= told_at

    def pause(self, visit: Visit) -> None:
        """Wait before the next request; stops where the time is over."""
        pause(self._mean_pause, visit.deadline, self._sleep, self._uniform)


def _by_day(walk: "_Walk", window: Window) -> Iterator[RawFile]:
    for number in range(-1, (window.last_day - window.first_day).days + 2):
        day = f"{window.first_day + timedelta(days=number):%Y%m%d}"
        yield from walk.read(f"day/{day}.json", f"/livescores/data?d={day}")


def _by_month(walk: "_Walk", window: Window) -> Iterator[RawFile]:
    tiers = yield from walk.tiers()
    paths = {tournament.id: tournament.path for tournament in tournaments_of(tiers.content)}
    wanted = [
        (competition, code)
        for competition in COMPETITIONS
        if (code := dict(competition.codes).get(WhoScored.name)) in paths
        and (not window.tournaments or competition.id in window.tournaments)
    ]
    if not wanted:
        raise BadSource(f"source: {walk.feed.site} lists none of these tournaments; choose others", "source")
    for competition, code in wanted:
        for stage in (yield from _stages(walk, competition, str(code), paths[code], window)):
            calendar = yield from walk.open(f"calendar/{stage.id}.json", stage.path, variable="wsCalendar")
            for month in _months(calendar, window):
                yield from walk.read(f"month/{stage.id}/{month}.json", f"/tournaments/{stage.id}/data/?d={month}")


def _stages(
    walk: "_Walk", competition: Competition, code: str, path: str, window: Window
) -> Generator[RawFile, None, list[Stage]]:
    """Those of the seasons that the window touches."""
    page = yield from walk.read(f"tournament/{code}.html", path)
    shown = stages_of(page.content, page.name)
    seasons = range(competition.season_of(window.first_day), competition.season_of(window.last_day) + 1)
    found: list[Stage] = []
    for season in reversed(seasons_of(page.content, page.name)):
        if not season.name[:4].isdecimal() or int(season.name[:4]) not in seasons:
            continue
        stages = [stage for stage in shown if f"/seasons/{season.id}/" in stage.path.lower()]
        if not stages:
            page = yield from walk.read(f"tournament/{code}-{season.id}.html", season.path)
            stages = list(stages_of(page.content, page.name))
        found += stages
    return found


def _months(calendar: RawFile, window: Window) -> list[str]:
    """YYYYMM of the days with matches in the window; the calendar's day is not UTC's."""

    def near(day: date) -> bool:
        return window.first_day - timedelta(days=1) <= day <= window.last_day + timedelta(days=1)

    days = filter(near, days_of(calendar.content, calendar.name))
    return list(dict.fromkeys(f"{day:%Y%m}" for day in days))


class _Walk:
    """The requests of one visit, one after the other. Nothing is asked, and no browser started, before it must be."""

    def __init__(self, feed: WhoScoredFeed, visit: Visit, leaving: ExitStack) -> None:
        self.feed = feed
        self._visit = visit
        self._leaving = leaving
        self._inside: tuple[Browser, RawFile] | None = None

    def tiers(self) -> Asked:
        """The list of tournaments, which the front page holds; asked for once a day."""
        kept = self._kept_tiers()
        if kept is not None:
            return (yield from _taken(kept))
        return (yield from self._enter())[1]

    def read(self, name: str, path: str) -> Asked:
        """What the site's scripts fetch."""
        url = urljoin(self.feed.site, path)
        kept = self._visit.kept(url)
        if kept is not None and self.is_of_this_visit(kept):
            return (yield from _taken(kept))
        browser, _ = yield from self._enter()
        self.feed.pause(self._visit)
        answer = browser.read(url, *((kept.etag, kept.last_modified) if kept is not None else ()))
        if answer.status == 304 and kept is not None:
            return (yield from _taken(kept))
        return (yield from _taken(_file(name, url, answer)))

    def kept(self, path: str) -> RawFile | None:
        """What was kept, at whatever time."""
        return self._visit.kept(urljoin(self.feed.site, path))

    def missing(self, path: str) -> RawFile | None:
        """What the site answered lately, and last, where it had nothing."""
        file, kept = self._visit.missing(urljoin(self.feed.site, path)), self.kept(path)
        if file is None or file.taken_at is None or file.taken_at <= self._visit.now - _GONE_FOR:
            return None
        later = kept is not None and kept.taken_at is not None and kept.taken_at > file.taken_at
        return None if later else file

    def open(self, name: str, path: str, variable: str) -> Asked:
        """A variable of a page's scripts; the page itself where it has none."""
        url = urljoin(self.feed.site, path)
        kept = self._visit.kept(url)
        if kept is not None and self.is_of_this_visit(kept):
            return (yield from _taken(kept))
        browser, _ = yield from self._enter()
        self.feed.pause(self._visit)
        return (yield from _taken(_opened(browser, name, url, variable)))

    def _enter(self) -> Generator[RawFile, None, tuple[Browser, RawFile]]:
        """Open the front page, once. What it says is told if it is new, or if it is no front page."""
        if self._inside is None:
            self._visit.deadline.check()
            browser = self._leaving.enter_context(self.feed.browser())
            front = _opened(browser, _TIERS, self.feed.site, "allRegions")
            self._inside = browser, front
            if self._kept_tiers() is None or front.media_type != _JSON or front.status != 200:
                yield from _taken(front)
        return self._inside

    def _kept_tiers(self) -> RawFile | None:
        kept = self._visit.kept(self.feed.site)
        fresh = kept is not None and kept.taken_at is not None and kept.taken_at > self._visit.now - _TIERS_KEPT
        return kept if fresh else None

    def is_of_this_visit(self, kept: RawFile) -> bool:
        return kept.taken_at is not None and kept.taken_at >= self._visit.since


def _taken(file: RawFile) -> Asked:
    """Hand it over; a visit ends where it was refused."""
    yield file
    reason = block_reason(file.content, file.status)
    if reason is not None:
        raise SourceBlocked(f"{file.url}: {reason}", retry_after=file.retry_after)
    return file


def _opened(browser: Browser, name: str, url: str, variable: str) -> RawFile:
    answer = browser.open(url)
    value = browser.value(variable) if answer.status == 200 else None
    if value is not None:
        answer = answer._replace(content=value, media_type=_JSON)
    return _file(name, url, answer)


def _file(name: str, url: str, answer: Answer) -> RawFile:
    """As it is kept.

    Raises:
        Unavailable: the site says that it cannot now.
    """
    if answer.status >= 500 and block_reason(answer.content, answer.status) is None:
        raise Unavailable(f"{url}: the server answered {answer.status}; try again later")
    return RawFile(
        name, url, answer.media_type, answer.content, answer.status, answer.etag, answer.last_modified,
        retry_after=answer.retry_after,
    )  # fmt: skip
