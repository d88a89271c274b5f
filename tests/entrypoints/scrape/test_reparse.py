"""`matchcast reparse`: rows from captures, without the network."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from sqlalchemy import insert, select
from typer.testing import CliRunner, Result

from commands.main import app
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import captures, match_stats, matches, odds
from matchcast.adapters.objects_folder import FolderStore
from matchcast.adapters.sources import captured
from matchcast.adapters.sources.feeds import FootballDataFeed, OpenFootballFeed
from matchcast.adapters.sources.football_data import FootballData
from matchcast.domain.match import MatchStatus
from matchcast.events import MatchesIngested, ScrapeFailed, payload_of
from matchcast.ports import Parsed
from matchcast.ports.feeds import RawFile, Visit, Window
from tests.browser.league import short_leagues
from tests.browser.site import Site
from tests.entrypoints.recorder import deliver, reply_of
from tests.entrypoints.scraping import NOW, asks, function_of, rows
from tests.entrypoints.served import served
from tests.entrypoints.shelf import Shelf

SEASON = {"from": "2024-07-01", "to": "2025-06-30"}
RESULTS = "Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HS,AS,B365H,B365D,B365A,B365CH,B365CD,B365CA\n"
COMING = "Div,Date,Time,HomeTeam,AwayTeam,B365H,B365D,B365A\n"
E0, LIST = "mmz4281/2425/E0.csv", "fixtures.csv"
FRIDAY = datetime(2025, 2, 28, 17, tzinfo=UTC)
OLD = "E0,22/02/2025,15:00,Arsenal,Wolves,2,0,H,9,4,1.5,4,6,1.4,4.5,7\n"
KINDS = (matches, match_stats, odds)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf({E0: RESULTS + OLD, LIST: f"{COMING}E0,01/03/2025,15:00,Fulham,Everton,2,3,4\n"})


@pytest.fixture
def source(shelf: Shelf) -> Iterator[str]:
    with served(shelf) as client:
        yield str(client.base_url)


@pytest.fixture
def visit(settings: dict[str, str], source: str) -> Callable[..., MatchesIngested | ScrapeFailed]:
    """Scrapes the season at an instant."""

    def scraped(at: datetime, feed: str = "football-data", **window: str) -> MatchesIngested | ScrapeFailed:
        asked = FootballDataFeed(source) if feed == "football-data" else OpenFootballFeed(source)
        with served(function_of(asked, settings, now=lambda: at)) as client:
            reply = reply_of(deliver(client, asks(feed, at.isoformat(), **SEASON | window)))
        assert reply is not None
        if reply.type.endswith("ingested"):
            return payload_of(reply, MatchesIngested)
        return payload_of(reply, ScrapeFailed)

    return scraped


@pytest.fixture
def fresh(database: Database, migrated_sqlite: Path, tmp_path: Path) -> Iterator[Callable[[], Database]]:
    """A database that knows of the captures and nothing else."""
    opened: list[Database] = []

    def made() -> Database:
        file = tmp_path / f"fresh{len(opened)}.db"
        shutil.copy(migrated_sqlite, file)
        opened.append(Database(f"sqlite:///{file}"))
        with opened[-1].writing() as connection:
            connection.execute(insert(captures), [row._asdict() for row in rows(database, captures)])
        return opened[-1]

    yield made
    for each in opened:
        each.close()


class Stored(NamedTuple):
    """All rows, in order."""

    matches: list[Any]
    stats: list[Any]
    odds: list[Any]


def stored(database: Database, *, without: tuple[str, ...] = ()) -> Stored:
    with database.reading() as connection:
        return Stored(
            *(
                list(
                    connection.execute(
                        select(*(c for c in table.c if c.name not in without)).order_by(*table.primary_key)
                    )
                )
                for table in KINDS
            )
        )


def told(database: Database) -> Stored:
    """All rows but for the times at which they were written."""
    return stored(database, without=("ingested_at", "updated_at"))


def reparse(
    settings: dict[str, str], *words: str, database: Database | None = None, source: str = "football-data"
) -> Result:
    changes = {} if database is None else {"MATCHCAST_DATABASE_URL": f"sqlite:///{database.file}"}
    return CliRunner().invoke(app, ["reparse", "--source", source, *words], env=settings | changes)


def test_a_history_of_visits_is_rebuilt_from_what_was_captured_and_reading_it_again_changes_nothing(
    visit: Callable[..., MatchesIngested], shelf: Shelf, settings: dict[str, str], database: Database,
    fresh: Callable[[], Database],
) -> None:  # fmt: skip
    """The price first seen stays the opening price, the results' file tells the close, and a list may be stale."""
    visit(FRIDAY)
    shelf.files[LIST] = (
        f"{COMING}E0,01/03/2025,15:00,Fulham,Everton,1.9,3,4\nE0,08/03/2025,15:00,Wolves,Fulham,5,4,1.6\n"
    )
    visit(FRIDAY + timedelta(hours=12))
    shelf.files[E0] += "E0,01/03/2025,15:00,Fulham,Everton,1,1,D,5,6,1.8,3,4,1.7,3,4\n"
    visit(FRIDAY + timedelta(hours=36))
    assert len(rows(database, captures)) == 4
    before = stored(database)
    assert len(before.matches) == 3
    assert {(price.home, price.moment, price.taken_at) for price in before.odds} == {
        (1.5, "opening", None),
        (1.4, "closing", None),
        (2, "opening", FRIDAY),
        (1.7, "closing", None),
        (5, "opening", FRIDAY + timedelta(hours=12)),
    }
    again = reparse(settings)
    assert again.exit_code == 0, again.output
    assert stored(database) == before
    anew = fresh()
    asked = len(shelf.asked)
    done = reparse(settings, database=anew)
    assert done.exit_code == 0, done.output
    assert "4 captures of football-data read" in done.output
    assert told(anew) == told(database)
    assert len(shelf.asked) == asked


