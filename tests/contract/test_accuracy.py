"""Judging settled forecasts, on SQLite and PostgreSQL: what the database adds up is what numpy says of the same matches."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchcast.adapters.database.accuracy import SqlSettledScores
from matchcast.adapters.database.engine import Database
from matchcast.domain.forecast import GENESIS_HASH, Probabilities
from matchcast.domain.match import MatchStatus, Outcome
from matchcast.domain.settlement import MarketScores, Result, Settlement, chained_settlements
from matchcast.model.metrics import (
    Outcomes,
    Probs,
    brier_each,
    log_loss_each,
    paired_difference,
    rps_each,
    score,
)
from matchcast.ports.accuracy import Group, ScoreSums, SettledFilter, SettledSums, Sums
from matchcast.usecases.accuracy import Accuracy, accuracy
from tests.contract.tampering import write_settlements

GOALS = ((2, 1), (1, 1), (0, 3))
FIRST = datetime(2024, 12, 30, 20, tzinfo=UTC)
EVERYTHING = SettledFilter()


def invented(matches: int, seed: int = 1) -> list[Settlement]:
    """Settled matches of two leagues, models and months; every third without prices, some forecasts 0, 1 or level."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(matches):
        chances, market = random.dirichlet((2, 1, 1.5), 2)
        if number % 20 == 0:
            chances = np.array(((1, 0, 0), (0, 0, 1), (0.4, 0.4, 0.2), (1 / 3, 1 / 3, 1 / 3))[number // 20 % 4])
        outcome = int(random.integers(3))
        found.append(
            Settlement(
                match_id=1000 + number, revision=1, forecast_id=1 + number,
                tournament=("england:premier-league", "spain:la-liga")[number % 2],
                model_version=("v1", "v2")[number // 2 % 2], probabilities=Probabilities(*chances.tolist()),
                kickoff_at=FIRST + timedelta(hours=3 * (number % 40)), kickoff_known=True, status=MatchStatus.FINISHED,
                result=Result(*GOALS[outcome], *scored(chances, outcome)),
                market=MarketScores("Avg", Probabilities(*market.tolist()), *scored(market, outcome))
                if number % 3 else None,
                settled_at=FIRST,
            )
        )  # fmt: skip
    return found


def scored(chances: Any, outcome: int) -> list[float]:
    rows = np.array([chances]), np.array([outcome])
    return [float(each(*rows)[0]) for each in (log_loss_each, rps_each, brier_each)]


def store(database: Database, settled: list[Settlement]) -> None:
    write_settlements(database, chained_settlements(settled, 0, GENESIS_HASH))


def assert_as_numpy_says(found: Accuracy | None, settled: list[Settlement]) -> None:
    assert found is not None
    probs, outcomes = columns(settled)
    expected = score(probs, outcomes)
    assert found.matches == len(settled)
    assert found.scores == pytest.approx((expected.log_loss, expected.rps, expected.brier), rel=1e-12)
    assert (found.accuracy, found.ece) == pytest.approx((expected.accuracy, expected.ece), rel=1e-12)
    rates = np.bincount(outcomes, minlength=3) / len(outcomes)
    assert found.base_rate.probabilities == pytest.approx(rates.tolist())
    constant = score(np.tile(rates, (len(outcomes), 1)), outcomes)
    assert found.base_rate.scores == pytest.approx((constant.log_loss, constant.rps, constant.brier), rel=1e-12)
    priced = [one for one in settled if one.market]
    assert found.market is not None
    assert found.market.matches == len(priced)
    (ours, outcomes), market = columns(priced), np.array([one.market.probabilities for one in priced if one.market])
    pairs = [(each(ours, outcomes), each(market, outcomes)) for each in (log_loss_each, rps_each, brier_each)]
    assert found.market.ours == pytest.approx([own.mean() for own, _ in pairs], rel=1e-12)
    assert found.market.market == pytest.approx([theirs.mean() for _, theirs in pairs], rel=1e-12)
    assert found.market.differences is not None
    for difference, (own, theirs) in zip(found.market.differences, pairs, strict=True):
        again = paired_difference(own, theirs)
        assert difference.mean == pytest.approx(again.mean, abs=1e-12)
        assert difference.standard_error == pytest.approx(again.standard_error, rel=1e-9)


def columns(settled: list[Settlement]) -> tuple[Probs, Outcomes]:
    goals = [one.result[:2] for one in settled if one.result]
    return np.array([one.probabilities for one in settled]), np.array([1 - np.sign(h - a) for h, a in goals])


def test_the_total_is_what_numpy_says(database: Database) -> None:
    settled = invented(200)
    store(database, settled)
    found = accuracy(EVERYTHING, None, SqlSettledScores(database))
    assert_as_numpy_says(found.total, settled)
    assert found.groups == ()


@pytest.mark.parametrize(
    ("by", "name"),
    [
        (Group.LEAGUE, lambda one: one.tournament),
        (Group.MODEL, lambda one: one.model_version),
        (Group.MONTH, lambda one: one.kickoff_at.strftime("%Y-%m")),
    ],
)
def test_groups_are_what_numpy_says_of_each_and_the_total_does_not_change(
    database: Database, by: Group, name: Callable[[Settlement], str]
) -> None:
    settled = invented(200)
    store(database, settled)
    found = accuracy(EVERYTHING, by, SqlSettledScores(database))
    assert [group.group for group in found.groups] == sorted({name(one) for one in settled})
    for group in found.groups:
        assert_as_numpy_says(group, [one for one in settled if name(one) == group.group])
    assert_as_numpy_says(found.total, settled)


def test_what_is_chosen_is_judged_and_nothing_else(database: Database) -> None:
    settled = invented(200)
    store(database, settled)
    begin, end = FIRST + timedelta(hours=12), FIRST + timedelta(hours=96)
    chosen = SettledFilter("spain:la-liga", "v2", begin, end)
    inside = [
        one for one in settled
        if (one.tournament, one.model_version) == chosen[:2] and begin <= one.kickoff_at < end
    ]  # fmt: skip
    assert_as_numpy_says(accuracy(chosen, None, SqlSettledScores(database)).total, inside)


def test_reliability_counts_every_forecast_of_every_outcome_in_its_tenth(database: Database) -> None:
    settled = invented(200)
    store(database, settled)
    report = accuracy(EVERYTHING, Group.MODEL, SqlSettledScores(database))
    assert report.total is not None
    assert_reliable(report.total, settled)
    assert len(report.groups) == 2
    for group in report.groups:
        assert_reliable(group, [one for one in settled if one.model_version == group.group])


def assert_reliable(found: Accuracy, settled: list[Settlement]) -> None:
    probs, outcomes = columns(settled)
    for outcome in Outcome:
        bins = [one for one in found.reliability if one.outcome is outcome]
        assert sum(one.matches for one in bins) == len(settled)
        for one in bins:
            last = one.upper == 1.0
            inside = (probs[:, outcome] >= one.lower) & ((probs[:, outcome] < one.upper) | last)
            assert one.matches == inside.sum()
            assert one.mean_forecast == pytest.approx(probs[inside, outcome].mean())
            assert one.observed == pytest.approx((outcomes[inside] == outcome).mean())


def test_corrected_results_count_once_and_results_taken_back_not_at_all(database: Database) -> None:
    settled = invented(40)
    home_win = Result(1, 0, *scored(settled[4].probabilities, 0))
    corrected = settled[4]._replace(revision=2, result=home_win, market=None)
    taken_back = settled[7]._replace(revision=2, status=MatchStatus.ABANDONED, result=None, market=None)
    again = settled[9]._replace(revision=3)
    store(database, [*settled, corrected, taken_back, settled[9]._replace(revision=2, result=None, market=None), again])
    total = accuracy(EVERYTHING, None, SqlSettledScores(database)).total
    assert_as_numpy_says(total, [one for i, one in enumerate(settled) if i not in (4, 7)] + [corrected])


def test_nothing_settled_has_no_accuracy(database: Database) -> None:
    assert accuracy(EVERYTHING, Group.MONTH, SqlSettledScores(database)) == (GENESIS_HASH, None, ())
    store(database, invented(40))
    assert accuracy(SettledFilter("italy:serie-a"), None, SqlSettledScores(database)).total is None


def test_a_single_match_without_prices_stands_alone(database: Database) -> None:
    settled = invented(4)
    store(database, settled[:1])
    total = accuracy(EVERYTHING, None, SqlSettledScores(database)).total
    assert total is not None
    assert (total.matches, total.market) == (1, None)
    store(database, settled[1:2])
    total = accuracy(EVERYTHING, None, SqlSettledScores(database)).total
    assert total is not None
    assert total.market is not None
    assert (total.market.matches, total.market.differences) == (1, None)


@given(
    counts=st.tuples(*[st.integers(0, 30)] * 3).filter(any),
    constant=st.tuples(*[st.floats(0.001, 1)] * 3).map(lambda weights: [w / sum(weights) for w in weights]),
)
def test_no_constant_forecast_beats_the_base_rate_by_any_score(
    counts: tuple[int, int, int], constant: list[float]
) -> None:
    none = ScoreSums(0, 0, 0, 0)
    sums = Sums(None, sum(counts), *counts, 0, 0, none, none, none)
    total = accuracy(EVERYTHING, None, Told(SettledSums(GENESIS_HASH, [sums], []))).total
    assert total is not None
    outcomes = np.repeat(np.arange(3), counts)
    told = np.tile(constant, (len(outcomes), 1))
    for ours, each in zip(total.base_rate.scores, (log_loss_each, rps_each, brier_each), strict=True):
        assert ours <= each(told, outcomes).mean() + 1e-12


class Told:
    """The `SettledScores` port with sums that were told to it."""

    def __init__(self, sums: SettledSums) -> None:
        self._sums = sums

    def head(self) -> str:
        return self._sums.head

    def sums(self, chosen: SettledFilter, by: Group | None) -> SettledSums:
        return self._sums


def test_the_head_changes_with_every_settlement(database: Database) -> None:
    scores, heads = SqlSettledScores(database), []
    for matches in (0, 1, 2):
        store(database, invented(matches))
        heads.append(scores.head())
        assert scores.sums(EVERYTHING, None).head == heads[-1]
    assert heads[0] == GENESIS_HASH
    assert len(set(heads)) == 3
