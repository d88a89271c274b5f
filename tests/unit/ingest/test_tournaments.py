"""Tournaments that we do not know by their codes: found by their matches, or waiting for a decision."""

import csv
import io
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands.main import app
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.domain.competitions import unknown_competition
from matchcast.domain.match import MatchStatus, SourceMatch
from matchcast.errors import BadInput, NotFound, UnknownTournament
from matchcast.ports import Parsed
from matchcast.ports.feeds import Window
from matchcast.ports.tournaments import TournamentStatus
from matchcast.usecases.ingest import IngestReport, ParsedFile, ingest
from matchcast.usecases.tournament_review import decide_tournament, held_tournaments, ignore_tournament
from matchcast.usecases.tournaments import settled_tournaments
from tests.unit.ingest.leagues import LEAGUE, NOW, START, WORDS, Game, told_by
from tests.unit.ingest.test_calendars import season

CLUBS = WORDS[:6]
GAMES = sorted(season(), key=lambda game: (game.day, game.home))


@pytest.fixture
def store(migrated_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlMatchStore]:
    file = tmp_path / "matchcast.db"
    shutil.copy(migrated_sqlite, file)
    monkeypatch.setenv("MATCHCAST_DATABASE_URL", f"sqlite:///{file}")
    database = Database(f"sqlite:///{file}")
    yield SqlMatchStore(database)
    database.close()


def ours(store: SqlMatchStore, games: Iterable[Game] = GAMES) -> IngestReport:
    return load(store, told_by("ours", CLUBS, games), "")


def theirs(store: SqlMatchStore, games: Iterable[Game], code: str = "77", name: str = "First League") -> IngestReport:
    rows = told_by("theirs", CLUBS, games, hour=19)
    return load(store, [row._replace(source_id=f"{code}:{row.source_id}") for row in rows], code, name)


def load(store: SqlMatchStore, rows: Sequence[SourceMatch], code: str, name: str = "First League") -> IngestReport:
    told = unknown_competition("theirs", code, name, "norway") if code else None
    if told is not None:
        rows = [row._replace(tournament=told.id) for row in rows]
    return ingest([ParsedFile("file", Parsed(rows, [], (told,) if told else ()))], store, [], NOW)


def moved(games: Iterable[Game], days: int, goals: tuple[int, int] | None = (7, 7)) -> list[Game]:
    return [game._replace(day=game.day + timedelta(days=days), goals=goals) for game in games]


def test_five_matches_with_our_results_settle_a_tournament_and_it_stays_settled(store: SqlMatchStore) -> None:
    ours(store)
    first = theirs(store, GAMES[:5])
    (settled,) = first.settled_tournaments
    assert (settled.tournament_id, settled.status, settled.decided_at) == (LEAGUE, TournamentStatus.SETTLED, NOW)
    assert settled.proposals[0][:4] == (LEAGUE, 5, 0, 0)
    assert (first.rejected, first.rows_loaded, first.new_teams) == ([], 5, [])
    later = theirs(store, moved(GAMES[:2], 400))
    assert (later.settled_tournaments, later.held_tournaments, later.loaded.matches.inserted) == ([], [], 2)
    assert settled_tournaments(store) == {"theirs:77": LEAGUE}


def test_four_matches_wait_until_the_fifth_and_count_again(store: SqlMatchStore) -> None:
    ours(store)
    first = theirs(store, GAMES[:4])
    assert [alias.proposals[0][:4] for alias in first.held_tournaments] == [(LEAGUE, 4, 0, 0)]
    assert "`matchcast tournaments alias theirs 77 TOURNAMENT_ID`" in first.rejected[0].row.reason
    assert (first.rows_loaded, len(store.waiting_matches())) == (0, 4)
    assert theirs(store, GAMES[:4]) == first, "the same matches again are no more evidence"
    assert len(theirs(store, GAMES[4:5]).settled_tournaments) == 1
    assert {match.tournament for match in store.waiting_matches()} == {LEAGUE}
    assert theirs(store, GAMES).rejected == []
    assert store.waiting_matches() == []