def test_matches_and_captures_are_rebuilt_when_the_database_is_lost(
    visit: Callable[..., MatchesIngested | ScrapeFailed], shelf: Shelf, settings: dict[str, str], database: Database,
    migrated_sqlite: Path, tmp_path: Path,
) -> None:  # fmt: skip
    """Out of the object store alone: what was answered, when, and whether it could be read."""
    visit(FRIDAY)
    shelf.files[LIST] = f"{COMING}E0,01/03/2025,15:00,Fulham,Everton,1.9,3,4\n"
    visit(FRIDAY + timedelta(hours=12))
    shelf.files[E0] += "E0,01/03/2025,15:00,Fulham,Everton,1,1,D,5,6,1.8,3,4,1.7,3,4\n"
    visit(FRIDAY + timedelta(hours=36))
    shelf.status = 403
    assert isinstance(visit(FRIDAY + timedelta(hours=48)), ScrapeFailed)
    anew = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'anew.db')}")
    assert "there is no capture" in reparse(settings, database=anew).output
    for _ in range(2):
        done = reparse(settings, "--from-objects", database=anew)
        assert done.exit_code == 0, done.output
        assert "4 captures of football-data read; 1 refusals" in done.output
        assert told(anew) == told(database)
        assert {row[1:] for row in rows(anew, captures)} == {row[1:] for row in rows(database, captures)}
    (damaged, *_) = [key for key in FolderStore(tmp_path / "objects").keys("captures/") if key.endswith(".json")]
    FolderStore(tmp_path / "objects").put(damaged, b"{")
    done = reparse(settings, "--from-objects", database=anew)
    assert done.exit_code == 1
    assert f"not brought back: {damaged} is damaged" in done.output
    anew.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_any_history_is_rebuilt(
    visit: Callable[..., MatchesIngested], shelf: Shelf, settings: dict[str, str], database: Database,
    fresh: Callable[[], Database], seed: int,
) -> None:  # fmt: skip
    """Lists and results that change or not between visits, prices that move, lists that lag behind."""
    random = Random(seed)
    clubs = ["Arsenal", "Wolves", "Fulham", "Everton", "Chelsea", "Brentford"]
    first = date(2025, 2, 1)
    games: list[tuple[date, str, str]] = []
    for later in sorted(random.sample(range(40), 12)):
        home, away = random.sample(clubs, 2)
        games.append((first + timedelta(days=later), home, away))
    now = datetime.combine(first, time(11), UTC)
    for _ in range(7):
        results, coming = [RESULTS], [COMING]
        lag = timedelta(days=random.choice((0, 0, 2)))
        for day, home, away in games:
            kickoff, price = datetime.combine(day, time(15), UTC), round(random.uniform(1.2, 6), 2)
            if kickoff + timedelta(hours=2) < now:
                results.append(f"E0,{day:%d/%m/%Y},15:00,{home},{away},2,1,H,9,,2,3,4,2.1,3,4\n")
            if now - lag < kickoff < now + timedelta(days=8):
                coming.append(f"E0,{day:%d/%m/%Y},15:00,{home},{away},{price},3,4\n")
        shelf.files[E0] = "".join(results)
        if random.random() < 0.8:
            shelf.files[LIST] = "".join(coming)
        visit(now)
        now += timedelta(hours=random.randint(6, 160))
    before = stored(database)
    assert len(before.matches) > 5
    anew = fresh()
    for target in (None, anew):
        done = reparse(settings, database=target)
        assert done.exit_code == 0, done.output
    assert stored(database) == before
    assert told(anew) == told(database)


