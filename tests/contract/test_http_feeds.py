"""Sources over plain HTTP, visited again and again."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime

import pytest
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from matchcast.adapters.clock import Timer
from matchcast.adapters.sources.feeds import FootballDataFeed, OpenFootballFeed
from matchcast.adapters.sources.http_get import Asker
from matchcast.domain.match import MatchStatus, Odds, OddsMoment
from matchcast.errors import BadSource, LayoutChanged, SourceBlocked, TimedOut, Unavailable
from matchcast.ports.feeds import Feed, RawFile, Visit, Window
from tests.entrypoints.served import served
from tests.entrypoints.shelf import Shelf

NOW = datetime(2025, 3, 1, 9, tzinfo=UTC)
HEADER = "Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR,B365H,B365D,B365A,B365CH,B365CD,B365CA\n"
E0 = HEADER + "E0,22/02/2025,15:00,Arsenal,Wolves,2,0,H,1.5,4,6,1.4,4.5,7\n"
LATELY = Window(date(2025, 2, 20), date(2025, 2, 26), frozenset({"england:premier-league"}))
COMING = Window(date(2025, 2, 20), date(2025, 3, 9), frozenset({"england:premier-league", "england:championship"}))
PATHS = ["fixtures.csv", "mmz4281/2425/E0.csv", "mmz4281/2425/E1.csv"]
FIXTURES = "Div,Date,Time,HomeTeam,AwayTeam,B365H,B365D,B365A\nE0,08/03/2025,15:00,Fulham,Spurs,2,3,4\n"


@dataclass
class Keeper:
    """What a use case does with a source, without a store."""

    files: dict[str, RawFile] = field(default_factory=dict)
    captured: list[str] = field(default_factory=list)

    def visit(self, feed: Feed, window: Window, now: datetime, since: datetime | None = None) -> Iterator[RawFile]:
        for file in feed.fetch(window, Visit(now, since or now, Timer(20), self.files.get)):
            kept = file
            if file.taken_at is None:
                kept = file._replace(taken_at=now)
                self.captured.append(file.name)
                if file.status == 200:
                    self.files[file.url] = kept
            feed.parse(kept, now)
            yield kept


@pytest.fixture
def shelf() -> Shelf:
    return Shelf({PATHS[0]: FIXTURES, PATHS[1]: E0, PATHS[2]: E0.replace("E0,", "E1,")})


@pytest.fixture
def feed(shelf: Shelf) -> Iterator[FootballDataFeed]:
    with served(shelf) as client:
        yield FootballDataFeed(str(client.base_url))


@pytest.mark.parametrize("validator", ["etag", "date", "none"])
def test_a_second_visit_asks_whether_anything_changed_and_keeps_only_that(
    feed: FootballDataFeed, shelf: Shelf, validator: str
) -> None:
    """A server that tells no validators sends all again; what is the same is not kept again."""
    keeper = Keeper()
    shelf.etags = validator == "etag"
    if validator == "date":
        shelf.modified = dict.fromkeys(PATHS, "Fri, 28 Feb 2025 17:00:00 GMT")
    first = list(keeper.visit(feed, COMING, NOW))
    assert (shelf.asked, shelf.sent) == (PATHS, PATHS)
    shelf.sent.clear()
    assert list(keeper.visit(feed, COMING, NOW + timedelta(hours=1))) == first
    assert shelf.asked == PATHS * 2
    assert shelf.sent == ([] if validator != "none" else PATHS)
    assert len(keeper.captured) == 3
    shelf.files[PATHS[1]] += "E0,01/03/2025,15:00,Wolves,Arsenal,2,0,H,1.5,4,6,1.4,4.5,7\n"
    shelf.modified = {path: f"Fri, 28 Feb 2025 17:00:0{path == PATHS[1]:d} GMT" for path in shelf.modified}
    third = list(keeper.visit(feed, COMING, NOW + timedelta(hours=2)))
    assert [new is old for new, old in zip(third, first, strict=True)] == [True, False, True]
    assert keeper.captured[3:] == ["E0.csv"]


def test_a_visit_that_broke_off_goes_on_where_it_was(feed: FootballDataFeed, shelf: Shelf) -> None:
    keeper = Keeper()
    visit = keeper.visit(feed, COMING, NOW)
    next(visit), next(visit)
    del visit
    assert len(list(keeper.visit(feed, COMING, NOW + timedelta(minutes=5), since=NOW))) == 3
    assert shelf.asked == PATHS


def test_an_answer_that_breaks_off_is_asked_for_again(feed: FootballDataFeed, shelf: Shelf) -> None:
    keeper = Keeper()
    shelf.broken = frozenset({PATHS[1]})
    with pytest.raises(Unavailable, match=r"E0\.csv"):
        list(keeper.visit(feed, COMING, NOW))
    assert keeper.captured == ["fixtures.csv"]
    shelf.broken = frozenset()
    assert len(list(keeper.visit(feed, COMING, NOW + timedelta(minutes=5), since=NOW))) == 3
    assert shelf.asked == [*PATHS[:2], *PATHS[1:]]


@pytest.mark.parametrize(
    ("status", "told", "seconds"),
    [
        (403, "", None),
        (429, "", None),
        (429, "120", 120),
        (429, "9" * 12, 30 * 24 * 3600),
        (429, "9" * 5000, 30 * 24 * 3600),
        (429, "Sat, 01 Mar 2025 10:00:00 GMT", 0),
        (429, "Sat, 01 Mar 999999999999999999999 10:00:00 GMT", None),
        (429, "soon", None),
    ],
)
def test_a_refusal_is_kept_told_and_the_end_of_the_visit(
    feed: FootballDataFeed, shelf: Shelf, status: int, told: str, seconds: int | None
) -> None:
    keeper = Keeper()
    shelf.status, shelf.headers = status, {"Retry-After": told} if told else {}
    with pytest.raises(SourceBlocked, match=f"it answered {status}") as raised:
        list(keeper.visit(feed, COMING, NOW))
    assert raised.value.retry_after == seconds
    assert keeper.captured == ["fixtures.csv"]
    assert len(list(feed.fetch(COMING, Visit(NOW, NOW, Timer(20), lambda url: None)))) == 1
    assert shelf.asked == PATHS[:1] * 2


def test_an_instant_to_come_back_at_counts_from_the_answer_and_not_from_our_clock(
    feed: FootballDataFeed, shelf: Shelf
) -> None:
    shelf.status = 429
    shelf.headers = {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)}
    with pytest.raises(SourceBlocked) as raised:
        list(Keeper().visit(feed, COMING, NOW))
    assert 3500 < (raised.value.retry_after or 0) <= 3600


@pytest.mark.parametrize("status", [200, 503])
def test_a_challenge_page_is_a_refusal_whatever_its_status(feed: FootballDataFeed, shelf: Shelf, status: int) -> None:
    page = "<html><head><title>Just a moment...</title></head><body></body></html>"
    if status == 200:
        shelf.files[PATHS[0]] = page
    else:
        shelf.status, shelf.body = status, page
    keeper = Keeper()
    with pytest.raises(SourceBlocked, match="a Cloudflare challenge"):
        list(keeper.visit(feed, COMING, NOW))
    assert (shelf.asked, keeper.captured) == (PATHS[:1], PATHS[:1])


def test_a_file_of_another_layout_is_told_with_its_address(feed: FootballDataFeed, shelf: Shelf) -> None:
    shelf.files[PATHS[1]] = "<html>we moved</html>"
    with pytest.raises(LayoutChanged, match=r"this is a web page.*mmz4281/2425/E0\.csv"):
        list(Keeper().visit(feed, COMING, NOW))
    shelf.files[PATHS[1]] = "Division;When;Who\n1;2;3\n"
    with pytest.raises(LayoutChanged, match="column Div, Date"):
        list(Keeper().visit(feed, COMING, NOW))


def test_one_connection_is_used_and_one_request_made_at_a_time(shelf: Shelf) -> None:
    from_where, at_once = set(), 0

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal at_once
        if scope["type"] == "http":
            at_once += 1
            assert at_once == 1
            from_where.add(scope["client"])
        await shelf(scope, receive, send)
        if scope["type"] == "http":
            at_once -= 1

    with served(counting) as client:
        list(Keeper().visit(FootballDataFeed(str(client.base_url)), COMING, NOW))
    assert (shelf.asked, len(from_where)) == (PATHS, 1)


def test_every_request_says_who_asks_and_there_is_a_pause_of_its_own_length_between_two(shelf: Shelf) -> None:
    """What is taken as it was kept needs none."""
    agents: list[str] = []
    slept: list[float] = []
    drawn = iter((0.5, 1.5))

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            agents.append(Headers(scope=scope)["User-Agent"])
        await shelf(scope, receive, send)

    with served(noting) as client:
        asker = Asker("ops@example.org", 1.8, slept.append, lambda low, high: next(drawn))
        feed, keeper = FootballDataFeed(str(client.base_url), asker), Keeper()
        list(keeper.visit(feed, COMING, NOW))
        list(keeper.visit(feed, COMING, NOW))
    assert agents == ["matchcast (+ops@example.org)"] * 3
    assert slept == pytest.approx([0.9, 1.0, 1.0, 0.7])
    assert shelf.asked == PATHS


def test_a_pause_is_over_when_the_time_is(shelf: Shelf) -> None:
    with served(shelf) as client, pytest.raises(TimedOut):
        feed = FootballDataFeed(str(client.base_url), Asker(None, 600, lambda seconds: None))
        list(feed.fetch(COMING, Visit(NOW, NOW, Timer(0), lambda url: None)))
    assert len(shelf.asked) <= 1


def test_an_answer_that_never_ends_is_left_when_the_time_is_over() -> None:
    async def dripping(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Shelf()(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"Div,", "more_body": True})
            await asyncio.sleep(0.01)

    with served(dripping) as client, pytest.raises(TimedOut):
        list(FootballDataFeed(str(client.base_url)).fetch(LATELY, Visit(NOW, NOW, Timer(0.3), lambda url: None)))


def test_every_season_since_1993_is_asked_for_and_the_years_before_are_not(
    feed: FootballDataFeed, shelf: Shelf
) -> None:
    window = Window(date(1990, 1, 1), date(2025, 2, 26), frozenset({"england:premier-league"}))
    shelf.files["mmz4281/9394/E0.csv"] = "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,,\nE0,14/08/93,A,B,2,1,H,,\n"
    files = list(Keeper().visit(feed, window, NOW))
    assert [path.split("/")[1] for path in shelf.asked] == [
        f"{year % 100:02}{(year + 1) % 100:02}" for year in range(1993, 2025)
    ]
    assert [file.url[-16:] for file in files] == ["4281/9394/E0.csv", "4281/2425/E0.csv"]
    shelf.asked.clear()
    with pytest.raises(BadSource, match="has none of the 0 files"):
        list(Keeper().visit(feed, window._replace(last_day=date(1992, 1, 1)), NOW))
    assert shelf.asked == []


def test_the_price_of_a_match_to_come_was_taken_when_its_file_was(feed: FootballDataFeed, shelf: Shelf) -> None:
    """Kept prices do not grow younger; those of results say themselves which is which, and not when."""
    keeper = Keeper()
    for _ in range(2):
        files = list(keeper.visit(feed, COMING, NOW))
        (coming,) = feed.parse(files[0], NOW + timedelta(days=1)).rows
        assert (coming.status, coming.odds) == (
            MatchStatus.UPCOMING,
            (Odds("B365", OddsMoment.OPENING, 2, 3, 4, NOW),),
        )
        (played,) = feed.parse(files[1], NOW).rows
        assert played.odds == (
            Odds("B365", OddsMoment.OPENING, 1.5, 4, 6),
            Odds("B365", OddsMoment.CLOSING, 1.4, 4.5, 7),
        )


def test_a_price_first_seen_after_kick_off_has_no_instant(feed: FootballDataFeed, shelf: Shelf) -> None:
    file = RawFile("fixtures.csv", "/fixtures.csv", "text/csv", FIXTURES.encode())
    kickoff = datetime(2025, 3, 8, 15, tzinfo=UTC)
    instants = [feed.parse(file, at).rows[0].odds[0].taken_at for at in (kickoff - timedelta(seconds=1), kickoff)]
    assert instants == [kickoff - timedelta(seconds=1), None]
    undated = file._replace(content=FIXTURES.replace("15:00", "").encode())
    midnight = kickoff.replace(hour=0)
    assert feed.parse(undated, midnight).rows[0].odds[0].taken_at is None


def test_the_list_of_the_new_leagues_tells_opening_prices_and_their_results_closing_ones(
    feed: FootballDataFeed, shelf: Shelf
) -> None:
    header = "Country,League,Date,Time,Home,Away,PH,PD,PA,AvgH,AvgD,AvgA\n"
    shelf.files = {
        "new_league_fixtures.csv": header + "Argentina,Liga,08/03/2025,22:00,Boca Juniors,Lanus,1.9,3.4,4.5,,,\n",
        "new/ARG.csv": header.replace("PH", "HG,AG,Res,PH")
        + "Argentina,Liga,01/02/2025,22:00,Lanus,Boca Juniors,1,0,H,2,3,4,,,\n",
    }
    window = COMING._replace(tournaments=frozenset({"argentina:primera-division"}))
    coming, results = Keeper().visit(feed, window, NOW)
    assert shelf.asked == ["new_league_fixtures.csv", "new/ARG.csv"]
    assert feed.parse(coming, NOW).rows[0].odds == (Odds("PS", OddsMoment.OPENING, 1.9, 3.4, 4.5, NOW),)
    assert feed.parse(results, NOW).rows[0].odds == (Odds("PS", OddsMoment.CLOSING, 2, 3, 4),)


def test_a_closing_price_of_a_match_not_begun_is_none(feed: FootballDataFeed) -> None:
    text = HEADER + "E0,08/03/2025,15:00,Fulham,Spurs,,,,2,3,4,1.9,3,4\n"
    parsed = feed.parse(RawFile("E0.csv", "/E0.csv", "text/csv", text.encode()), NOW)
    assert parsed.rows[0].odds == (Odds("B365", OddsMoment.OPENING, 2, 3, 4, NOW),)
    assert [row.reason for row in parsed.rejected] == ["B365 closing price is told of a match without a score; dropped"]


def test_openfootball_has_a_file_for_each_league_and_season_of_the_window() -> None:
    matches = [{"date": "2025-03-08", "time": "15:00", "team1": "A FC", "team2": "B FC"}]
    shelf = Shelf({"2024-25/en.1.json": json.dumps({"name": "English Premier League 2024/25", "matches": matches})})
    keeper = Keeper()
    with served(shelf) as client:
        feed = OpenFootballFeed(f"{client.base_url}/")
        summer = Window(date(2024, 6, 1), date(2025, 2, 26), frozenset({"england:premier-league", "italy:serie-a"}))
        (file,) = keeper.visit(feed, summer, NOW)
        assert shelf.asked == [f"{s}/{c}.1.json" for c in ("en", "it") for s in ("2023-24", "2024-25")]
        (match,) = feed.parse(file, NOW).rows
        assert (match.source, match.season, match.tournament) == ("openfootball", 2024, "england:premier-league")
        assert list(keeper.visit(feed, summer, NOW + timedelta(days=1))) == [file]
        assert shelf.sent == ["2024-25/en.1.json"]
        shelf.files["2024-25/en.1.json"] = "[]"
        with pytest.raises(LayoutChanged, match="there is no list `matches`"):
            list(keeper.visit(feed, summer, NOW + timedelta(days=2)))
        shelf.asked.clear()
        with pytest.raises(BadSource, match="none of the 0 files"):
            list(keeper.visit(feed, summer._replace(tournaments=frozenset({"usa:mls"})), NOW))
        assert shelf.asked == []
