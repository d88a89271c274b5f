"""Who played whom on which day, as both databases tell it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.domain.match import MatchStatus
from matchcast.errors import BadInput
from matchcast.ports import Parsed
from matchcast.ports.calendar import PlayedOn, WaitingMatch
from matchcast.ports.reviews import Reviewed
from matchcast.usecases.ingest import IngestReport, ParsedFile, ingest
from matchcast.usecases.team_decisions import decide_all
from tests.contract.matches import ALIASES, KICKOFF, NOW, TEAMS, fixture, told
from tests.unit.ingest.leagues import WORDS, told_by
from tests.unit.ingest.test_calendars import season

LEAGUE = "england:premier-league"
DAY = KICKOFF.date()


@pytest.fixture
def store(database: Database) -> SqlMatchStore:
    stored = SqlMatchStore(database)
    rows = [
        told(),
        fixture("Chelsea", "Everton", kickoff_at=KICKOFF + timedelta(days=7)),
        fixture("Everton", "Chelsea", kickoff_at=KICKOFF + timedelta(days=8), status=MatchStatus.POSTPONED),
        told("Everton", "Arsenal", kickoff_at=datetime(2025, 4, 5, 23, 30, tzinfo=UTC)),
        told("Arsenal", "Everton", tournament="england:championship", kickoff_at=KICKOFF + timedelta(days=1)),
    ]
    stored.load(rows, TEAMS, ALIASES, NOW)
    return stored


def test_a_calendar_holds_the_matches_of_its_tournaments_and_days_that_are_played_or_due(store: SqlMatchStore) -> None:
    assert store.calendar([LEAGUE], DAY, date(2025, 4, 4)) == [
        PlayedOn(LEAGUE, DAY, "england:arsenal", "england:chelsea", 2, 1),
        PlayedOn(LEAGUE, DAY + timedelta(days=7), "england:chelsea", "england:everton", None, None),
    ]
    assert [match.day for match in store.calendar([LEAGUE], DAY + timedelta(days=8), date(2025, 4, 5))] == [
        date(2025, 4, 5)
    ]
    assert store.calendar([], DAY, date(2025, 4, 5)) == []


def test_clubs_are_told_by_tournament_whatever_came_of_their_matches(store: SqlMatchStore) -> None:
    assert store.clubs_of(["england:championship", "germany:bundesliga"]) == [
        ("england:championship", "england:arsenal"),
        ("england:championship", "england:everton"),
    ]
    assert [club for _, club in store.clubs_of([LEAGUE])] == [team.team_id for team in TEAMS]


def test_days_are_told_of_other_sources_matches(store: SqlMatchStore) -> None:
    more = told("Chelsea", "Arsenal", source="other", kickoff_at=KICKOFF + timedelta(days=7))
    store.load([more], [], [], NOW)
    last = date(2025, 4, 5)
    assert store.told_by_others("test", [LEAGUE], DAY, last) == {(LEAGUE, DAY + timedelta(days=7))}
    assert store.told_by_others("other", [LEAGUE], DAY, last) == {
        (LEAGUE, day) for day in (DAY, DAY + timedelta(days=7), DAY + timedelta(days=8), last)
    }
    assert len(store.told_by_others("third", ["england:championship"], DAY, DAY + timedelta(days=1))) == 1
    assert not store.told_by_others("third", [], DAY, last)


def test_matches_wait_once_each_until_they_are_loaded(store: SqlMatchStore) -> None:
    one = WaitingMatch("new", "1", LEAGUE, DAY, "Gunners", "Chelsea", 2, 1)
    other = WaitingMatch("new", "2", LEAGUE, DAY, "Gunners", "Everton")
    store.keep_waiting([one, other, other], [])
    moved = other._replace(day=DAY + timedelta(days=3))
    store.keep_waiting([moved], [("new", "7"), ("elsewhere", "1")])
    assert store.waiting_matches() == [one, moved]
    store.keep_waiting([], [("new", "1"), ("new", "2")])
    assert store.waiting_matches() == []


def test_clubs_are_found_by_the_stored_matches_and_waiting_ones(database: Database) -> None:
    """Their names are unlike ours: two rounds settle nothing, the others do, with what waited."""
    stored = SqlMatchStore(database)
    ours, theirs, games = WORDS[:4], WORDS[4:8], season(4, seed=3)
    days = sorted({game.day for game in games})

    def load(source: str, names: Sequence[str], these: Sequence[date]) -> IngestReport:
        rows = told_by(source, names, [game for game in games if game.day in these])
        return ingest([ParsedFile("file", Parsed(rows, []))], stored, [], NOW)

    load("ours", ours, days)
    first = load("theirs", theirs, days[:2])
    assert (len(first.held), len(stored.waiting_matches())) == (4, 4)
    load("theirs", theirs, days[2:])
    whole = load("theirs", theirs, days)
    assert (whole.rejected, stored.waiting_matches()) == ([], [])
    clubs = {(alias.source, alias.name): alias.team_id for alias in stored.aliases()}
    assert all(clubs["ours", one] == clubs["theirs", other] for one, other in zip(ours, theirs, strict=True))
    assert whole.loaded.matches == (0, 0, len(games))


def test_a_renamed_club_is_known_by_its_sources_id(database: Database) -> None:
    stored = SqlMatchStore(database)
    games, names = season(4), WORDS[:4]
    for called, years in ((names, 0), ((*names[:-1], "Zeppelin"), 1)):
        moved = [game._replace(day=game.day + timedelta(days=400 * years)) for game in games]
        rows = [
            row._replace(home_club_id=f"{game.home}", away_club_id=f"{game.away}", source_id=f"{row.source_id}{years}")
            for row, game in zip(told_by("theirs", called, moved), moved, strict=True)
        ]
        report = ingest([ParsedFile("file", Parsed(rows, []))], stored, [], NOW)
    assert [(alias.name, alias.club_id) for alias in report.recognised] == [("Zeppelin", "3")]
    assert {alias.name: alias.team_id for alias in stored.aliases()}["Zeppelin"] == f"norway:{names[-1].lower()}"
    assert len(stored.teams()) == 4


def test_of_a_list_with_a_contradiction_nothing_is_written(database: Database) -> None:
    stored = SqlMatchStore(database)
    games = season(4)
    for source, names, these in (("ours", WORDS[:4], games), ("theirs", WORDS[4:8], games[:2])):
        ingest([ParsedFile("file", Parsed(told_by(source, names, these), []))], stored, [], NOW)
    before = stored.teams(), stored.aliases()
    lines = [
        Reviewed(line, "theirs", "norway", name, decision)
        for line, name, decision in ((2, WORDS[4], "new"), (3, WORDS[5], "norway:nobody"))
    ]
    with pytest.raises(BadInput, match="line 3: 'norway:nobody' is no club of norway"):
        decide_all(stored, lines, now=NOW)
    assert (stored.teams(), stored.aliases()) == before
    assert len(decide_all(stored, lines[:1], now=NOW).new_teams) == 1
