"""Sources asked over the network."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from matchcast.adapters.clock import Timer
from matchcast.adapters.sources import http_get
from matchcast.adapters.sources.captured import parse_captured
from matchcast.adapters.sources.feeds import DemoFeed, FootballDataFeed
from matchcast.domain.match import MatchStatus
from matchcast.errors import BadSource, LayoutChanged, TimedOut, Unavailable
from matchcast.ports.feeds import RawFile, Visit, Window
from tests.entrypoints.served import served
from tests.entrypoints.shelf import Shelf

NOW = datetime(2025, 3, 1, 9, tzinfo=UTC)
HEADER = "Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR\n"
E0 = HEADER + "E0,22/02/2025,15:00,Arsenal,Wolves,2,0,H\n"
LATELY = Window(date(2025, 2, 20), date(2025, 2, 26), frozenset({"england:premier-league"}))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf({"mmz4281/2425/E0.csv": E0})


@pytest.fixture
def feed(shelf: Shelf) -> Iterator[FootballDataFeed]:
    with served(shelf) as client:
        yield FootballDataFeed(f"{client.base_url}/")


def visit(seconds: float = 20) -> Visit:
    return Visit(NOW, NOW, Timer(seconds), lambda url: None)


def fetch(feed: FootballDataFeed, window: Window = LATELY, seconds: float = 20) -> list[RawFile]:
    return list(feed.fetch(window, visit(seconds)))


def test_the_seasons_and_divisions_of_the_window_are_read(feed: FootballDataFeed, shelf: Shelf) -> None:
    (file,) = fetch(feed)
    assert shelf.asked == ["mmz4281/2425/E0.csv"]
    assert (file.name, file.content, file.media_type) == ("E0.csv", E0.encode(), "text/csv; charset=utf-8")
    assert file.url.endswith("/mmz4281/2425/E0.csv")
    (match,) = feed.parse(file, NOW).rows
    assert (match.home_team, match.home_goals) == ("Arsenal", 2)


def test_a_window_over_the_summer_touches_two_seasons_and_one_without_tournaments_all_divisions(
    feed: FootballDataFeed, shelf: Shelf
) -> None:
    fetch(
        feed, Window(date(2024, 6, 1), date(2024, 8, 31), frozenset({"england:premier-league", "england:championship"}))
    )
    assert shelf.asked == [f"mmz4281/{s}/{d}.csv" for d in ("E0", "E1") for s in ("2324", "2425")]
    shelf.asked.clear()
    fetch(feed, LATELY._replace(tournaments=frozenset()))
    assert {"mmz4281/2425/SC3.csv", "new/ARG.csv", "new/USA.csv"} <= set(shelf.asked)
    assert len(shelf.asked) == len(set(shelf.asked)) == 38


def test_matches_to_come_are_read_where_the_window_reaches_today(feed: FootballDataFeed, shelf: Shelf) -> None:
    shelf.files["fixtures.csv"] = (
        "Div,Date,Time,HomeTeam,AwayTeam,B365H,B365D,B365A\nE0,08/03/2025,15:00,Fulham,Spurs,2,3,4\n"
    )
    files = fetch(feed, LATELY._replace(last_day=NOW.date()))
    assert shelf.asked == ["fixtures.csv", "mmz4281/2425/E0.csv"]
    (match,) = feed.parse(files[0], NOW).rows
    assert (match.status, match.home_goals, match.odds[0].home) == (MatchStatus.UPCOMING, None, 2)
    with pytest.raises(LayoutChanged, match="FTHG, FTAG is missing"):
        feed.parse(files[0]._replace(name="E0.csv"), NOW)
    shelf.asked.clear()
    fetch(feed, LATELY._replace(last_day=NOW.date(), tournaments=frozenset()))
    assert shelf.asked[:2] == ["fixtures.csv", "new_league_fixtures.csv"]


@pytest.mark.parametrize(
    ("source", "content"),
    [
        ("football-data", ""),
        ("football-data", "\ufeff\r\n"),
        ("football-data", "Div,Date,Ti"),
        ("openfootball", " "),
        ("openfootball", '{"name": "English Premier League", "matc'),
        ("openfootball", '{"name": "English Premier League", "matches": [{"date": "2025-02-22"}'),
        ("whoscored", '{"tournaments": ['),
        ("demo", ""),
    ],
)
def test_of_an_answer_that_is_empty_or_ends_early_it_is_not_said_that_its_layout_changed(
    source: str, content: str
) -> None:
    file = RawFile("day/20250222.json" if source == "whoscored" else "x", "https://x", "", content.encode())
    with pytest.raises(BadSource, match="https://x") as raised:
        parse_captured(source, file, NOW)
    assert not isinstance(raised.value, LayoutChanged)


@pytest.mark.parametrize(
    ("source", "content"),
    [
        ("football-data", "<html>"),
        ("football-data", "Division;When\n1;2\n"),
        ("openfootball", '{"games": []}'),
        ("openfootball", "{'matches': []}"),
        ("whoscored", '{"matches": []}'),
        ("demo", "no dump\nat all\n"),
    ],
)
def test_of_an_answer_of_another_shape_it_is(source: str, content: str) -> None:
    file = RawFile("day/20250222.json" if source == "whoscored" else "x", "https://x", "", content.encode())
    with pytest.raises(LayoutChanged):
        parse_captured(source, file, NOW)


def test_a_window_of_which_nothing_is_published_is_the_askers_to_mend(feed: FootballDataFeed, shelf: Shelf) -> None:
    shelf.files.clear()
    with pytest.raises(BadSource, match="has none of the 1 files"):
        fetch(feed)


@pytest.mark.parametrize("status", [408, 500, 503])
def test_a_server_that_fails_is_asked_again_later(feed: FootballDataFeed, shelf: Shelf, status: int) -> None:
    shelf.status = status
    with pytest.raises(Unavailable, match=f"answered {status}; try again"):
        fetch(feed)


@pytest.mark.parametrize("status", [301, 302, 304, 307, 418])
def test_a_server_that_sends_elsewhere_is_not_followed(feed: FootballDataFeed, shelf: Shelf, status: int) -> None:
    elsewhere = Shelf({"mmz4281/2425/E0.csv": E0})
    with served(elsewhere) as other:
        shelf.status, shelf.headers = status, {"Location": f"{other.base_url}/mmz4281/2425/E0.csv"}
        with pytest.raises(BadSource, match=f"answered {status}; correct MATCHCAST_FOOTBALL_DATA_URL"):
            fetch(feed)
    assert elsewhere.asked == []


def test_a_server_that_is_away_is_asked_again_later() -> None:
    with pytest.raises(Unavailable, match="check the address and the network"):
        fetch(FootballDataFeed("http://127.0.0.1:1"))


def test_reading_stops_when_the_time_is_over(feed: FootballDataFeed, shelf: Shelf) -> None:
    with pytest.raises(TimedOut):
        fetch(feed, seconds=0)
    assert shelf.asked == []


def test_an_answer_without_end_is_cut(feed: FootballDataFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_get, "LARGEST_ANSWER", 20)
    with pytest.raises(BadSource, match="larger than 0 MiB"):
        fetch(feed)


def test_the_demo_reads_the_wheel_it_is_given(tmp_path: Path) -> None:
    wheel = tmp_path / "some.whl"
    feed = DemoFeed(wheel, tmp_path)
    with pytest.raises(Unavailable, match="correct MATCHCAST_DEMO_WHEEL"):
        list(feed.fetch(LATELY, visit()))
    wheel.write_bytes(b"PK")
    (file,) = feed.fetch(LATELY, visit())
    assert (file.name, file.content) == ("some.whl", b"PK")
    with pytest.raises(BadSource, match=r"some\.whl"):
        feed.parse(file, NOW)
