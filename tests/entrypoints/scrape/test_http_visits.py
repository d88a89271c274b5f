"""The function `scrape` and servers of files."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from functions.scrape.main import app as scrape_app
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import captures, matches, odds
from matchcast.events import MatchesIngested, ScrapeFailed, payload_of
from tests.entrypoints.recorder import deliver, reply_of
from tests.entrypoints.scraping import ASKED, NOW, asks, rows
from tests.entrypoints.served import assert_problem, served
from tests.entrypoints.shelf import Shelf

BOTH: dict[str, Any] = {"tournaments": ["england:championship", "england:premier-league"]}
E0, E1, LIST = "mmz4281/2425/E0.csv", "mmz4281/2425/E1.csv", "fixtures.csv"


@pytest.fixture
def shelf(shelf: Shelf) -> Shelf:
    shelf.files[E1] = "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR\nE1,22/02/2025,Leeds,Burnley,1,1,D\n"
    shelf.files[LIST] = "Div,Date,Time,HomeTeam,AwayTeam,B365H,B365D,B365A\nE0,08/03/2025,15:00,Chelsea,Arsenal,2,3,4\n"
    return shelf


def test_a_second_scrape_downloads_nothing_and_changes_nothing(
    scrape: httpx.Client, shelf: Shelf, database: Database
) -> None:
    for inserted in (3, 0):
        reply = reply_of(deliver(scrape, asks("football-data", **BOTH)))
        assert reply is not None
        told = payload_of(reply, MatchesIngested)
        assert (told.counts.inserted, told.counts.updated) == (inserted, 0)
        assert len(told.captures) == 3
    assert shelf.asked == [LIST, E0, E1] * 2
    assert shelf.sent == [LIST, E0, E1]
    assert len(rows(database, captures)) == 3
    (price,) = rows(database, odds)
    (kept,) = [row for row in rows(database, captures) if row.name == LIST]
    assert (price.moment, price.home, price.taken_at) == ("opening", 2, kept.taken_at)


def test_an_event_delivered_again_asks_only_for_what_is_missing(
    scrape: httpx.Client, shelf: Shelf, database: Database
) -> None:
    event = asks("football-data", **BOTH)
    shelf.broken = frozenset({E1})
    assert_problem(deliver(scrape, event), 503)
    assert shelf.asked == [LIST, E0, E1]
    assert rows(database, matches) == []
    shelf.broken = frozenset()
    reply = reply_of(deliver(scrape, event))
    assert reply is not None
    assert payload_of(reply, MatchesIngested).counts.inserted == 3
    assert shelf.asked == [LIST, E0, E1, E1]


def test_a_server_that_refuses_is_left_alone_as_long_as_it_says(
    scrape: httpx.Client, shelf: Shelf, database: Database
) -> None:
    shelf.status, shelf.headers = 429, {"Retry-After": "7200"}
    reply = reply_of(deliver(scrape, asks("football-data", **BOTH)))
    assert reply is not None
    problem = payload_of(reply, ScrapeFailed).problem
    assert problem.type.endswith("source-blocked")
    assert f"left alone until {NOW:%Y-%m-%d} 11:0" in problem.detail
    assert [(row.name, row.status) for row in rows(database, captures)] == [(LIST, 429)]
    shelf.status = 200
    assert reply_of(deliver(scrape, asks("football-data", **BOTH))) is not None
    assert_problem(scrape.post("/scrape", json=ASKED), 503, words="left alone until")
    assert shelf.asked == [LIST]


@pytest.fixture
def library() -> Shelf:
    played = {"date": "2025-02-22", "time": "15:00", "team1": "Fulham FC", "team2": "Brentford FC"}
    content = {"name": "English Premier League 2024/25", "matches": [played | {"score": {"ft": [1, 1]}}]}
    return Shelf({"2024-25/en.1.json": json.dumps(content)})


@pytest.fixture
def openfootball(library: Shelf, settings: dict[str, str], key: str) -> Iterator[httpx.Client]:
    with served(library) as place:
        environment = settings | {"MATCHCAST_OPENFOOTBALL_URL": str(place.base_url)}
        with served(scrape_app(environment), key) as client:
            yield client


def test_openfootball_is_read_where_its_address_is_set(
    openfootball: httpx.Client, library: Shelf, database: Database
) -> None:
    for _ in range(2):
        reply = reply_of(deliver(openfootball, asks("openfootball")))
        assert reply is not None
        assert payload_of(reply, MatchesIngested).source == "openfootball"
    assert library.asked == ["2024-25/en.1.json"] * 2
    assert library.sent == ["2024-25/en.1.json"]
    assert [(row.source, row.home_goals) for row in rows(database, matches)] == [("openfootball", 1)]
    reply = reply_of(deliver(openfootball, asks("football-data")))
    assert reply is not None
    assert "take one of openfootball" in payload_of(reply, ScrapeFailed).problem.detail
