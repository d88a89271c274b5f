"""Whole visits of a site by the function `scrape`, with a real browser."""

from contextlib import AbstractContextManager, nullcontext
from datetime import date, timedelta
from typing import Any

import pytest

from functions.scrape.main import app as scrape_app
from matchcast.adapters.browser import Browser
from matchcast.adapters.sources.whoscored.visiting import WhoScoredFeed
from matchcast.errors import BadInput, TimedOut
from matchcast.ports.feeds import RawFile, Visit, Window
from tests.browser.site import Page, Site
from tests.browser.troubles import FEED, FRONT, html
from tests.browser.visits import CONTACT, DAYS, NOW, SEASON, Visiting, asking


class Never:
    """A deadline that is far away."""

    def check(self) -> None:
        pass

    def left(self) -> float:
        return 3600.0


def expected(site: Site, first: str, last: str) -> dict[str, tuple[int, Any]]:
    """Status and goals of the site's matches of these days, by id."""
    found = {}
    for league in site.leagues:
        for game in league.games:
            if first <= game.kickoff_at.date().isoformat() <= last:
                status = game.status_at(site.now)
                found[str(game.id)] = status, game.goals if status == 6 else (None, None)
    return found


@pytest.mark.parametrize("asked", [DAYS, pytest.param(SEASON, marks=pytest.mark.slow)], ids=["by days", "by months"])
def test_a_window_is_in_the_store_as_the_site_tells_it(visiting: Visiting, asked: dict[str, Any]) -> None:
    """Every status, goals of those played, statistics and referee of their pages; asked one by one, saying who asks."""
    site = visiting.site
    outcome = visiting.visit(asked)
    assert outcome.event == "matches.ingested", outcome
    wanted = expected(site, asked["from"], asked["to"])
    stored = visiting.stored()
    assert {id_: (row.status, (row.home_goals, row.away_goals)) for id_, row in stored.items()} == wanted
    if asked is SEASON:
        assert {status for status, _ in wanted.values()} == {1, 2, 3, 5, 6, 7, 8}
    stats = visiting.stats()
    for league in site.leagues:
        for game in league.games:
            row = stored.get(str(game.id))
            if row is not None and row.status == 6:
                told = stats[row.id]
                assert (told.home_shots, told.away_shots_on_target) == (game.shots[0], game.on_target[1])
                assert row.referee == f"R. Whistler {game.id % 7}"
    assert site.together == 1
    assert site.elsewhere == []
    assert len(set(site.paths)) == len(site.paths)
    assert {asked.agent.rpartition(" matchcast ")[2] for asked in site.asked} == {f"(+{CONTACT})"}


def test_only_the_tournaments_asked_for_are_visited(visiting: Visiting) -> None:
    outcome = visiting.visit(SEASON | {"tournaments": ["scotland:premiership"]})
    assert outcome.event == "matches.ingested"
    assert {row.tournament_id for row in visiting.stored().values()} == {"scotland:premiership"}
    assert not [path for path in visiting.site.paths if "/18001/" in path or "/tournaments/2/" in path]


def test_between_two_requests_there_is_a_pause_of_half_the_mean_to_one_and_a_half(visiting: Visiting) -> None:
    """Its length is drawn anew each time; in slices, so that a handler whose time is over need not wait for its end."""
    drawn: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return low + (high - low) * (len(drawn) % 3) / 2

    visiting.feed._uniform = uniform
    visiting.visit()
    requests = len([path for path in visiting.site.paths if "/live/" not in path])
    assert drawn == [(0.5, 1.5)] * (requests - 1)
    assert max(visiting.pauses) <= 1.0
    assert sum(visiting.pauses) == pytest.approx(sum(4 * (0.5 + 1.0 * (n % 3) / 2) for n in range(1, requests)))


def test_a_pause_ends_when_the_time_is_over(site: Site, browser: Browser) -> None:
    class Over:
        asked = 0

        def check(self) -> None:
            self.asked += 1
            if self.asked > 3:
                raise TimedOut("over")

        def left(self) -> float:
            return 3600.0

    slept: list[float] = []
    feed = WhoScoredFeed(site.url, 600, lambda: nullcontext(browser), sleep=slept.append)
    files = feed.fetch(Window(date(2024, 10, 12), date(2024, 10, 13)), Visit(NOW, NOW, Over(), lambda url: None))
    with pytest.raises(TimedOut):
        list(files)
    assert len(slept) == 3
    assert site.paths == ["/"]


@pytest.mark.slow
def test_a_second_visit_asks_whether_feeds_changed_and_for_no_match_page(visiting: Visiting) -> None:
    """And the list of tournaments is kept once a day."""
    visiting.visit(SEASON)
    site, before = visiting.site, visiting.stored()
    captured = len(visiting.captured())
    site.forget()
    outcome = visiting.visit(SEASON)
    assert outcome.data["counts"] == {"inserted": 0, "updated": 0, "unchanged": len(before), "rejected": 0}
    assert not [path for path in site.paths if path.startswith("/matches/")]
    feeds = [
        asked for asked in site.asked if "/data/" in asked.path or asked.path.startswith("/regions/252/tournaments/2/e")
    ]
    assert len(feeds) > 4
    assert all(asked.condition for asked in feeds)
    assert visiting.stored() == before
    again = visiting.captured()[captured:]
    assert {capture.name.partition("/")[0] for capture in again} == {"calendar"}
    assert len([one for one in visiting.captured() if one.name == "tiers.json"]) == 1