def test_whatever_the_order_of_loads_the_end_is_the_same(migrated_sqlite: Path, tmp_path: Path) -> None:
    parts: Sequence[Callable[[SqlMatchStore], IngestReport]] = (
        ours,
        lambda s: theirs(s, GAMES[:9]),
        lambda s: theirs(s, GAMES[9:]),
    )
    ends = []
    for number, order in enumerate(permutations(parts)):
        file = tmp_path / f"{number}.db"
        shutil.copy(migrated_sqlite, file)
        database = Database(f"sqlite:///{file}")
        stored = SqlMatchStore(database)
        for part in (*order, *parts):
            part(stored)
        played = stored.calendar([LEAGUE], START, START + timedelta(days=400))
        ends.append((settled_tournaments(stored), stored.waiting_matches(), sorted(played), stored.teams()))
        database.close()
    assert ends[0][0] == {"theirs:77": LEAGUE}
    assert ends[0][1] == []
    assert all(end == ends[0] for end in ends)


@pytest.mark.parametrize(
    ("what", "games"),
    [
        ("a cup between the same clubs, midweek", moved(GAMES, 3)),
        ("reserves of the same names, the same fixtures a day later", moved(GAMES, 1)),
        ("the same fixtures, not played yet", moved(GAMES, 1, None)),
        ("a league whose one result differs", [*GAMES[:9], *moved(GAMES[9:10], 0)]),
        ("the other sides", [game._replace(home=game.away, away=game.home) for game in GAMES]),
    ],
)
def test_what_only_looks_like_ours_is_not_taken_for_it(store: SqlMatchStore, what: str, games: list[Game]) -> None:
    ours(store)
    report = theirs(store, games)
    assert report.settled_tournaments == [], what
    assert (report.rows_loaded, len(report.held_tournaments)) == (0, 1)


def test_a_cup_is_not_even_proposed_and_a_league_with_one_wrong_result_is(store: SqlMatchStore) -> None:
    ours(store)
    theirs(store, moved(GAMES, 3), "1", "Cup")
    theirs(store, [*GAMES[:9], *moved(GAMES[9:10], 0)], "2")
    league, cup = held_tournaments(store, [])
    assert (cup.alias.code, cup.matches, cup.proposals) == ("1", len(GAMES), ())
    assert (league.alias.code, league.proposals[0][:4]) == ("2", (LEAGUE, 9, 0, 1))


def test_a_source_has_one_tournament_for_each_of_ours(store: SqlMatchStore) -> None:
    ours(store)
    assert len(theirs(store, GAMES[:9]).settled_tournaments) == 1
    (second,) = theirs(store, GAMES[9:], "78").held_tournaments
    assert second.proposals[0][:4] == (LEAGUE, len(GAMES) - 9, 0, 0)
    assert second.proposals[0].code == "77"


def test_of_two_that_may_be_one_neither_is_taken(store: SqlMatchStore) -> None:
    ours(store)
    told = [unknown_competition("theirs", code, "League", "norway") for code in ("77", "78")]
    rows = [
        row._replace(tournament=f"theirs:{code}", source_id=f"{code}:{row.source_id}")
        for code in ("77", "78")
        for row in told_by("theirs", CLUBS, GAMES)
    ]
    parsed = Parsed(rows, [], tuple(found for found in told if found))
    report = ingest([ParsedFile("file", parsed)], store, [], NOW)
    assert (report.settled_tournaments, len(report.held_tournaments)) == ([], 2)


def test_a_name_alone_proposes(store: SqlMatchStore) -> None:
    (held,) = theirs(store, GAMES, name="Élite-serien").held_tournaments
    assert [(p.tournament_id, p.agreeing, p.similarity >= 85) for p in held.proposals] == [(LEAGUE, 0, True)]


def test_people_settle_and_ignore(store: SqlMatchStore) -> None:
    ours(store)
    theirs(store, GAMES[:2])
    with pytest.raises(NotFound, match="CODE: theirs told no tournament '12'"):
        ignore_tournament(store, "theirs", "12", now=NOW)
    with pytest.raises(UnknownTournament, match="no tournament of norway; take one of norway:eliteserien"):
        decide_tournament(store, "theirs", "77", "sweden:allsvenskan", now=NOW)
    ignore_tournament(store, "theirs", "77", now=NOW)
    assert (store.waiting_matches(), held_tournaments(store, [])) == ([], [])
    left_out = theirs(store, GAMES)
    assert (left_out.held_tournaments, left_out.settled_tournaments, store.waiting_matches()) == ([], [], [])
    assert "is left out, as was decided" in left_out.rejected[0].row.reason
    decide_tournament(store, "theirs", "77", LEAGUE, now=NOW)
    assert theirs(store, GAMES).rows_loaded == len(GAMES)