def test_the_matches_of_a_window_are_rebuilt_by_the_same_window(
    visit: Callable[..., MatchesIngested], settings: dict[str, str], database: Database, fresh: Callable[[], Database]
) -> None:
    """A capture holds more than a scrape asked for; all of it is loaded unless told otherwise."""
    visit(FRIDAY, **{"from": "2025-02-25", "to": "2025-03-05"})
    anew = fresh()
    window = ("--kickoff-from", "2025-02-25", "--kickoff-to", "2025-03-05")
    for target in (None, anew):
        assert reparse(settings, *window, "--tournament", "england:premier-league", database=target).exit_code == 0
    assert len(rows(anew, matches)) == 1
    assert told(anew) == told(database)
    assert reparse(settings, database=anew).exit_code == 0
    assert len(rows(anew, matches)) == 2


def test_captures_that_cannot_be_read_are_told_by_key_and_all_others_are_loaded(
    visit: Callable[..., MatchesIngested | ScrapeFailed], shelf: Shelf, settings: dict[str, str], database: Database,
    fresh: Callable[[], Database], tmp_path: Path,
) -> None:  # fmt: skip
    visit(FRIDAY)
    shelf.files[LIST] = COMING
    visit(FRIDAY + timedelta(days=1))
    shelf.files[LIST] = "<html>we moved</html>"
    assert isinstance(visit(FRIDAY + timedelta(days=2)), ScrapeFailed)
    shelf.status = 403
    assert isinstance(visit(FRIDAY + timedelta(days=3)), ScrapeFailed)
    kept = {row.taken_at: row.object_key for row in rows(database, captures) if row.name == LIST}
    lost, damaged, moved, _ = kept.values()
    (tmp_path / "objects" / lost).unlink()
    FolderStore(tmp_path / "objects").put(damaged, b"not gzip")
    anew = fresh()
    done = reparse(settings, database=anew)
    assert done.exit_code == 1
    assert "1 captures of football-data read; 1 refusals or errors left out" in done.output
    for key, reason in ((lost, "there is no object"), (damaged, "is damaged"), (moved, "this is a web page")):
        (line,) = [line for line in done.output.splitlines() if line.startswith(f"cannot be read: {key} ")]
        assert reason in line
    assert "3 captures cannot be read; all others are loaded" in done.output
    assert [(row.home_team_id, row.home_goals) for row in rows(anew, matches)] == [("england:arsenal", 2)]


