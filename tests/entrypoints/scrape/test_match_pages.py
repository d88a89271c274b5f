"""Match pages of a site like WhoScored's: when they are asked for again, and what an odd one does to the rest.

The site is asked without a browser, which `tests/browser` has.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from commands.main import app
from matchcast.adapters.browser import Answer, Browser
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import captures, match_stats, matches
from matchcast.adapters.sources.whoscored.visiting import WhoScoredFeed
from matchcast.events import MatchesIngested, ScrapeFailed, payload_of
from tests.browser.league import short_leagues
from tests.browser.site import Page, Site
from tests.entrypoints.recorder import deliver, reply_of
from tests.entrypoints.scraping import asks, function_of, rows, task
from tests.entrypoints.served import served

ADDRESS = "http://127.0.0.1:9"
WEEK = {"from": "2024-08-17", "to": "2024-08-18", "tournaments": ["england:premier-league"]}


@dataclass
class Plain:
    """Asks the site as a browser does whose scripts are all run."""

    site: Site
    path: str = ""

    def open(self, url: str) -> Answer:
        return self.read(url)

    def value(self, name: str) -> bytes | None:
        assert name == "allRegions"
        regions = [
            {"id": one.region_id, "name": one.region,
             "tournaments": [{"id": one.tournament_id, "name": one.name, "url": f"{one.path}/{one.slug}"}]}
            for one in self.site.leagues
        ]  # fmt: skip
        return json.dumps(regions).encode()

    def read(self, url: str, etag: str | None = None, last_modified: str | None = None) -> Answer:
        parts = urlsplit(url)
        page = self.site.answer(parts.path + (f"?{parts.query}" if parts.query else ""), "", etag)
        headers = dict(page.headers)
        if page.status == 302:
            return self.read(ADDRESS + headers["Location"], etag)
        told = headers.get("Retry-After")
        return Answer(
            url, page.status, page.media_type, page.body, headers.get("ETag"), retry_after=int(told) if told else None
        )


@dataclass
class Visits:
    """Visits of the site at any time."""

    site: Site
    settings: dict[str, str]
    database: Database
    pages: list[str] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)

    def at(self, now: datetime) -> MatchesIngested | ScrapeFailed:
        """Visit it; `pages` are then the numbers of the match pages that were asked for, `result` that of the task."""
        self.site.now = now
        self.site.forget()

        def browser() -> AbstractContextManager[Browser]:
            return nullcontext(cast(Browser, Plain(self.site)))

        feed = WhoScoredFeed(ADDRESS, 4, browser, sleep=lambda seconds: None)
        event = asks("whoscored", now.isoformat(), **WEEK)
        with served(function_of(feed, self.settings, now=lambda: now)) as client:
            reply = reply_of(deliver(client, event))
        assert reply is not None
        done = task(self.database, event.data["task_id"])
        self.result = dict(done.result or {})
        self.pages = [
            path.split("/")[2] for path in self.site.paths if path.startswith("/matches/") and path.endswith("/live")
        ]
        if reply.type.endswith("ingested"):
            return payload_of(reply, MatchesIngested)
        return payload_of(reply, ScrapeFailed)

    def stored(self) -> dict[str, tuple[int | None, int | None]]:
        return {row.source_id: (row.home_goals, row.away_goals) for row in rows(self.database, matches)}

    def counted(self) -> int:
        """How many matches have their shots."""
        return sum(row.home_shots is not None for row in rows(self.database, match_stats))


@pytest.fixture
def visits(settings: dict[str, str], database: Database) -> Visits:
    return Visits(Site(short_leagues(), EVENING), settings, database)


FIRST = short_leagues()[0].games[0]
EVENING = FIRST.kickoff_at + timedelta(hours=10)
MONDAY = FIRST.kickoff_at + timedelta(days=2)
PAGE = f"/matches/{FIRST.id}/live/"


def corrected(site: Site) -> tuple[int, int]:
    """The first match's score, as the site tells it from now on."""
    league = site.leagues[0]
    goals = FIRST.goals[0] + 1, FIRST.goals[1]
    game = replace(FIRST, goals=goals, on_target=(9, 9), shots=(12, 12))
    site.leagues = replace(league, games=(game, *league.games[1:])), *site.leagues[1:]
    return goals


