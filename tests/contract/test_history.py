"""What was said of a match and what came of it, on SQLite and PostgreSQL."""

from datetime import datetime, timedelta

import pytest

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.matches import SqlMatchReader
from matchcast.domain.forecast import Cause
from matchcast.domain.match import MatchStatus
from matchcast.errors import BadInput, NotFound
from matchcast.usecases.history import MatchHistory, match_history
from tests.contract.matches import KICKOFF, told
from tests.contract.settling import BEFORE, NOW, Place

HOUR = timedelta(hours=1)


@pytest.fixture
def place(database: Database) -> Place:
    return Place(database)


def history(
    place: Place, match_id: int | None = None, cursor: str | None = None, limit: int = 50, now: datetime = NOW
) -> MatchHistory:
    wanted = place.match_id() if match_id is None else match_id
    matches = SqlMatchReader(place.database)
    return match_history(
        wanted, cursor, limit, now, ledger=place.ledger, matches=matches, settled=place.settlements
    )  # fmt: skip


def test_every_revision_is_told_with_its_cause_and_the_last_before_kickoff_is_the_one_that_counts(place: Place) -> None:
    place.load(told())
    for at, recorded_at, cause in (
        (BEFORE - HOUR, None, Cause.NEW_RESULTS),
        (BEFORE, None, Cause.REQUESTED),
        (BEFORE, KICKOFF, Cause.NEW_MODEL),
    ):
        place.forecast(at, recorded_at=recorded_at, cause=cause)
    place.forecast(cause=Cause.COMPARED)
    place.forecast(match_id=None)
    found = history(place)
    assert found.match is not None
    assert (found.match.home_name, found.kickoff_at, found.kickoff_known) == ("Arsenal", KICKOFF, True)
    assert [(one.row.forecast_id, one.row.forecast.cause, one.in_time, one.locked) for one in found.page.items] == [
        (1, Cause.NEW_RESULTS, True, False),
        (2, Cause.REQUESTED, True, True),
        (3, Cause.NEW_MODEL, False, False),
        (4, Cause.COMPARED, True, False),
    ]
    assert (found.page.next, found.settlements) == (None, [])


def test_the_locked_forecast_is_the_settled_one_whatever_was_compared(place: Place) -> None:
    place.load(told())
    counted = place.forecast()
    place.forecast(cause=Cause.COMPARED)
    place.settle()
    found = history(place)
    assert [one.row.forecast_id for one in found.page.items if one.locked] == [counted]
    assert [row.settlement.forecast_id for row in found.settlements] == [counted]


@pytest.mark.parametrize(("now", "locked"), [(KICKOFF - HOUR / 60, False), (KICKOFF, True)])
def test_nothing_is_locked_before_kickoff(place: Place, now: datetime, locked: bool) -> None:
    place.load(told())
    place.forecast()
    assert [one.locked for one in history(place, now=now).page.items] == [locked]


def test_where_only_the_day_is_known_forecasts_are_locked_when_it_ends(place: Place) -> None:
    midnight = KICKOFF.replace(hour=0)
    place.load(told(kickoff_at=midnight, kickoff_known=False))
    place.forecast(midnight + 23 * HOUR)
    for hour, locked in ((23.5, False), (24, True)):
        assert [one.locked for one in history(place, now=midnight + hour * HOUR).page.items] == [locked]


def test_pages_follow_one_another_and_which_one_counts_does_not_depend_on_the_page(place: Place) -> None:
    place.load(told())
    for minute in range(5):
        place.forecast(BEFORE + timedelta(minutes=minute))
    seen, cursor = [], None
    for _ in range(3):
        page = history(place, cursor=cursor, limit=2).page
        seen += [(one.row.forecast_id, one.locked) for one in page.items]
        cursor = page.next
    assert cursor is None
    assert seen == [(1, False), (2, False), (3, False), (4, False), (5, True)]
    with pytest.raises(BadInput, match="cursor"):
        history(place, cursor="junk")


def test_every_settlement_is_told_with_corrections_and_what_was_taken_back(place: Place) -> None:
    place.load(told())
    place.forecast()
    place.settle()
    place.load(told(home_goals=1))
    place.settle(place.match_id(), id="e2")
    place.declare(MatchStatus.CANCELLED)
    place.settle(id="e3")
    told_of = [row.settlement for row in history(place).settlements]
    assert [(one.revision, one.status, one.result and one.result[:2]) for one in told_of] == [
        (1, MatchStatus.FINISHED, (2, 1)), (2, MatchStatus.FINISHED, (1, 1)), (3, MatchStatus.CANCELLED, None),
    ]  # fmt: skip


def test_a_match_that_is_known_and_was_never_forecast_has_an_empty_history(place: Place) -> None:
    place.load(told())
    assert history(place).page == ([], None)


def test_a_forecast_of_a_match_that_is_not_stored_goes_by_its_own_kickoff(place: Place) -> None:
    place.forecast(match_id=12345)
    found = history(place, 12345)
    assert (found.match, found.kickoff_at, [one.locked for one in found.page.items]) == (None, KICKOFF, [True])


def test_an_unknown_match_is_not_found(place: Place) -> None:
    with pytest.raises(NotFound, match="there is no match 12345"):
        history(place, 12345)
