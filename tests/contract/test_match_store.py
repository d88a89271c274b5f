"""Loads of matches, on both databases."""

import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.tables import match_stats, matches, odds, teams
from matchcast.domain.match import MatchStats, MatchStatus, Odds, OddsMoment
from matchcast.errors import BadInput
from matchcast.ports import AliasStatus, Parsed, ResolvedMatch, TeamAlias, TeamRecord
from matchcast.usecases.ingest import ParsedFile, ingest
from tests.contract.matches import ALIASES, KICKOFF, LATER, NOW, TEAMS, fixture, told


@pytest.fixture
def store(database: Database) -> SqlMatchStore:
    stored = SqlMatchStore(database)
    stored.load([], TEAMS, ALIASES, NOW)
    return stored


def test_what_is_loaded_can_be_read_back_exactly(store: SqlMatchStore, database: Database) -> None:
    kickoff_at = datetime(2025, 3, 1, 15, 0, 0, 1, tzinfo=UTC)
    report = store.load([told(kickoff_at=kickoff_at)], [], [], NOW)
    assert (report.matches, report.stats, report.odds) == ((1, 0, 0), (1, 0, 0), (2, 0, 0))
    with database.reading() as connection:
        match = connection.execute(select(matches)).one()
        stats = connection.execute(select(match_stats)).one()
        prices = connection.execute(select(odds).order_by(odds.c.moment)).all()
    assert match.kickoff_at == kickoff_at
    assert match.kickoff_at.tzinfo is UTC
    assert (match.ingested_at, match.updated_at, match.match_day.isoformat()) == (NOW, NOW, "2025-03-01")
    assert (match.home_goals, match.away_goals, match.status, match.region) == (2, 1, 6, "england")
    assert (stats.home_shots, stats.away_shots, stats.home_corners) == (10, 4, None)
    assert prices[0][3:] == (1.85, 3.5, 0.1 + 4.2, KICKOFF, "test")
    assert prices[1].away == 4.333333333333333


def test_the_referee_is_told_by_whoever_knows_and_not_forgotten(store: SqlMatchStore, database: Database) -> None:
    def referee() -> str | None:
        with database.reading() as connection:
            found: str | None = connection.execute(select(matches.c.referee)).scalar_one()
        return found

    store.load([told()], [], [], NOW)
    assert referee() is None
    assert store.load([told(source="other", referee="A. Taylor")], [], [], LATER).matches == (0, 1, 0)
    assert referee() == "A. Taylor"
    store.load([told(), told(source="other", referee="M. Oliver")], [], [], LATER)
    assert referee() == "A. Taylor"
    store.load([told(referee="M. Oliver")], [], [], LATER)
    assert referee() == "M. Oliver"


def test_a_load_tells_of_every_match_how_it_stands_now(store: SqlMatchStore, database: Database) -> None:
    store.load([told(), fixture("Everton", "Chelsea")], [], [], NOW)
    other = fixture("Chelsea", "Everton")
    report = store.load([told(status=MatchStatus.UPCOMING, home_goals=None, away_goals=None), other], [], [], LATER)
    with database.reading() as connection:
        found = connection.execute(select(matches.c.id, matches.c.home_team_id)).all()
    ids = {team: match_id for match_id, team in found if team != "england:everton"}
    assert report.statuses == {
        ids[told().home_team]: MatchStatus.FINISHED,
        ids[other.home_team]: MatchStatus.UPCOMING,
    }


def test_a_load_tells_how_far_it_is(store: SqlMatchStore) -> None:
    heard: list[tuple[int, int]] = []
    rows = [told(), fixture("Everton", "Chelsea")]
    for _ in range(2):
        store.load(rows, [], [], NOW, lambda written, of: heard.append((written, of)))
    assert heard == [(2, 5), (3, 5), (5, 5), (1, 3), (3, 3)]


def test_the_same_load_again_changes_nothing_and_says_so(store: SqlMatchStore, database: Database) -> None:
    rows = [told(), fixture("Chelsea", "Everton"), told("Everton", "Arsenal", stats=None)]
    store.load(rows, [], [], NOW)
    report = store.load(rows, [], [], LATER)
    assert (report.matches, report.stats, report.odds) == ((0, 0, 3), (0, 0, 1), (0, 0, 4))
    with database.reading() as connection:
        assert set(connection.execute(select(matches.c.updated_at)).scalars()) == {NOW}


