"""Settling on SQLite and PostgreSQL."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from math import log

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matchcast.adapters.clock import Timer
from matchcast.adapters.database.chains import SqlChains
from matchcast.adapters.database.engine import Database
from matchcast.domain.forecast import GENESIS_HASH, Cause, counts
from matchcast.domain.match import MatchStatus, Odds, OddsMoment
from matchcast.errors import BadInput, TimedOut
from matchcast.events import ForecastsSettled
from matchcast.model.market import CLOSING_BOOKS
from matchcast.ports import ResolvedMatch
from matchcast.usecases.ledger import verify
from tests.contract.matches import KICKOFF, fixture, ingested, told
from tests.contract.settling import BEFORE, CLOSING, HOME_LIKELY, NOW, Place
from tests.contract.tampering import unguarded

DAY = timedelta(days=1)


@pytest.fixture
def place(database: Database) -> Place:
    return Place(database)


def test_a_forecast_meets_its_result(place: Place) -> None:
    place.load(told(odds=CLOSING))
    forecast_id = place.forecast()
    match_id = place.match_id()
    reply = place.settle(match_id)

    assert (reply.matches, reply.corrected) == ((match_id,), ())
    settled = place.settlements.last([match_id])[match_id]
    assert settled[:3] == (match_id, 1, forecast_id)
    assert settled[3:9] == ("england:premier-league", "v1", HOME_LIKELY, KICKOFF, True, MatchStatus.FINISHED)
    assert settled.result is not None
    assert settled.result[:2] == (2, 1)
    assert settled.result.log_loss == pytest.approx(-log(0.5))
    assert settled.result.rps == pytest.approx(0.5 * (0.5**2 + 0.25**2))
    assert settled.result.brier == pytest.approx(0.5**2 + 2 * 0.25**2)
    assert settled.settled_at == NOW
    assert settled.market is not None
    assert settled.market.bookmaker == "Avg", "the market's average is preferred"
    assert sum(settled.market.probabilities) == pytest.approx(1)
    assert settled.market.log_loss == pytest.approx(-log(settled.market.probabilities.home))
    assert [(score.days, score.matches) for score in reply.scores] == [(7, 1), (30, 1), (90, 1), (365, 1)]
    assert reply.scores[0].log_loss == pytest.approx(settled.result.log_loss)


def test_the_last_forecast_made_and_recorded_before_kickoff_counts_whoever_asked_for_it(place: Place) -> None:
    place.load(told())
    place.forecast(KICKOFF - DAY)
    last = place.forecast(BEFORE, cause=Cause.REQUESTED)
    place.forecast(BEFORE, recorded_at=KICKOFF)
    place.forecast(KICKOFF + timedelta(minutes=1))
    place.forecast(BEFORE, match_id=None)
    place.forecast(BEFORE, cause=Cause.COMPARED)
    place.settle(place.match_id())
    assert place.settlements.last([place.match_id()])[place.match_id()].forecast_id == last


def test_where_only_the_day_is_known_forecasts_count_until_it_ends(place: Place) -> None:
    midnight = KICKOFF.replace(hour=0)
    place.load(told(kickoff_at=midnight, kickoff_known=False))
    last = place.forecast(midnight + timedelta(hours=23))
    place.forecast(midnight + DAY)
    place.settle(place.match_id())
    assert place.settlements.last([place.match_id()])[place.match_id()].forecast_id == last


@pytest.mark.parametrize("row", [fixture(), told(status=MatchStatus.ABANDONED, home_goals=None, away_goals=None)])
def test_only_finished_matches_are_settled(place: Place, row: ResolvedMatch) -> None:
    place.load(row)
    place.forecast()
    reply = place.settle(place.match_id())
    assert (reply.matches, reply.scores, place.all()) == ((), (), [])


def test_a_match_without_a_forecast_and_one_that_is_not_stored_are_passed_over(place: Place) -> None:
    place.load(told())
    assert place.settle(place.match_id(), 12345).matches == ()


def test_what_an_earlier_event_left_unsettled_is_settled_with_the_next(place: Place) -> None:
    place.load(told())
    place.forecast()
    assert place.settle().matches == (place.match_id(),)
    assert place.settle(id="e2").matches == ()


def test_what_was_left_unsettled_for_months_is_settled_when_an_event_tells_of_it(place: Place) -> None:
    """To look for it each time would be to read the whole ledger each time."""
    place.load(told())
    place.forecast()
    later = KICKOFF + 91 * DAY
    assert place.settle(now=later).matches == ()
    assert place.settle(place.match_id(), id="e2", now=later).matches == (place.match_id(),)


def test_an_unchanged_result_settles_nothing_and_a_corrected_one_a_revision(place: Place) -> None:
    place.load(told())
    place.forecast()
    match_id = place.match_id()
    place.settle(match_id)
    first = place.all()
    assert place.settle(match_id, id="e2").matches == ()
    assert place.all() == first

    place.load(told(home_goals=1))
    reply = place.settle(match_id, id="e3")
    assert (reply.matches, reply.corrected) == ((match_id,), (match_id,))
    assert place.all()[:1] == first, "the old revision stays"
    last = place.settlements.last([match_id])[match_id]
    assert last.result is not None
    assert (last.revision, last.result[:2]) == (2, (1, 1))
    assert last.result.log_loss == pytest.approx(-log(0.25))
    assert [score.matches for score in reply.scores] == [1, 1, 1, 1], "only the last revision counts"


def test_closing_prices_that_come_later_complete_a_settlement_without_correcting_it(place: Place) -> None:
    place.load(told(odds=()))
    place.forecast()
    match_id = place.match_id()
    place.settle(match_id)
    assert place.settlements.last([match_id])[match_id].market is None
    place.load(told(odds=CLOSING))
    reply = place.settle(match_id, id="e2")
    assert (reply.matches, reply.corrected) == ((match_id,), ())
    assert place.settlements.last([match_id])[match_id].market is not None


def test_closing_prices_that_no_event_told_of_are_settled_with_the_next_event(place: Place) -> None:
    place.load(told(odds=()))
    place.forecast()
    place.settle(place.match_id())
    place.load(told(odds=CLOSING))
    reply = place.settle(id="e2")
    assert (reply.matches, reply.corrected) == ((place.match_id(),), ())
    assert [s.market and s.market.bookmaker for s in place.all()] == [None, "Avg"]
    assert place.settle(id="e3").matches == (), "completed once"
    assert verify(SqlChains(place.database)).whole


@pytest.mark.parametrize(
    "odds",
    [
        (),
        (Odds("B365", OddsMoment.CLOSING, 2.0, 3.5, 4.0),),
        (Odds("Avg", OddsMoment.OPENING, 2.0, 3.5, 4.0),),
    ],
)
def test_only_closing_prices_of_the_books_that_stand_for_the_market_make_a_match_due(
    place: Place, odds: tuple[Odds, ...]
) -> None:
    place.load(told(odds=()))
    place.forecast()
    place.settle(place.match_id())
    place.load(told(odds=odds))
    assert place.settlements.due(KICKOFF - DAY, CLOSING_BOOKS) == []


def test_closing_prices_make_a_match_due_as_long_as_its_kickoff_is_not_too_long_ago(place: Place) -> None:
    place.load(told(odds=()))
    place.forecast()
    place.settle(place.match_id())
    place.load(told(odds=CLOSING))
    assert place.settlements.due(KICKOFF - DAY, CLOSING_BOOKS) == [place.match_id()]
    assert place.settlements.due(KICKOFF, CLOSING_BOOKS) == []
    later = KICKOFF + 91 * DAY
    assert place.settle(id="e2", now=later).matches == ()
    assert place.settle(place.match_id(), id="e3", now=later).matches == (place.match_id(),)


def test_prices_of_a_match_without_result_make_nothing_due(place: Place) -> None:
    place.load(told(odds=()))
    place.forecast()
    place.settle(place.match_id())
    place.change(home_goals=None, away_goals=None)
    place.settle(id="e2")
    place.load(told(odds=CLOSING))
    place.change(home_goals=None, away_goals=None)
    assert place.settlements.due(KICKOFF - DAY, CLOSING_BOOKS) == []


@pytest.mark.parametrize("status", [MatchStatus.ABANDONED, MatchStatus.CANCELLED, MatchStatus.POSTPONED])
def test_a_result_that_is_taken_back_gets_a_revision_without_result_and_counts_in_no_score(
    place: Place, status: MatchStatus
) -> None:
    place.load(told(odds=CLOSING))
    place.forecast()
    match_id = place.match_id()
    place.settle(match_id)
    (first,) = place.all()
    place.declare(status)

    reply = place.settle(id="e2", now=NOW + 400 * DAY)
    assert (reply.matches, reply.corrected, reply.scores) == ((match_id,), (match_id,), ())
    assert place.all() == [first, first._replace(revision=2, status=status, result=None, market=None)]
    assert place.settle(match_id, id="e3").matches == (), "taken back once"


def test_a_result_that_comes_after_all_is_settled_again(place: Place) -> None:
    place.load(told())
    forecast_id = place.forecast()
    place.settle(place.match_id())
    place.declare(MatchStatus.ABANDONED)
    place.settle(id="e2")
    place.declare(MatchStatus.FINISHED)
    assert place.settle(place.match_id(), id="e3").corrected == (place.match_id(),)
    assert [(s.revision, s.forecast_id, s.result is None) for s in place.all()] == [
        (1, forecast_id, False), (2, forecast_id, True), (3, forecast_id, False),
    ]  # fmt: skip


def test_a_correction_that_no_event_told_of_is_settled_with_the_next_event(place: Place) -> None:
    place.load(told())
    place.forecast()
    place.settle(place.match_id())
    place.change(home_goals=0)
    reply = place.settle(id="e2")
    assert (reply.matches, reply.corrected) == ((place.match_id(),), (place.match_id(),))
    assert [s.result and s.result[:2] for s in place.all()] == [(2, 1), (0, 1)]
    assert place.settle(id="e3").matches == (), "corrected once"


def test_a_match_abandoned_and_finished_after_all_without_an_event_is_settled_again(place: Place) -> None:
    place.load(told())
    place.forecast()
    place.settle(place.match_id())
    place.declare(MatchStatus.ABANDONED)
    place.settle(id="e2")
    place.declare(MatchStatus.FINISHED)
    assert place.settle(id="e3").corrected == (place.match_id(),)
    assert [s.result is None for s in place.all()] == [False, True, False]


def test_a_kickoff_that_moves_without_an_event_is_settled_with_the_forecast_that_counts_now(place: Place) -> None:
    place.load(told())
    early = place.forecast(BEFORE - 3 * DAY)
    place.forecast(BEFORE)
    place.settle(place.match_id())
    place.change(kickoff_at=BEFORE - DAY)
    assert place.settle(id="e2").matches == (place.match_id(),)
    assert place.all()[-1][1:3] == (2, early)
    assert place.all()[-1].kickoff_at == BEFORE - DAY


def test_a_settlement_whose_match_began_before_every_forecast_of_it_is_taken_back(place: Place) -> None:
    place.load(told(odds=CLOSING))
    place.forecast(BEFORE)
    place.settle(place.match_id())
    (first,) = place.all()
    begun = BEFORE - timedelta(hours=3)
    place.change(kickoff_at=begun)
    reply = place.settle(id="e2")
    assert (reply.corrected, reply.scores) == ((place.match_id(),), ())
    assert place.all()[1:] == [first._replace(revision=2, kickoff_at=begun, result=None, market=None)]
    assert place.settle(place.match_id(), id="e3").matches == (), "taken back once"
    assert verify(SqlChains(place.database)).whole


def test_a_finished_match_that_loses_its_score_loses_its_settlement_until_it_has_one_again(place: Place) -> None:
    place.load(told())
    place.forecast()
    place.settle(place.match_id())
    place.change(home_goals=None, away_goals=None)
    assert place.settle(id="e2").corrected == (place.match_id(),)
    assert place.settlements.since(KICKOFF - DAY) == []
    assert place.settle(id="e3").matches == ()
    place.change(home_goals=3, away_goals=3)
    assert place.settle(id="e4").corrected == (place.match_id(),)
    assert [(s.status, s.result and s.result[:2]) for s in place.all()] == [
        (MatchStatus.FINISHED, (2, 1)), (MatchStatus.FINISHED, None), (MatchStatus.FINISHED, (3, 3)),
    ]  # fmt: skip
    assert verify(SqlChains(place.database)).whole


def test_the_heads_of_both_chains_are_in_the_log_of_every_settling(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.load(told())
    place.forecast()
    with caplog.at_level("INFO", "matchcast.settle"):
        place.settle()
    found = verify(SqlChains(place.database))
    assert caplog.messages == [f"heads noted: forecasts {found.forecasts.head}, settlements {found.settlements.head}"]
    assert GENESIS_HASH not in caplog.text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    day_only=st.booleans(),
    made=st.lists(
        st.tuples(
            st.sampled_from([-601, -600, -1, 0, 1, 839, 840, 841]), st.sampled_from([0, 1, 600]), st.sampled_from(Cause)
        ),
        max_size=4,
    ),
)
def test_the_database_chooses_the_forecast_that_the_domain_says_counts(
    place: Place, day_only: bool, made: list[tuple[int, int, Cause]]
) -> None:
    """Minutes around a kick-off at 10:00, or on a day that ends 840 minutes after that."""
    ten = KICKOFF.replace(hour=10)
    kickoff = (ten.replace(hour=0), False) if day_only else (ten, True)
    place.load(told())
    place.change(kickoff_at=kickoff[0], kickoff_known=kickoff[1])
    with unguarded(place.database) as connection:
        connection.execute("DELETE FROM forecasts")
    for minutes, later, cause in made:
        at = ten + timedelta(minutes=minutes)
        place.forecast(at, recorded_at=at + timedelta(minutes=later), cause=cause)
    match_id = place.match_id()
    expected = [row.forecast_id for row in place.ledger.history(match_id) if counts(row, *kickoff)][-1:]
    assert [one.forecast_id for one in place.settlements.locked([match_id])] == expected


def test_windows_without_matches_are_left_out(place: Place) -> None:
    place.load(told())
    place.forecast()
    later = KICKOFF + 60 * DAY
    assert [(score.days, score.matches) for score in place.settle(now=later).scores] == [(90, 1), (365, 1)]
    assert place.settle(id="e2", now=KICKOFF + 400 * DAY).scores == ()


def test_a_bad_event_and_one_out_of_time_settle_nothing(place: Place) -> None:
    place.load(told())
    place.forecast()
    with pytest.raises(BadInput, match="data"):
        place.settler.settle(replace(ingested(), data={"finished": "all"}), NOW, Timer(30))
    with pytest.raises(TimedOut):
        place.settler.settle(ingested(), NOW, Timer(0))
    assert place.all() == []
    assert place.settle().matches == (place.match_id(),)


def test_two_settlings_at_once_write_each_settlement_once(place: Place) -> None:
    rows = [told(), told("Chelsea", "Arsenal"), told("Everton", "Arsenal"), told("Everton", "Chelsea")]
    place.load(*rows)
    ids = [place.match_id(row.home_team.split(":")[1], row.away_team.split(":")[1]) for row in rows]
    for match_id in ids:
        place.forecast(match_id=match_id)
    together = threading.Barrier(6)

    def settle(number: int) -> tuple[int, ...]:
        together.wait()
        return place.settle(*ids, id=f"e{number % 3}").matches

    with ThreadPoolExecutor(6) as pool:
        told_of = list(pool.map(settle, range(6)))
    assert sorted(told_of, key=len)[-1] == tuple(sorted(ids))
    assert len(place.all()) == len(ids)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.lists(st.integers(0, 3), min_size=4, max_size=12)
    .map(lambda more: [*more, *range(4)])
    .flatmap(st.permutations)
)
def test_events_in_any_order_and_number_leave_the_same_settlements(place: Place, order: list[int]) -> None:
    rows = [told(odds=CLOSING), told("Chelsea", "Arsenal", home_goals=0), told("Everton", "Arsenal", away_goals=2)]
    place.load(*rows)
    ids = [place.match_id(row.home_team.split(":")[1], row.away_team.split(":")[1]) for row in rows]
    if place.ledger.find(1) is None:
        for match_id in ids:
            place.forecast(match_id=match_id)
    with unguarded(place.database) as connection:
        connection.execute("DELETE FROM settlements")
        connection.execute("DELETE FROM handled_events")
    replies: dict[int, ForecastsSettled] = {}
    for number in order:
        reply = place.settle(*ids[number : number + 1], id=f"e{number}")
        assert replies.setdefault(number, reply) == reply
    assert [row[:2] for row in place.all()] == [(match_id, 1) for match_id in sorted(ids)]
    assert sorted(i for reply in replies.values() for i in reply.matches) == sorted(ids)
