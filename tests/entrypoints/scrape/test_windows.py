"""Windows of one season, scraped in any order, again and again, at once."""

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date, timedelta
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from hypothesis import given, strategies
from hypothesis import settings as examples
from sqlalchemy import select

from knative.local.services.postgres import fresh_database
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import match_stats, matches, odds, team_aliases, teams
from matchcast.events import IngestCounts
from tests.entrypoints.scraping import NOW, Pages, asks, function_of, ingested
from tests.entrypoints.served import served

CLUBS = ("Arsenal", "Chelsea", "Everton", "Fulham", "Liverpool", "Wolves")
FIRST = date(2025, 1, 4)
LAST = date(2025, 4, 30)
COLUMNS = "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HS,AS,B365H,B365D,B365A,B365CH,B365CD,B365CA\n"


def season() -> str:
    """Every pairing, one every third day; those from now on without result."""
    lines = []
    for number, (home, away) in enumerate(permutations(CLUBS, 2)):
        day = FIRST + timedelta(days=3 * number)
        prices = f"1.9,3.4,4.{number:02}"
        if day < NOW.date():
            told = f"{number % 4},1,{'ADHH'[number % 4]},11,7,{prices},1.8,3.5,4.{number:02}"
        else:
            told = f",,,,,{prices},,,"
        lines.append(f"E0,{day:%d/%m/%Y},{home},{away},{told}\n")
    return COLUMNS + "".join(lines)


MATCHES = len(CLUBS) * (len(CLUBS) - 1)
WHOLE = (FIRST, LAST)


class Stored(NamedTuple):
    """All that scrapes wrote, but for when."""

    matches: Sequence[Any]
    stats: Sequence[Any]
    odds: Sequence[Any]
    teams: Sequence[Any]
    aliases: Sequence[Any]


def stored(url: str) -> Stored:
    whens = {"ingested_at", "updated_at", "created_at", "decided_at"}
    database = Database(url)
    with database.reading() as connection:
        found = Stored._make(
            connection.execute(
                select(*(c for c in table.columns if c.name not in whens)).order_by(*table.primary_key)
            ).all()
            for table in (matches, match_stats, odds, teams, team_aliases)
        )
    database.close()
    return found


def window(first: date, last: date) -> dict[str, str]:
    return {"from": first.isoformat(), "to": last.isoformat()}


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "E0.csv").write_text(season())
    return Pages(folder)


@pytest.fixture
def by_one(pages: Pages, settings: dict[str, str], database_url: str) -> Stored:
    """What one scrape of all writes."""
    with served(function_of(pages, settings, now=lambda: NOW)) as client:
        assert ingested(client, asks("pages", **window(*WHOLE))).counts.inserted == MATCHES
    found = stored(database_url)
    assert list(map(len, found[:3])) == [MATCHES, 19, MATCHES + 19]
    return found


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_windows_in_any_order_and_again_write_what_one_of_all_does(
    pages: Pages, settings: dict[str, str], by_one: Stored, migrated_sqlite: Path, tmp_path: Path
) -> None:
    """Replays and overlaps change nothing, and each match is inserted by one."""
    days = strategies.integers(0, (LAST - FIRST).days).map(lambda number: FIRST + timedelta(days=number))
    windows = strategies.tuples(days, days).map(sorted)

    @given(strategies.lists(windows, max_size=4).flatmap(lambda some: strategies.permutations([*some, WHOLE])))
    @examples(max_examples=8)
    def holds(asked: Sequence[tuple[date, date]]) -> None:
        file = tmp_path / f"{uuid4().hex}.db"
        shutil.copy(migrated_sqlite, file)
        url = f"sqlite:///{file}"
        with served(function_of(pages, settings | {"MATCHCAST_DATABASE_URL": url}, now=lambda: NOW)) as client:
            told = [ingested(client, asks("pages", **window(*days))).counts for days in asked]
        assert stored(url) == by_one
        assert sum(counts.inserted for counts in told) == MATCHES
        assert sum(counts.updated + counts.rejected for counts in told) == 0

    holds()


def scraped_at_once(folder: Path, settings: dict[str, str], asked: Sequence[tuple[date, date]]) -> list[IngestCounts]:
    """Two functions visit two sources of the same matches, and each of them from several requests."""
    feeds = [Pages(folder, source) for source in ("one", "other")]
    with ExitStack() as stack, ThreadPoolExecutor(len(asked)) as pool:
        clients = [
            stack.enter_context(served(function_of(feed, settings, now=lambda: NOW)))
            for feed in feeds
            for _ in range(2)
        ]

        def scrape(number: int) -> IngestCounts:
            feed = feeds[number % 4 // 2]
            return ingested(clients[number % 4], asks(feed.name, **window(*asked[number]))).counts

        told = list(pool.map(scrape, range(len(asked))))
    assert [set(feed.at_once) for feed in feeds] == [{1}, {1}]
    return told


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_scrapes_of_overlapping_windows_at_once_write_what_one_of_all_does(
    pages: Pages, settings: dict[str, str], by_one: Stored, postgres: str, migrated_postgres: str
) -> None:
    random = Random(7)
    for _ in range(3):
        asked = [WHOLE, WHOLE]
        for _ in range(6):
            first = FIRST + timedelta(days=random.randrange(100))
            asked.append((first, min(LAST, first + timedelta(days=random.randrange(60)))))
        random.shuffle(asked)
        with fresh_database(postgres, migrated_postgres) as url:
            told = scraped_at_once(pages.folder, settings | {"MATCHCAST_DATABASE_URL": url}, asked)
            assert stored(url) == by_one
        assert sum(counts.inserted for counts in told) == MATCHES
        assert sum(counts.updated + counts.rejected for counts in told) == 0
