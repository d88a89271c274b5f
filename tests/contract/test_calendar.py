"""Who played whom on which day, as both databases tell it."""

from datetime import UTC, date, datetime, timedelta

import pytest

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.domain.match import MatchStatus
from matchcast.ports.calendar import PlayedOn, WaitingMatch
from tests.contract.matches import ALIASES, KICKOFF, NOW, TEAMS, fixture, told

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


def test_matches_wait_once_each_until_they_are_loaded(store: SqlMatchStore) -> None:
    one = WaitingMatch("new", "1", LEAGUE, DAY, "Gunners", "Chelsea", 2, 1)
    other = WaitingMatch("new", "2", LEAGUE, DAY, "Gunners", "Everton")
    store.keep_waiting([one, other, other], [])
    moved = other._replace(day=DAY + timedelta(days=3))
    store.keep_waiting([moved], [("new", "7"), ("elsewhere", "1")])
    assert store.waiting_matches() == [one, moved]
    store.keep_waiting([], [("new", "1"), ("new", "2")])
    assert store.waiting_matches() == []