def test_a_reader_that_was_mended_reads_what_another_could_not(
    visit: Callable[..., MatchesIngested | ScrapeFailed], shelf: Shelf, settings: dict[str, str], database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    shelf.files[E0] = (RESULTS + OLD).replace("HomeTeam", "HomeClub")
    failed = visit(FRIDAY)
    assert isinstance(failed, ScrapeFailed)
    (key,) = [row.object_key for row in rows(database, captures) if row.name == "E0.csv"]
    assert key in failed.problem.detail
    assert rows(database, matches) == []
    assert reparse(settings, "--capture", key).exit_code == 1
    assert [row.problem is None for row in rows(database, captures) if row.name == "E0.csv"] == [False]

    class Mended(FootballData):
        def parse(self, raw: bytes, file_name: str = "") -> Parsed:
            return super().parse(raw.replace(b"HomeClub", b"HomeTeam"), file_name)

    monkeypatch.setattr(captured, "FootballData", Mended)
    done = reparse(settings, "--capture", key)
    assert done.exit_code == 0, done.output
    assert [row.home_team_id for row in rows(database, matches)] == ["england:arsenal"]
    assert [row.problem for row in rows(database, captures)] == [None] * len(rows(database, captures))


def test_days_tournaments_and_single_captures_can_be_chosen(
    visit: Callable[..., MatchesIngested], shelf: Shelf, settings: dict[str, str], fresh: Callable[[], Database]
) -> None:
    visit(FRIDAY)
    shelf.files[E0] += "E0,23/02/2025,15:00,Chelsea,Leeds,2,0,H,9,4,1.5,4,6,1.4,4.5,7\n"
    visit(FRIDAY + timedelta(days=1))
    for words, homes in (
        (("--to", "2025-02-28"), {"arsenal", "fulham"}),
        (("--from", "2025-03-01"), {"arsenal", "chelsea"}),
        (("--from", "2025-03-01", "--tournament", "spain:la-liga"), set()),
    ):
        anew = fresh()
        done = reparse(settings, *words, database=anew)
        assert done.exit_code == 0, done.output
        assert {row.home_team_id for row in rows(anew, matches)} == {f"england:{home}" for home in homes}
    for words, said in (
        (("--from", "2025-03-02"), "there is no capture of football-data of these days"),
        (("--capture", "none"), "there is no capture of football-data with the key none"),
        (("--from", "2025-03-02", "--to", "2025-03-01"), "--to: 2025-03-01 is before --from"),
        (("--kickoff-from", "2025-03-02", "--kickoff-to", "2025-03-01"), "--kickoff-to: 2025-03-01 is before"),
        (("--tournament", "none"), "--tournament: 'none' is none"),
    ):
        done = reparse(settings, *words)
        assert done.exit_code == 1
        assert said in done.output
    assert "take one of football-data, openfootball, whoscored, demo" in reparse(settings, source="results-only").output


def test_openfootball_is_rebuilt_too(
    visit: Callable[..., MatchesIngested], shelf: Shelf, settings: dict[str, str], database: Database,
    fresh: Callable[[], Database],
) -> None:  # fmt: skip
    entry = '{"date": "2025-03-0%d", "time": "15:00", "team1": "Arsenal FC", "team2": "Fulham FC"%s}'
    path = "2024-25/en.1.json"
    for score in ("", ', "score": {"ft": [2, 1]}'):
        shelf.files[path] = f'{{"name": "English Premier League 2024/25", "matches": [{entry % (1, score)}]}}'
        visit(FRIDAY + timedelta(days=len(score)), "openfootball")
    assert [row.home_goals for row in rows(database, matches)] == [2]
    anew = fresh()
    done = reparse(settings, database=anew, source="openfootball")
    assert "2 captures of openfootball read" in done.output
    assert told(anew) == told(database)


@dataclass
class Walked:
    """The month feeds of a site like WhoScored's and the pages of matches played, without a browser."""

    site: Site
    name: str = "whoscored"

    def fetch(self, window: Window, visit: Visit) -> Iterator[RawFile]:
        self.site.now = visit.now
        for league in self.site.leagues:
            for month in sorted({f"{game.kickoff_at:%Y%m}" for game in league.games}):
                path = f"/tournaments/{league.stage_id}/data/?d={month}"
                yield self._page(f"month/{league.stage_id}/{month}.json", path, visit)
            for game in league.games:
                if game.status_at(visit.now) == MatchStatus.FINISHED:
                    yield self._page(f"match/{game.id}.html", f"/matches/{game.id}/live/{league.slug}", visit)

    def _page(self, name: str, path: str, visit: Visit) -> RawFile:
        kept = visit.kept(path)
        page = self.site.answer(path, "", kept and kept.etag)
        if page.status == 304 and kept is not None:
            return kept
        return RawFile(name, path, page.media_type, page.body, page.status, dict(page.headers)["ETag"])

    def parse(self, file: RawFile, now: datetime) -> Parsed:
        return captured.parse_captured(self.name, file, now)


def test_whoscored_is_rebuilt_too(settings: dict[str, str], database: Database, fresh: Callable[[], Database]) -> None:
    """Results come in the month feed, statistics and the referee on pages of their own, which are asked for once."""
    leagues = short_leagues()
    feed = Walked(Site(leagues, NOW))
    starts = leagues[0].games[0].kickoff_at

    def visit_at(at: datetime) -> None:
        with served(function_of(feed, settings, now=lambda: at)) as client:
            asked = asks("whoscored", at.isoformat(), **{"from": "2024-07-01", "to": "2025-06-30", "tournaments": []})
            reply = reply_of(deliver(client, asked))
        assert reply is not None
        payload_of(reply, MatchesIngested)

    for week in (2, 3, 6):
        visit_at(starts + timedelta(weeks=week))
    before = stored(database)
    assert len(before.stats) > 10
    anew = fresh()
    for target in (None, anew):
        done = reparse(settings, database=target, source="whoscored")
        assert done.exit_code == 0, done.output
    assert stored(database) == before
    assert told(anew) == told(database)
