"""Walk forward through past matches: train on what was known, forecast what came next, score it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from matchcast.domain.match import MatchStatus, OddsMoment, SourceMatch
from matchcast.errors import BadInput
from matchcast.features.columns import STAT_NAMES, MatchColumns, columns_of, seconds
from matchcast.features.compiled import run_pass
from matchcast.features.contract import FeatureContract
from matchcast.model.fit import FitParams, Training, fit_forecaster
from matchcast.model.forecaster import MEMBERS, log_pool
from matchcast.model.market import CLOSING_BOOKS, market_log_odds, power_probabilities
from matchcast.model.metrics import (
    PairedDifference,
    Scores,
    base_rates,
    log_loss_each,
    paired_difference,
    rps_each,
    score,
)


class Retrain(StrEnum):
    """How often a new model is trained."""

    NEVER = "never"
    YEARLY = "yearly"
    MONTHLY = "monthly"


@dataclass(frozen=True)
class Backtest:
    """Forecasts of n matches in time order.

    Attributes:
        matches: the forecast matches.
        names: home and away team as the source writes them, a pair a match.
        probs: shape (n, 3).
        members: each member's own probabilities, shape (3, n, 3), in the order of `model.forecaster.MEMBERS`.
        as_of: seconds since 1970; midnight UTC of each match's day.
        trained_until: seconds since 1970, the day of the last match the model was trained on.
        base: shape (n, 3), base rates of the training matches.
        close: shape (n, 3), de-vigged closing odds, NaN where there are none.
    """

    matches: MatchColumns
    names: Sequence[tuple[str, str]]
    probs: NDArray[np.float64]
    members: NDArray[np.float64]
    as_of: NDArray[np.int64]
    trained_until: NDArray[np.int64]
    base: NDArray[np.float64]
    close: NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Our scores and another's on identical matches, and the paired differences (ours minus theirs)."""

    name: str
    ours: Scores
    theirs: Scores
    rps: PairedDifference
    log_loss: PairedDifference


@dataclass(frozen=True)
class MatchTable:
    """Source rows as columns, with what scoring needs besides.

    Attributes:
        names: home and away team as the source writes them, a pair a match.
        closing_odds: decimal prices, shape (n, 3), NaN where there are none.
        close: shape (n, 3), the same as probabilities by the power method.
        duplicates: rows that gave way to a later row of the same match.
    """

    columns: MatchColumns
    names: Sequence[tuple[str, str]]
    closing_odds: NDArray[np.float64]
    close: NDArray[np.float64]
    duplicates: int


def table_of(rows: Sequence[SourceMatch], market_from: Sequence[str] = ()) -> MatchTable:
    """Source rows to columns; clubs are told apart by country and name.

    Of several rows of one match (same teams, tournament and day) the last counts; `duplicates` says how many gave way.

    Args:
        market_from: bookmakers whose opening prices become the market's columns, the preferred first.
    """
    latest = {(r.tournament, r.home_team, r.away_team, r.kickoff_at.date()): r for r in rows}
    kept = list(latest.values())
    country = [r.tournament.split(":")[0] for r in kept]
    finished = np.array([r.status is MatchStatus.FINISHED for r in kept], dtype=np.bool_)
    columns = columns_of(
        match_ids=range(len(kept)),
        tournaments=[r.tournament for r in kept],
        seasons=[r.season for r in kept],
        kickoffs=np.array([seconds(r.kickoff_at) for r in kept], dtype=np.int64),
        kickoffs_known=np.array([r.kickoff_known for r in kept], dtype=np.bool_),
        home_teams=[f"{c}:{r.home_team}" for c, r in zip(country, kept, strict=True)],
        away_teams=[f"{c}:{r.away_team}" for c, r in zip(country, kept, strict=True)],
        finished=finished,
        home_goals=_numbers([r.home_goals if f else None for r, f in zip(kept, finished, strict=True)]),
        away_goals=_numbers([r.away_goals if f else None for r, f in zip(kept, finished, strict=True)]),
        stats=np.array(
            [[_number(getattr(r.stats, s) if r.stats else None) for s in STAT_NAMES] for r in kept], dtype=np.float64
        ).reshape(len(kept), len(STAT_NAMES)),
        market=market_log_odds(_prices(kept, OddsMoment.OPENING, market_from)),
    )
    odds = _prices(kept, OddsMoment.CLOSING, CLOSING_BOOKS)
    names = [(r.home_team, r.away_team) for r in kept]
    return MatchTable(columns, names, odds, power_probabilities(odds), len(rows) - len(kept))