def test_a_match_that_was_played_since_is_an_update_and_its_page_is_read(visiting: Visiting) -> None:
    visiting.visit()
    site = visiting.site
    site.now = NOW + timedelta(hours=14)
    site.forget()
    outcome = visiting.visit()
    assert outcome.data["counts"]["updated"] == 2
    pages = [path for path in site.paths if path.startswith("/matches/") and "/live/" not in path]
    assert len(pages) == 2


def test_a_visit_that_broke_off_goes_on_where_it_was(visiting: Visiting) -> None:
    """The broker delivers the event again; what was captured is not asked for again."""
    site, event = visiting.site, asking(DAYS)
    site.trouble[FEED] = html("oops", 500)
    assert visiting.visit(event=event).status == 503
    first = list(site.paths)
    site.trouble.clear()
    site.forget()
    outcome = visiting.visit(event=event)
    assert outcome.event == "matches.ingested"
    assert set(site.paths) & set(first) == {"/", first[-1]}
    assert len(visiting.stored()) == 12


def test_a_source_that_turned_us_away_is_left_alone_for_as_long_as_it_says(visiting: Visiting) -> None:
    site = visiting.site
    site.trouble[FRONT] = html("slower", 429, ("Retry-After", "5400"))
    first = visiting.visit()
    assert "until 2024-10-20 10:30:0" in first.problem
    asked = len(site.asked)
    site.trouble.clear()
    second = visiting.visit()
    assert (second.event, len(site.asked)) == ("scrape.failed", asked)
    assert "2024-10-20 10:30:0" in second.problem
    assert visiting.stored() == {}


def test_match_pages_that_the_time_is_too_short_for_are_left_to_the_next_visit_of_these_days(
    visiting: Visiting,
) -> None:
    """Results come with every visit, statistics bit by bit: a deadline must not keep a month of many leagues away."""
    kept: dict[str, RawFile] = {}

    def pages() -> int:
        return sum(path.startswith("/matches/") for path in visiting.site.paths)

    class Short(Never):
        def left(self) -> float:
            return 100.0 if pages() < 4 else 20.0

    def visit(deadline: Never) -> tuple[set[str], list[str]]:
        notes: list[str] = []
        given = Visit(NOW, NOW, deadline, kept.get, notes.append)
        for file in visiting.feed.fetch(Window(date(2024, 10, 12), date(2024, 10, 20)), given):
            kept[file.url] = file._replace(taken_at=NOW)
        return {file.name for file in kept.values() if file.name.startswith("match/")}, notes

    some, notes = visit(Short())
    whole, nothing = visit(Never())
    assert notes == [f"{len(whole) - len(some)} of {len(whole)} match pages are left to the next scrape of these days"]
    assert 0 < len(some) < len(whole)
    assert not nothing
    assert visit(Short()) == (whole, [])


def test_what_was_kept_before_this_visit_is_enough_without_a_browser(site: Site) -> None:
    """None is started when nothing is asked."""
    kept = {
        f"{site.url}/livescores/data?d=202410{day}": RawFile(
            f"day/202410{day}.json", "", "application/json", b'{"tournaments": []}', taken_at=NOW
        )
        for day in range(11, 15)
    }

    def none() -> AbstractContextManager[Browser]:
        raise AssertionError("a browser was opened")

    feed = WhoScoredFeed(site.url, 4, none)
    files = list(feed.fetch(Window(date(2024, 10, 12), date(2024, 10, 13)), Visit(NOW, NOW, Never(), kept.get)))
    assert files == list(kept.values())


def test_the_source_is_off_until_it_has_an_address_and_a_contact(tmp_path: Any) -> None:
    settings = {"K_SINK": "http://127.0.0.1:9", "MATCHCAST_WHOSCORED_URL": "http://127.0.0.1:9"}
    with pytest.raises(BadInput, match="MATCHCAST_CONTACT: is missing"):
        scrape_app(settings)
    with pytest.raises(BadInput, match="is neither an e-mail address nor the URL of a page"):
        scrape_app(settings | {"MATCHCAST_CONTACT": "me"})
    assert scrape_app(settings | {"MATCHCAST_CONTACT": CONTACT})


def test_the_captures_of_the_real_site_come_through_the_browser_as_they_are(
    site: Site, browser: Browser, real_data: Any
) -> None:
    """Byte for byte; the block page as what it is."""
    real = real_data / "whoscored"
    served = {
        "month/18001/202010.json": ("/tournaments/18001/data/?d=202010", "tournaments_data_feed_202010.json", 34),
        "match/1650630.html": ("/matches/1650630/live", "match_page_1650630.html", 1),
    }
    feed = WhoScoredFeed(site.url, 4, lambda: nullcontext(browser))
    browser.open(site.url + "/")
    for name, (path, file, count) in served.items():
        content = (real / file).read_bytes()
        site.trouble[path.replace("?", r"\?")] = lambda _, content=content: Page(content)  # type: ignore[misc]
        answer = browser.read(site.url + path)
        assert answer.content == content
        assert len(feed.parse(RawFile(name, site.url + path, "", answer.content), NOW).rows) == count
    blocked = (real / "blocked_incapsula.html").read_bytes()
    site.trouble[FRONT] = lambda _: Page(blocked)
    assert browser.open(site.url + "/").content == blocked