def test_a_correction_by_the_same_source_counts_as_an_update(store: SqlMatchStore, database: Database) -> None:
    store.load([told()], [], [], NOW)
    corrected = told(
        home_goals=3,
        stats=MatchStats(home_shots=11, home_corners=5),
        odds=(Odds("B365", OddsMoment.OPENING, 2.0, 3.4, 4.0), Odds("PS", OddsMoment.OPENING, 2.0, 3.5, 4.1)),
    )
    report = store.load([corrected], [], [], LATER)
    assert (report.matches, report.stats, report.odds) == ((0, 1, 0), (0, 1, 0), (1, 1, 0))
    with database.reading() as connection:
        stats = connection.execute(select(match_stats)).one()
        assert connection.execute(select(matches.c.home_goals, matches.c.updated_at)).one() == (3, LATER)
    assert (stats.home_shots, stats.away_shots, stats.home_corners) == (11, 4, 5)


def test_another_source_gives_a_fixture_its_result(store: SqlMatchStore, database: Database) -> None:
    store.load([fixture()], [], [], NOW)
    midnight = KICKOFF.replace(hour=0)
    result = told(source="other", source_id="77", kickoff_at=midnight, kickoff_known=False)
    report = store.load([result], [], [], LATER)
    assert report.matches == (0, 1, 0)
    with database.reading() as connection:
        match = connection.execute(select(matches)).one()
    assert (match.source, match.source_id, match.home_goals, match.status) == ("other", "77", 2, 6)
    assert (match.kickoff_at, match.kickoff_known) == (KICKOFF, True)
    again = store.load([fixture()], [], [], LATER)
    assert again.matches == (0, 0, 1)


def test_another_source_fills_gaps_but_overrules_nothing(store: SqlMatchStore, database: Database) -> None:
    store.load([told()], [], [], NOW)
    other = told(
        source="other",
        stats=MatchStats(home_shots=99, home_corners=7),
        odds=(Odds("B365", OddsMoment.OPENING, 9.0, 9.0, 9.0), Odds("WH", OddsMoment.OPENING, 2.0, 3.0, 4.0)),
    )
    report = store.load([other], [], [], LATER)
    assert (report.matches, report.stats, report.odds) == ((0, 0, 1), (0, 1, 0), (1, 0, 1))
    with database.reading() as connection:
        stats = connection.execute(select(match_stats)).one()
        price = connection.execute(select(odds.c.home).where(odds.c.bookmaker == "B365").order_by(odds.c.home)).first()
    assert (stats.home_shots, stats.home_corners) == (10, 7)
    assert price is not None
    assert price.home == 1.85


def test_a_moved_match_keeps_its_id(store: SqlMatchStore, database: Database) -> None:
    store.load([fixture(source_id="round 3")], [], [], NOW)
    with database.reading() as connection:
        first = connection.execute(select(matches.c.id)).scalar_one()
    moved = KICKOFF + timedelta(days=30)
    report = store.load([fixture(source_id="round 3", kickoff_at=moved)], [], [], LATER)
    assert report.matches == (0, 1, 0)
    with database.reading() as connection:
        assert connection.execute(select(matches.c.id, matches.c.kickoff_at)).one() == (first, moved)


def test_refused_rows_are_told_with_their_place_and_the_rest_is_loaded(store: SqlMatchStore) -> None:
    rows = [told(), told(source_id="twice", line=9), told("Everton", "Arsenal", tournament="mars:league")]
    report = store.load(rows, [], [], NOW)
    assert report.matches == (1, 0, 0)
    assert [refusal.position for refusal in report.refused] == [1, 2]
    assert "told on line 1" in report.refused[0].reason
    assert "mars:league" in report.refused[1].reason


def test_a_load_that_fails_half_way_leaves_nothing(database: Database) -> None:
    store = SqlMatchStore(database)
    unknown_club = ResolvedMatch(told().told, "england:arsenal", "england:nobody")
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError), match=r"(?i)foreign key"):
        store.load([told("Chelsea", "Everton"), unknown_club], TEAMS, ALIASES, NOW)
    assert store.teams() == []
    with database.reading() as connection:
        assert connection.execute(select(matches)).all() == []


