"""Lists of matches, on both databases."""

from datetime import timedelta

import pytest

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.matches import SqlMatchReader
from matchcast.domain.match import MatchStatus
from matchcast.ports import MatchFilter, MatchRecord
from tests.contract.matches import ALIASES, KICKOFF, NOW, TEAMS, fixture, told

ANY = MatchFilter()


@pytest.fixture
def reader(database: Database) -> SqlMatchReader:
    pairs = [("Arsenal", "Chelsea"), ("Chelsea", "Everton"), ("Everton", "Arsenal"), ("Chelsea", "Arsenal")]
    rows = [told(home, away, kickoff_at=KICKOFF + timedelta(days=i // 2)) for i, (home, away) in enumerate(pairs)]
    rows.append(fixture("Arsenal", "Everton", kickoff_at=KICKOFF + timedelta(days=9)))
    SqlMatchStore(database).load(rows, TEAMS, ALIASES, NOW)
    return SqlMatchReader(database)


def test_pages_join_to_the_whole_list_in_order(reader: SqlMatchReader) -> None:
    whole = reader.page(ANY, None, 100)
    assert len(whole) == 5
    assert [(m.kickoff_at, m.match_id) for m in whole] == sorted((m.kickoff_at, m.match_id) for m in whole)
    paged: list[MatchRecord] = []
    after = None
    while page := reader.page(ANY, after, 2):
        paged.extend(page)
        after = (page[-1].kickoff_at, page[-1].match_id)
    assert paged == whole


def test_a_match_is_found_by_id_with_names(reader: SqlMatchReader) -> None:
    first = reader.page(ANY, None, 1)[0]
    assert reader.find(first.match_id) == first
    assert reader.find(1) is None
    assert {first.home_name, first.away_name} <= {"Arsenal", "Chelsea", "Everton"}


def test_every_filter_narrows_the_list(reader: SqlMatchReader) -> None:
    def count(chosen: MatchFilter) -> int:
        return len(reader.page(chosen, None, 100))

    assert count(MatchFilter(kickoff_from=KICKOFF + timedelta(days=1))) == 3
    assert count(MatchFilter(kickoff_to=KICKOFF + timedelta(days=1))) == 2
    assert count(MatchFilter(team="england:everton")) == 3
    assert count(MatchFilter(status=MatchStatus.UPCOMING)) == 1
    assert count(MatchFilter(tournament="england:championship")) == 0
    assert count(MatchFilter(tournament="england:premier-league", team="england:chelsea")) == 3
