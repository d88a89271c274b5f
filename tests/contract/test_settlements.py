"""Settling on SQLite and PostgreSQL."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import log

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from matchcast.adapters.clock import Timer
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.inbox import SqlInbox
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.prices import SqlPrices
from matchcast.adapters.database.records import settlement_row
from matchcast.adapters.database.settlements import SqlSettlements
from matchcast.adapters.database.tables import matches, settlements
from matchcast.domain.forecast import Cause, Forecast, Probabilities
from matchcast.domain.match import Fixture, MatchStatus, Odds, OddsMoment
from matchcast.domain.settlement import Settlement
from matchcast.errors import BadInput, TimedOut
from matchcast.events import ForecastsSettled, payload_of
from matchcast.ports import ResolvedMatch
from matchcast.usecases.settle import Settler
from tests.contract.matches import ALIASES, KICKOFF, TEAMS, fixture, ingested, told
from tests.contract.tampering import unguarded

NOW = datetime(2025, 3, 2, 9, tzinfo=UTC)
BEFORE = KICKOFF - timedelta(hours=1)
DAY = timedelta(days=1)
CLOSING = (Odds("PS", OddsMoment.CLOSING, 2.0, 3.5, 4.0), Odds("Avg", OddsMoment.CLOSING, 1.9, 3.4, 4.2))
HOME_LIKELY = Probabilities(0.5, 0.25, 0.25)


class Place:
    """A database, and what is done to it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ledger = SqlLedger(database)
        self.settlements = SqlSettlements(database)
        self.settler = Settler("drift", self.settlements, SqlPrices(database), SqlInbox(database))

    def load(self, *rows: ResolvedMatch) -> None:
        SqlMatchStore(self.database).load(rows, TEAMS, ALIASES, NOW)

    def match_id(self, home: str = "arsenal", away: str = "chelsea") -> int:
        chosen = select(matches.c.id).where(
            matches.c.home_team_id == f"england:{home}", matches.c.away_team_id == f"england:{away}"
        )
        with self.database.reading() as connection:
            return int(connection.execute(chosen).scalar_one())

    def forecast(
        self,
        at: datetime = BEFORE,
        *,
        recorded_at: datetime | None = None,
        probabilities: Probabilities = HOME_LIKELY,
        match_id: int | None = -1,
        cause: Cause = Cause.NEW_RESULTS,
    ) -> int:
        """Put one into the ledger; its id."""
        game = Fixture("england:premier-league", "england:arsenal", "england:chelsea", KICKOFF, 2024)
        about = replace(game, match_id=self.match_id() if match_id == -1 else match_id)
        made = Forecast(about, at, probabilities, "v1", "s1", "c1", cause)
        return self.ledger.append([made], recorded_at or at)[0].forecast_id

    def settle(self, *finished: int, id: str = "e1", now: datetime = NOW) -> ForecastsSettled:
        reply = self.settler.settle(ingested(*finished, id=id), now, Timer(30))
        assert reply is not None
        return payload_of(reply, ForecastsSettled)

    def all(self) -> Sequence[Settlement]:
        """Every revision; what is equal whenever it was written compares equal."""
        with self.database.reading() as connection:
            rows = connection.execute(select(settlements)).all()
        found = [settlement_row(row._asdict()).settlement for row in rows]
        return sorted(settlement._replace(settled_at=NOW) for settlement in found)


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


def test_a_result_that_is_withdrawn_counts_in_no_score(place: Place) -> None:
    place.load(told())
    place.forecast()
    place.settle(place.match_id())
    with place.database.writing() as connection:
        connection.execute(matches.update().values(status=MatchStatus.ABANDONED.value))
    assert place.settle(id="e2").scores == ()


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