def test_a_decision_can_make_two_clubs_one(store: SqlMatchStore, database: Database) -> None:
    store.load([told("Chelsea", "Everton")], [], [], NOW)
    alias = TeamAlias("test", "england", "Everton", "england:arsenal", AliasStatus.CONFIRMED, (), LATER)
    assert store.decide(alias, None, "england:everton") == 1
    with database.reading() as connection:
        assert connection.execute(select(matches.c.away_team_id)).scalar_one() == "england:arsenal"
        assert "england:everton" not in connection.execute(select(teams.c.id)).scalars().all()
    assert alias in store.aliases()


def test_two_clubs_that_played_the_same_match_cannot_become_one(store: SqlMatchStore) -> None:
    store.load([told("Arsenal", "Chelsea"), told("Everton", "Chelsea")], [], [], NOW)
    alias = TeamAlias("test", "england", "Everton", "england:arsenal", AliasStatus.CONFIRMED, (), LATER)
    with pytest.raises(BadInput, match=r"team_id: .*same day"):
        store.decide(alias, None, "england:everton")
    assert len(store.teams()) == 3


def test_two_clubs_that_played_each_other_cannot_become_one(store: SqlMatchStore, database: Database) -> None:
    rows = [told("Arsenal", "Everton"), told("Chelsea", "Everton", kickoff_at=KICKOFF + timedelta(days=7))]
    store.load(rows, [], [], NOW)
    alias = TeamAlias("test", "england", "Everton", "england:arsenal", AliasStatus.CONFIRMED, (), LATER)
    refusal = r"england:everton and england:arsenal played each other .*first on 2025-03-01.*another club"
    with pytest.raises(BadInput, match=refusal):
        store.decide(alias, None, "england:everton")
    assert len(store.teams()) == 3
    assert alias not in store.aliases()
    with database.reading() as connection:
        assert connection.execute(select(matches.c.away_team_id)).scalars().all() == ["england:everton"] * 2


def test_no_match_of_a_club_against_itself_is_stored(store: SqlMatchStore, database: Database) -> None:
    store.load([told()], [], [], NOW)
    with pytest.raises(IntegrityError, match="two_clubs"), database.writing() as connection:
        connection.execute(text("UPDATE matches SET away_team_id = home_team_id"))


def test_a_name_that_waits_is_remembered_with_its_proposals(store: SqlMatchStore) -> None:
    waiting = TeamAlias("test", "england", "Arsenol", None, AliasStatus.REVIEW, ("england:arsenal", "x"), None)
    store.load([], [], [waiting], NOW)
    assert waiting in store.aliases()
    made = TeamRecord("england:arsenol", "Arsenol", "england")
    settled = waiting._replace(team_id=made.team_id, status=AliasStatus.CONFIRMED, proposals=(), decided_at=LATER)
    store.decide(settled, made, None)
    assert settled in store.aliases()
    assert made in store.teams()


def test_a_status_other_than_finished_is_kept(store: SqlMatchStore, database: Database) -> None:
    store.load([fixture(status=MatchStatus.POSTPONED)], [], [], NOW)
    with database.reading() as connection:
        assert connection.execute(select(matches.c.status)).scalar_one() == MatchStatus.POSTPONED


def test_a_decision_that_is_made_while_names_are_looked_up_stands(database: Database) -> None:
    """A load that read before it would put its own guess in its place."""
    SqlMatchStore(database).load([], TEAMS, ALIASES, NOW)
    decided = TeamAlias("test", "england", "Arsenall", "england:chelsea", AliasStatus.CONFIRMED, (), LATER)
    with ThreadPoolExecutor(1) as pool:
        decisions = []

        class Slow(SqlMatchStore):
            def aliases(self) -> Sequence[TeamAlias]:
                found = super().aliases()
                decisions.append(pool.submit(SqlMatchStore(database).decide, decided, None, None))
                wait(decisions, 0.5)
                return found

        rows = [told().told._replace(home_team="Arsenall"), told("Everton").told]
        report = ingest([ParsedFile("f", Parsed(rows, []))], Slow(database), (), NOW)
        assert decisions[0].result(20) == 0
    assert [alias.name for alias in report.held] == ["Arsenall"]
    assert decided in SqlMatchStore(database).aliases()