@pytest.fixture
def rebuilt(
    settings: dict[str, str], database: Database, migrated_sqlite: Path, tmp_path: Path
) -> Iterator[Callable[[], Database]]:
    """What `matchcast reparse` makes of the captures in a database that has nothing else."""
    anew = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'anew.db')}")

    def made() -> Database:
        with anew.writing() as connection:
            connection.execute(insert(captures), [row._asdict() for row in rows(database, captures)])
        environment = settings | {"MATCHCAST_DATABASE_URL": f"sqlite:///{anew.file}"}
        done = CliRunner().invoke(app, ["reparse", "--source", "whoscored"], env=environment)
        assert done.exit_code == 0, done.output
        return anew

    yield made
    anew.close()


@pytest.mark.parametrize("page_follows", [True, False], ids=["on its page too", "in the feed only"])
def test_a_corrected_result_lands_and_is_rebuilt_too(
    visits: Visits, rebuilt: Callable[[], Database], page_follows: bool
) -> None:
    """The page that was kept is older than the feed; it is asked for again where the two contradict one another."""
    visits.at(MONDAY)
    assert visits.stored()[str(FIRST.id)] == FIRST.goals
    goals = corrected(visits.site)
    if not page_follows:
        visits.site.trouble[PAGE] = lambda page: Page(b"", 304)
    visits.at(MONDAY + timedelta(days=1))
    assert visits.pages == [str(FIRST.id)]
    assert visits.stored()[str(FIRST.id)] == goals
    (again,) = [row for row in rows(rebuilt(), matches) if row.source_id == str(FIRST.id)]
    assert (again.home_goals, again.away_goals) == goals
    visits.at(MONDAY + timedelta(days=2))
    assert visits.stored()[str(FIRST.id)] == goals
    assert visits.pages == ([] if page_follows else [str(FIRST.id)])


@pytest.mark.parametrize(
    ("now", "early"),
    [
        (EVENING, {b'"statusCode": 6': b'"statusCode": 3', b'"elapsed": "FT"': b'"elapsed": "88"'}),
        (EVENING, {b'"stats"': b'"statistics"', b'"incidentEvents"': b'"events"'}),
        (FIRST.kickoff_at + timedelta(hours=3), {b"</html>": b"</html> "}),
    ],
    ids=["still in play", "not counted yet", "soon after the match"],
)
def test_a_page_that_was_taken_too_early_is_asked_for_again(
    visits: Visits, now: datetime, early: dict[bytes, bytes]
) -> None:
    def as_it_was(page: Page) -> Page:
        body = page.body
        for later, then in early.items():
            assert later in body
            body = body.replace(later, then)
        return Page(body)

    visits.site.trouble[PAGE] = as_it_was
    visits.at(now)
    assert str(FIRST.id) in visits.pages
    counted = visits.counted()
    visits.site.trouble.clear()
    visits.at(MONDAY)
    assert str(FIRST.id) in visits.pages
    assert visits.stored()[str(FIRST.id)] == FIRST.goals
    assert visits.counted() > counted
    visits.at(MONDAY + timedelta(days=1))
    assert visits.pages == []


def test_a_page_that_has_no_statistics_after_three_days_is_not_asked_for_again(visits: Visits) -> None:
    def uncounted(page: Page) -> Page:
        body = page.body.replace(b'"stats"', b'"none"').replace(b'"incidentEvents"', b'"no"')
        return Page(body + visits.site.now.isoformat().encode())

    visits.site.trouble[PAGE] = uncounted
    asked = []
    for days in range(3):
        visits.at(MONDAY + timedelta(days=days))
        asked.append(str(FIRST.id) in visits.pages)
    assert asked == [True, True, False]


