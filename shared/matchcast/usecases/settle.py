"""Settle forecasts against results.

What counts for a match is the last forecast that was made and on record before kick-off and is not `compared`
(`domain.forecast.counts`); where only the day is known, before that day was over. Rows of pairings that are in no fixture
list have no match and are never settled. What a settlement is made of is the result, that forecast, kick-off and the
market's closing prices: one of them changing makes a new revision, and the old ones stay. A settled match that is not
finished any more (abandoned, postponed, cancelled), has lost its score, or turns out to have begun before every forecast
of it gets a revision without a result, which takes it out of every score.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matchcast.domain.event import Event
from matchcast.domain.forecast import Probabilities
from matchcast.domain.match import MatchStatus, OddsMoment
from matchcast.domain.settlement import MarketScores, Result, Settlement
from matchcast.events import ForecastsSettled, MatchesIngested, RollingScores, next_event, payload_of
from matchcast.model.market import CLOSING_BOOKS, power_probabilities
from matchcast.model.metrics import Outcomes, Probs, brier_each, log_loss_each, rps_each
from matchcast.ports.events import Deadline, Inbox
from matchcast.ports.scores import LockedForecast, Price, Prices, Settlements, Standing

WINDOWS: Final = (7, 30, 90, 365)
"""Days."""
LEFT_OVER: Final = timedelta(days=90)
"""How long ago a match kicked off that is settled though no event tells of it: its result or its prices came by a command.