def test_a_decision_that_stored_matches_stand_upon_is_not_changed(store: SqlMatchStore) -> None:
    rows = told_by("theirs", CLUBS, GAMES)
    told = unknown_competition("theirs", "77", "Brasileirão", "brazil")
    assert told is not None
    parsed = Parsed([row._replace(tournament=told.id) for row in rows], [], (told,))
    ingest([ParsedFile("file", parsed)], store, [], NOW)
    decide_tournament(store, "theirs", "77", "brazil:serie-b", now=NOW)
    decide_tournament(store, "theirs", "77", "brazil:serie-a", now=NOW)
    assert ingest([ParsedFile("file", parsed)], store, [], NOW).rows_loaded == len(GAMES)
    ignore_tournament(store, "theirs", "77", now=NOW)
    with pytest.raises(BadInput, match="was settled as brazil:serie-a, and its matches are stored there"):
        decide_tournament(store, "theirs", "77", "brazil:serie-b", now=NOW)


def test_a_season_that_was_only_assumed_is_that_of_our_tournament(store: SqlMatchStore, tmp_path: Path) -> None:
    told = unknown_competition("theirs", "77", "Premier League", "england")
    assert told is not None
    games = [Game(0, 1, START.replace(year=2025, month=month), (1, 0)) for month in (3, 9)]
    rows = [row._replace(tournament=told.id, season=2025) for row in told_by("theirs", CLUBS, games)]
    rows = [row._replace(source_id=str(n)) for n, row in enumerate(rows)]
    for _ in range(2):
        ingest([ParsedFile("file", Parsed(rows, [], (told,)))], store, [], NOW)
        decide_tournament(store, "theirs", "77", "england:premier-league", now=NOW)
    connection = sqlite3.connect(tmp_path / "matchcast.db")
    found = connection.execute("SELECT season FROM matches ORDER BY match_day").fetchall()
    connection.close()
    assert found == [(2024,), (2025,)]


def test_a_window_of_chosen_tournaments_holds_matches_of_settled_ones_only() -> None:
    (row,) = told_by("theirs", CLUBS, GAMES[:1])
    row = row._replace(tournament="theirs:77")
    day = GAMES[0].day
    assert Window(day, day).holds(row)
    assert not Window(day, day, frozenset((LEAGUE,))).holds(row)
    assert Window(day, day, frozenset((LEAGUE,))).holds(row, {"theirs:77": LEAGUE})
    assert row.status is MatchStatus.FINISHED


def test_the_letters_of_a_code_tell_the_country_and_others_are_none_of_ours() -> None:
    told = [("football-data", "E4"), ("openfootball", "en.5"), ("results-only", "BRA3"), ("football-data", "ZZ1")]
    found = [unknown_competition(source, code, code, None) for source, code in told]
    assert [f.country if f else None for f in found] == ["england", "england", "brazil", None]
    assert unknown_competition("whoscored", "95", "Cup", "atlantis") is None


def test_the_list_is_a_table_csv_or_json(store: SqlMatchStore) -> None:
    assert "no tournament waits" in run("review")
    ours(store)
    theirs(store, GAMES[:3])
    table = run("review")
    assert "theirs │ 77" in table
    assert LEAGUE in table
    (line,) = csv.DictReader(io.StringIO(run("review", "--format", "csv")))
    assert (line["code"], line["matches"], line["proposal_1"], line["agreeing_1"]) == ("77", "3", LEAGUE, "3")
    (told,) = json.loads(run("review", "--format", "json"))
    assert (told["proposals"][0]["tournament_id"], told["matches"]) == (LEAGUE, 3)


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ("tournaments", *words))
    assert result.exit_code == code, result.output
    return result.output