def test_a_page_that_is_not_there_is_asked_for_once_a_day(visits: Visits) -> None:
    visits.site.trouble[f"/matches/{FIRST.id}/"] = lambda page: Page(b"<html><h1>No such match</h1></html>", 404)
    asked = []
    for hours in (0, 8, 16, 25):
        assert isinstance(visits.at(MONDAY + timedelta(hours=hours)), MatchesIngested)
        asked.append(str(FIRST.id) in visits.pages)
        assert any("answered 404" in line for line in visits.result["rejected"])
    assert asked == [True, False, False, True]
    visits.site.trouble.clear()
    visits.at(MONDAY + timedelta(hours=50))
    assert visits.pages == [str(FIRST.id)]


def odd(page: Page) -> Page:
    return Page(page.body.replace(b"matchCentreData", b"centre"))


def test_one_odd_page_among_good_ones_is_rejected_with_its_key_and_asked_for_again(visits: Visits) -> None:
    visits.site.trouble[PAGE] = odd
    assert isinstance(visits.at(MONDAY), MatchesIngested)
    assert visits.stored()[str(FIRST.id)] == FIRST.goals
    (line,) = visits.result["rejected"]
    assert "matchCentreData is missing" in line
    assert "see captures/whoscored/2024-08-19/" in line
    assert [row.name for row in rows(visits.database, captures) if row.problem is not None] == [
        f"match/{FIRST.id}.html"
    ]
    visits.site.trouble.clear()
    visits.at(MONDAY + timedelta(hours=1))
    assert visits.pages == [str(FIRST.id)]
    assert visits.result["rejected"] == []


def test_pages_of_which_none_can_be_read_are_a_changed_layout_and_asked_for_no_further(visits: Visits) -> None:
    visits.site.trouble["/live/"] = odd
    failed = visits.at(MONDAY)
    assert isinstance(failed, ScrapeFailed)
    assert failed.problem.type.endswith("layout-changed")
    assert len(visits.pages) == 3
    assert visits.stored() == {}


def test_one_odd_match_of_a_feed_keeps_no_other_from_being_stored(visits: Visits) -> None:
    number = f'"id": {FIRST.id}, "status": 6'.encode()
    visits.site.trouble["/livescores/data"] = lambda page: Page(
        page.body.replace(number, f'"id": {FIRST.id}, "status": "over"'.encode())
    )
    assert isinstance(visits.at(MONDAY), MatchesIngested)
    assert str(FIRST.id) not in visits.stored()
    assert len(visits.stored()) == 2
    assert any("status: Expected `int`" in line for line in visits.result["rejected"])


def test_a_web_page_in_the_place_of_a_feed_leaves_the_site_alone_for_an_hour(visits: Visits) -> None:
    visits.site.trouble["/livescores/data"] = lambda page: Page(b"<html><h1>We have moved</h1></html>")
    failed = visits.at(MONDAY)
    assert isinstance(failed, ScrapeFailed)
    assert failed.problem.type.endswith("layout-changed")
    visits.site.trouble.clear()
    assert isinstance(visits.at(MONDAY + timedelta(minutes=59)), ScrapeFailed)
    assert visits.site.paths == []
    assert isinstance(visits.at(MONDAY + timedelta(minutes=61)), MatchesIngested)


@pytest.mark.parametrize("refusal", [Page(b"", 202), Page(b"legal", 451), Page(b'{"message": "Too Many Requests"}')])
def test_a_visit_that_is_refused_late_goes_on_there_when_the_site_may_be_asked_again(
    visits: Visits, refusal: Page
) -> None:
    visits.site.trouble[f"/matches/{short_leagues()[0].games[2].id}/"] = lambda page: refusal
    failed = visits.at(MONDAY)
    assert isinstance(failed, ScrapeFailed)
    assert failed.problem.type.endswith("source-blocked")
    first = list(visits.pages)
    assert len(first) > 1
    assert visits.stored() == {}
    visits.site.trouble.clear()
    assert isinstance(visits.at(MONDAY + timedelta(days=2)), MatchesIngested)
    assert not set(visits.pages) & set(first[:-1])
    assert first[-1] in visits.pages
    assert visits.counted() == 3
