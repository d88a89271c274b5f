"""What is stored of tournaments that we do not know by their codes, on both databases."""

from datetime import timedelta

import pytest

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.domain.competitions import unknown_competition
from matchcast.ports import Parsed
from matchcast.ports.calendar import WaitingMatch
from matchcast.ports.tournaments import TournamentAlias, TournamentProposal, TournamentStatus
from matchcast.usecases.ingest import IngestReport, ParsedFile, ingest
from tests.contract.matches import KICKOFF, NOW
from tests.unit.ingest.leagues import LEAGUE, WORDS, told_by
from tests.unit.ingest.test_calendars import season

DAY = KICKOFF.date()
PROPOSALS = (TournamentProposal(LEAGUE, 4, 1, 0, 91, None), TournamentProposal("norway:other", 0, 0, 0, 88, "7"))
HELD = TournamentAlias("told", "77", "Élite 1", "norway", None, TournamentStatus.REVIEW, PROPOSALS)


@pytest.fixture
def store(database: Database) -> SqlMatchStore:
    stored = SqlMatchStore(database)
    stored.put_tournaments([HELD, HELD._replace(source="another")])
    waiting = [WaitingMatch("told", str(n), f"told:{n}", DAY, "A", "B") for n in (76, 77, 78)]
    stored.keep_waiting([*waiting, WaitingMatch("another", "1", "told:77", DAY, "A", "B")], [])
    return stored


def waiting_in(store: SqlMatchStore) -> list[tuple[str, str]]:
    return [(match.source, match.tournament) for match in store.waiting_matches()]


def test_a_tournament_is_read_as_it_was_written(store: SqlMatchStore) -> None:
    assert store.tournament_aliases() == [HELD._replace(source="another"), HELD]
    store.put_tournaments([])
    assert len(store.tournament_aliases()) == 2


def test_matches_of_a_settled_tournament_wait_as_ours(store: SqlMatchStore) -> None:
    settled = HELD._replace(
        tournament_id=LEAGUE, status=TournamentStatus.SETTLED, decided_at=NOW + timedelta(microseconds=1)
    )
    store.put_tournaments([settled])
    assert store.tournament_aliases()[1] == settled
    assert waiting_in(store) == [("another", "told:77"), ("told", "told:76"), ("told", LEAGUE), ("told", "told:78")]


def test_matches_of_an_ignored_tournament_are_forgotten(store: SqlMatchStore) -> None:
    store.put_tournaments([HELD._replace(status=TournamentStatus.IGNORED, decided_at=NOW)])
    assert waiting_in(store) == [("another", "told:77"), ("told", "told:76"), ("told", "told:78")]


def test_a_tournament_is_found_by_stored_and_waiting_matches_and_then_loaded(database: Database) -> None:
    stored, games = SqlMatchStore(database), sorted(season(4), key=lambda game: (game.day, game.home))
    told = unknown_competition("theirs", "77", "First League", "norway")
    assert told is not None

    def load(source: str, first: int, last: int) -> IngestReport:
        rows = told_by(source, WORDS[:4], games[first:last])
        if source == "ours":
            return ingest([ParsedFile("file", Parsed(rows, []))], stored, [], NOW)
        parsed = Parsed([row._replace(tournament=told.id) for row in rows], [], (told,))
        return ingest([ParsedFile("file", parsed)], stored, [], NOW)

    load("ours", 0, 12)
    assert not stored.tells("theirs", LEAGUE)
    assert (load("theirs", 0, 3).rows_loaded, len(stored.waiting_matches())) == (0, 3)
    (settled,) = load("theirs", 3, 6).settled_tournaments
    assert (settled.tournament_id, settled.proposals[0][:4]) == (LEAGUE, (LEAGUE, 6, 0, 0))
    whole = load("theirs", 0, 12)
    assert (whole.rejected, whole.loaded.matches, stored.waiting_matches()) == ([], (0, 0, 12), [])
    assert stored.tells("ours", LEAGUE)
    assert load("theirs", 0, 12).loaded.matches == (0, 0, 12)