Matches that are not finished any more are found whenever they kicked off.
"""
_SAME_PRICE: Final = 1e-9
_LOG: Final = logging.getLogger("matchcast.settle")


@dataclass(frozen=True)
class Settler:
    """Settles.

    Attributes:
        service: on whose behalf; also the consumer in the inbox.
    """

    service: str
    settlements: Settlements
    prices: Prices
    inbox: Inbox

    def settle(self, event: Event, now: datetime, deadline: Deadline) -> Event | None:
        """Settle what matches.ingested tells of, and whatever was left unsettled or changed in the last months.

        The heads of both chains go to the log, where they outlive a ledger that is cut off or written anew.

        Returns:
            forecasts.settled, also where there was nothing to settle.
        Raises:
            BadInput: the event is not as its schema says.
            Unavailable: the database is away; nothing was written.
        """
        told = payload_of(event, MatchesIngested)

        def effect() -> Event:
            self.settlements.wait()
            due = sorted({*told.finished, *self.settlements.due(now - LEFT_OVER, CLOSING_BOOKS)})
            locked = self.settlements.locked(due)
            before = self.settlements.last(due)
            counted = [forecast.match_id for forecast in locked]
            prices = self.prices.of(counted, OddsMoment.CLOSING, CLOSING_BOOKS)
            again = revised(settled(locked, prices, now), before)
            void = self._voided([s for match_id, s in before.items() if s.result and match_id not in {*counted}], now)
            new = sorted((*again, *void), key=lambda settlement: settlement.match_id)
            self.settlements.add(new)
            corrected = [s.match_id for s in again if s.match_id in before and _goals(before[s.match_id]) != _goals(s)]
            corrected = sorted((*corrected, *(s.match_id for s in void)))
            reply = ForecastsSettled(
                matches=tuple(s.match_id for s in new),
                corrected=tuple(corrected),
                scores=rolling_scores(self.settlements.since(now - timedelta(days=WINDOWS[-1])), now),
            )
            deadline.check()
            return next_event(event, reply, service=self.service, now=now)

        reply = self.inbox.once(self.service, event, now, effect)
        _LOG.info("heads noted: forecasts %s, settlements %s", *self.settlements.heads())
        return reply

    def _voided(self, withdrawn: Sequence[Settlement], now: datetime) -> list[Settlement]:
        standings = self.settlements.standings([settlement.match_id for settlement in withdrawn])
        return [voided(settlement, standings[settlement.match_id], now) for settlement in withdrawn]


def settled(locked: Sequence[LockedForecast], prices: Mapping[int, Price], now: datetime) -> list[Settlement]:
    """First revisions, in the order given."""
    if not locked:
        return []
    outcomes = np.array([1 - np.sign(f.home_goals - f.away_goals) for f in locked], dtype=np.int64)
    ours = _scores(np.array([f.probabilities for f in locked], dtype=np.float64), outcomes)
    market = _market_scores(locked, prices, outcomes)
    return [
        Settlement(
            match_id=f.match_id,
            revision=1,
            forecast_id=f.forecast_id,
            tournament=f.tournament,
            model_version=f.model_version,
            probabilities=f.probabilities,
            kickoff_at=f.kickoff_at,
            kickoff_known=f.kickoff_known,
            status=MatchStatus.FINISHED,
            result=Result(f.home_goals, f.away_goals, *scores),
            market=market.get(f.match_id),
            settled_at=now,
        )
        for f, scores in zip(locked, ours.tolist(), strict=True)
    ]


def revised(settlements: Sequence[Settlement], before: Mapping[int, Settlement]) -> list[Settlement]:
    """Those that are new or say something else than the revision before, numbered."""
    found = []
    for settlement in settlements:
        old = before.get(settlement.match_id)
        if old is None:
            found.append(settlement)
        elif not _made_of_the_same(settlement, old):
            found.append(settlement._replace(revision=old.revision + 1))
    return found


def voided(last: Settlement, standing: Standing, now: datetime) -> Settlement:
    """The revision that takes a result back; the forecast keeps its place in it."""
    return last._replace(
        revision=last.revision + 1, **standing._asdict(), result=None, market=None, settled_at=now
    )  # fmt: skip


def rolling_scores(settlements: Sequence[Settlement], now: datetime) -> tuple[RollingScores, ...]:
    """Mean scores of matches that kicked off in the last days, for each window that has some."""
    found = []
    for days in WINDOWS:
        begins = now - timedelta(days=days)
        inside = [s.result[2:] for s in settlements if s.result and begins < s.kickoff_at <= now]
        if inside:
            log_loss, rps, brier = np.array(inside).mean(axis=0).tolist()
            found.append(RollingScores(days=days, matches=len(inside), log_loss=log_loss, rps=rps, brier=brier))
    return tuple(found)


def _market_scores(
    locked: Sequence[LockedForecast], prices: Mapping[int, Price], outcomes: Outcomes
) -> dict[int, MarketScores]:
    priced = [row for row, forecast in enumerate(locked) if forecast.match_id in prices]
    if not priced:
        return {}
    told = [prices[locked[row].match_id] for row in priced]
    probs = power_probabilities(np.array([price[1:] for price in told], dtype=np.float64))
    scores = _scores(probs, outcomes[priced])
    return {
        locked[row].match_id: MarketScores(price.bookmaker, Probabilities(*chances), *own)
        for row, price, chances, own in zip(priced, told, probs.tolist(), scores.tolist(), strict=True)
    }


def _scores(probs: Probs, outcomes: Outcomes) -> NDArray[np.float64]:
    """Log loss, RPS and Brier score, shape (n, 3)."""
    return np.column_stack([log_loss_each(probs, outcomes), rps_each(probs, outcomes), brier_each(probs, outcomes)])


def _made_of_the_same(a: Settlement, b: Settlement) -> bool:
    """By what went in: numpy's logarithms may differ in the last bit with the number of rows."""
    if (_facts(a), _goals(a)) != (_facts(b), _goals(b)):
        return False
    if a.market is None or b.market is None:
        return a.market is b.market
    same = np.allclose(a.market.probabilities, b.market.probabilities, rtol=0.0, atol=_SAME_PRICE)
    return a.market.bookmaker == b.market.bookmaker and bool(same)


def _facts(settlement: Settlement) -> tuple[int, datetime, bool]:
    return settlement.forecast_id, settlement.kickoff_at, settlement.kickoff_known


def _goals(settlement: Settlement) -> tuple[int, int] | None:
    result = settlement.result
    return None if result is None else (result.home_goals, result.away_goals)
