"""Which price stands, on both databases."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from random import Random

import pytest
from sqlalchemy import delete, select

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.tables import match_stats, matches, odds
from matchcast.domain.match import Odds, OddsMoment
from matchcast.domain.prices import standing_prices
from matchcast.ports import ResolvedMatch
from tests.contract.matches import ALIASES, LATER, NOW, TEAMS, fixture, told

FRIDAY = datetime(2025, 2, 28, 17, tzinfo=UTC)
TUESDAY = FRIDAY - timedelta(days=3)


@pytest.fixture
def store(database: Database) -> SqlMatchStore:
    stored = SqlMatchStore(database)
    stored.load([], TEAMS, ALIASES, NOW)
    return stored


def opening(home: float, taken_at: datetime | None = None) -> Odds:
    return Odds("B365", OddsMoment.OPENING, home, 3.4, 4.0, taken_at)


def closing(home: float) -> Odds:
    return Odds("B365", OddsMoment.CLOSING, home, 3.5, 3.9)


def stored_prices(database: Database) -> set[tuple[OddsMoment, float, datetime | None]]:
    with database.reading() as connection:
        found = connection.execute(select(odds.c.moment, odds.c.home, odds.c.taken_at)).all()
    return {(OddsMoment(moment), home, taken_at) for moment, home, taken_at in found}


def load(store: SqlMatchStore, row: ResolvedMatch) -> tuple[int, int, int]:
    return tuple(store.load([row], [], [], LATER).odds)  # type: ignore[return-value]


def test_the_first_price_seen_stays_the_opening_whatever_is_told_later(
    store: SqlMatchStore, database: Database
) -> None:
    coming = fixture()
    assert load(store, coming._replace(told=coming.told._replace(odds=(opening(2.0, TUESDAY),)))) == (1, 0, 0)
    assert load(store, coming._replace(told=coming.told._replace(odds=(opening(1.9, FRIDAY),)))) == (0, 0, 1)
    played = told(odds=(opening(1.8), closing(1.7)))
    assert load(store, played) == (1, 0, 1)
    assert stored_prices(database) == {(OddsMoment.OPENING, 2.0, TUESDAY), (OddsMoment.CLOSING, 1.7, None)}
    assert load(store, told(odds=(opening(1.8), closing(1.75)))) == (0, 1, 1)
    assert stored_prices(database) == {(OddsMoment.OPENING, 2.0, TUESDAY), (OddsMoment.CLOSING, 1.75, None)}


def test_another_source_than_the_matches_own_gives_an_earlier_opening_price_and_nothing_else(
    store: SqlMatchStore, database: Database
) -> None:
    load(store, told(odds=(opening(1.8), closing(1.7))))
    assert load(store, told(source="other", odds=(opening(1.9), closing(1.6)))) == (0, 0, 2)
    assert load(store, told(source="other", odds=(opening(1.9, FRIDAY), closing(1.6)))) == (0, 1, 1)
    assert load(store, told(source="other", odds=(opening(2.0, FRIDAY + timedelta(1)),))) == (0, 0, 1)
    assert stored_prices(database) == {(OddsMoment.OPENING, 1.9, FRIDAY), (OddsMoment.CLOSING, 1.7, None)}


def test_a_source_corrects_its_own_prices_of_another_sources_match(store: SqlMatchStore, database: Database) -> None:
    load(store, told(source="other", odds=()))
    load(store, told(odds=(opening(1.8), closing(1.7))))
    assert load(store, told(odds=(opening(1.85), closing(1.75)))) == (0, 2, 0)
    assert load(store, told(odds=(opening(1.9, FRIDAY),))) == (0, 1, 0)
    assert load(store, told(odds=(opening(1.95),))) == (0, 0, 1)
    assert stored_prices(database) == {(OddsMoment.OPENING, 1.9, FRIDAY), (OddsMoment.CLOSING, 1.75, None)}
    third = told(source="third", odds=(closing(1.6), Odds("WH", OddsMoment.CLOSING, 1.65, 3.5, 4.0)))
    assert load(store, third) == (1, 0, 1)
    assert load(store, told(source="other", odds=(closing(1.5),))) == (0, 1, 0), (
        "the match's own source has the last word"
    )
    assert load(store, told(odds=(closing(1.75),))) == (0, 0, 1)


def test_a_correction_counts_whichever_source_told_the_match_first(store: SqlMatchStore, database: Database) -> None:
    told_of = {
        "owner": told(source="other", odds=()),
        "slip": told(odds=(opening(1.8), closing(1.7))),
        "right": told(odds=(opening(1.85), closing(1.75))),
    }
    for order in (("owner", "slip", "right"), ("slip", "owner", "right"), ("slip", "right", "owner")):
        with database.writing() as connection:
            connection.execute(delete(odds))
            connection.execute(delete(match_stats))
            connection.execute(delete(matches))
        for row in order:
            load(store, told_of[row])
        assert stored_prices(database) == {(OddsMoment.OPENING, 1.85, None), (OddsMoment.CLOSING, 1.75, None)}


def test_a_dated_opening_price_stands_in_whatever_order_prices_are_told(
    store: SqlMatchStore, database: Database
) -> None:
    for order in permutations((opening(2.0, TUESDAY), opening(1.9, FRIDAY), opening(1.8))):
        with database.writing() as connection:
            connection.execute(delete(odds))
        for price in order:
            load(store, told(odds=(price,)))
        assert stored_prices(database) == {(OddsMoment.OPENING, 2.0, TUESDAY)}
        assert standing_prices(order) == (opening(2.0, TUESDAY),)


def test_the_database_and_the_domain_have_one_rule(store: SqlMatchStore, database: Database) -> None:
    """Told one by one or all at once, the same prices stand."""
    random = Random(7)
    instants: Sequence[datetime | None] = (None, TUESDAY, FRIDAY)
    for _ in range(12):
        moments = random.choices(tuple(OddsMoment), k=4)
        prices = [Odds("B365", m, 1.5 + i / 8, 3.4, 4.0, random.choice(instants)) for i, m in enumerate(moments)]
        with database.writing() as connection:
            connection.execute(delete(odds))
        for price in prices:
            load(store, told(odds=(price,)))
        one_by_one = stored_prices(database)
        assert one_by_one == {(p.moment, p.home, p.taken_at) for p in standing_prices(prices)}
        with database.writing() as connection:
            connection.execute(delete(odds))
        store.load([told(odds=(price,)) for price in prices], [], [], LATER)
        assert stored_prices(database) == one_by_one


def test_rows_that_tell_of_one_match_in_one_load_add_up(store: SqlMatchStore, database: Database) -> None:
    """A list of matches to come may be older than the results beside it."""
    stale = fixture().told._replace(source_id=told().told.source_id, odds=(opening(2.0, TUESDAY),))
    report = store.load([told(odds=(closing(1.7),)), fixture()._replace(told=stale)], [], [], LATER)
    assert (report.matches, report.stats, report.repeated) == ((1, 0, 0), (1, 0, 0), 1)
    assert stored_prices(database) == {(OddsMoment.OPENING, 2.0, TUESDAY), (OddsMoment.CLOSING, 1.7, None)}