def backtest(
    table: MatchTable,
    contract: FeatureContract,
    params: FitParams,
    *,
    first_day: date,
    start: date,
    end: date,
    retrain: Retrain,
    tournaments: Sequence[str] = (),
    progress: Callable[[date, int, int], None] = lambda *_: None,
) -> Backtest:
    """Forecast every match from `start` to `end` (both included) as of midnight of its day.

    With the market's features, only matches that have prices are trained on and forecast.

    Args:
        first_day: matches before it warm the state up but are not trained on.
        tournaments: forecast these only; all are trained on.
        progress: told each retraining day, its number from 1, and how many there will be.
    Raises:
        BadInput: no match to forecast, or nothing to train on before one.
    """
    if end < start:
        raise BadInput(f"--to {end} is before --from {start}", field="to")
    columns = table.columns
    day = columns.day
    wanted = (day >= _midnight(start)) & (day <= _midnight(end))
    if tournaments:
        wanted &= np.isin(np.asarray(columns.tournaments)[columns.tournament], tournaments)
    rows = run_pass(columns, contract).rows
    readable = contract.readable(rows)
    wanted &= readable
    if not wanted.any():
        raise BadInput(f"the results hold no match from {start} to {end} to forecast", field="from")
    outcomes, known_at = columns.outcome, columns.known_at
    goals = np.stack([columns.home_goals, columns.away_goals], axis=1)
    training = Training(rows, contract.names, outcomes, goals, day)
    n = len(columns)
    probs, base = np.full((n, 3), np.nan), np.full((n, 3), np.nan)
    members = np.full((len(MEMBERS), n, 3), np.nan)
    trained_until = np.zeros(n, dtype=np.int64)
    days = retraining_days(start, end, retrain)
    for number, (begin, stop) in enumerate(zip(days, [*days[1:], end + timedelta(days=1)], strict=True), start=1):
        progress(begin, number, len(days))
        here = wanted & (day >= _midnight(begin)) & (day < _midnight(stop))
        if not here.any():
            continue
        known = readable & columns.finished & (known_at <= _midnight(begin)) & (day >= _midnight(first_day))
        if not known.any():
            raise BadInput(f"no result is known before {begin}: give earlier --results or a later --from", field="from")
        try:
            fitted = fit_forecaster(training.take(known), params)
        except ValueError as error:
            raise BadInput(f"cannot train before {begin}: {error}", field="from") from error
        members[:, here] = fitted.members(rows[here])
        probs[here] = log_pool(members[:, here], fitted.forecaster.weights, fitted.forecaster.temperature)
        base[here] = base_rates(outcomes[known])
        trained_until[here] = day[known].max()
    order = np.flatnonzero(wanted)
    order = order[
        np.lexsort((columns.away[order], columns.home[order], columns.tournament[order], columns.kickoff[order]))
    ]
    return Backtest(
        matches=columns.take(order),
        names=[table.names[i] for i in order.tolist()],
        probs=probs[order],
        members=members[:, order],
        as_of=day[order],
        trained_until=trained_until[order],
        base=base[order],
        close=table.close[order],
    )


def retraining_days(start: date, end: date, retrain: Retrain) -> list[date]:
    """The days on which a model is trained; the first is `start`."""
    days = [start]
    if retrain is Retrain.NEVER:
        return days
    while True:
        last = days[-1]
        if retrain is Retrain.YEARLY:
            leap_day = (start.month, start.day) == (2, 29)
            following = date(last.year + 1, start.month, 28 if leap_day else start.day)
        else:
            following = date(last.year + last.month // 12, last.month % 12 + 1, 1)
        if following > end:
            return days
        days.append(following)


def compare(result: Backtest) -> list[Comparison]:
    """Ours beside base rates on all finished matches, and beside the close where it is known."""
    outcomes = result.matches.outcome
    done = outcomes >= 0
    priced = done & ~np.isnan(result.close[:, 0])
    found = []
    for name, theirs, chosen in (("base rates", result.base, done), ("closing odds", result.close, priced)):
        if chosen.sum() < 2:
            continue
        ours, other, happened = result.probs[chosen], theirs[chosen], outcomes[chosen]
        found.append(
            Comparison(
                name,
                score(ours, happened),
                score(other, happened),
                paired_difference(rps_each(ours, happened), rps_each(other, happened)),
                paired_difference(log_loss_each(ours, happened), log_loss_each(other, happened)),
            )
        )
    return found


def _prices(rows: Sequence[SourceMatch], moment: OddsMoment, books: Sequence[str]) -> NDArray[np.float64]:
    """Each match's prices at this moment, of the first of these bookmakers that has them; shape (n, 3), NaN without."""
    odds = np.full((len(rows), 3), np.nan)
    for i, row in enumerate(rows):
        told = {o.bookmaker: (o.home, o.draw, o.away) for o in row.odds if o.moment is moment}
        odds[i] = next((told[book] for book in books if book in told), odds[i])
    return odds


def _number(value: int | None) -> float:
    return np.nan if value is None else float(value)


def _numbers(values: Sequence[int | None]) -> NDArray[np.float64]:
    return np.array([_number(v) for v in values], dtype=np.float64)


def _midnight(day: date) -> int:
    return seconds(datetime(day.year, day.month, day.day, tzinfo=UTC))
