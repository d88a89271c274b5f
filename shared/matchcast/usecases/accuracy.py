"""How well settled forecasts foretold, beside the base rate and the market."""

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import Final, NamedTuple

import numpy as np

from matchcast.domain.forecast import Probabilities
from matchcast.domain.match import Outcome
from matchcast.model.metrics import (
    ECE_BINS,
    PairedDifference,
    brier_each,
    log_loss_each,
    rps_each,
)
from matchcast.ports.accuracy import FINE_BINS, BinSums, Group, ScoreSums, SettledFilter, SettledScores, Sums

RELIABILITY_BINS: Final = 10
_OUTCOMES: Final = np.arange(3)


class MeanScores(NamedTuple):
    """Mean scores of some forecasts, as `model.metrics` defines them; lower is better."""

    log_loss: float
    rps: float
    brier: float


class BaseRate(NamedTuple):
    """The best that one forecast for all of these matches could have done, by each of the three scores.

    Its probabilities are how often each outcome happened in these very matches. Nobody knew that before: a forecaster who
    beats it beats every constant.
    """

    probabilities: Probabilities
    scores: MeanScores


class BesideMarket(NamedTuple):
    """Forecasts and the market's closing prices, without their margin, on the same matches: those that have prices.

    Attributes:
        differences: ours minus the market's, match by match, for log loss, RPS and Brier score; negative means that the
            forecasts are better. None for a single match.
    """

    matches: int
    ours: MeanScores
    market: MeanScores
    differences: tuple[PairedDifference, PairedDifference, PairedDifference] | None


class ReliabilityBin(NamedTuple):
    """Forecasts of one outcome with probabilities from `lower` up to `upper`, and how often it happened.

    Attributes:
        mean_forecast, observed: 0 to 1.
    """

    outcome: Outcome
    lower: float
    upper: float
    matches: int
    mean_forecast: float
    observed: float


class Accuracy(NamedTuple):
    """How well some settled forecasts foretold.

    Attributes:
        accuracy: share of matches whose likeliest outcome happened.
        ece: classwise expected calibration error, 15 bins.
        market: None where no match has closing prices.
        reliability: for each outcome ten bins of equal width; empty bins are left out.
    """

    group: str | None
    matches: int
    scores: MeanScores
    accuracy: float
    ece: float
    base_rate: BaseRate
    market: BesideMarket | None
    reliability: tuple[ReliabilityBin, ...]


class AccuracyReport(NamedTuple):
    """How well the chosen forecasts foretold.

    Attributes:
        head: hash of the last settlement there was.
        total: None where none of the chosen is settled.
        groups: the same matches told apart, if that was asked for, in order of the groups' names.
    """

    head: str
    total: Accuracy | None
    groups: tuple[Accuracy, ...]


def accuracy(chosen: SettledFilter, by: Group | None, settled: SettledScores) -> AccuracyReport:
    """Judge the settled forecasts: of each match the last one made and recorded before kick-off.

    Results that were corrected count as corrected, and those that were taken back not at all.

    Args:
        chosen: holds canonical ids.
        by: how the matches are told apart beside the total.
    Raises:
        Unavailable: the database is away.
    """
    head, sums, bins = settled.sums(chosen, by)
    if not sums:
        return AccuracyReport(head, None, ())
    total = _accuracy(_total(sums), bins)
    groups = () if by is None else tuple(_accuracy(s, [b for b in bins if b.group == s.group]) for s in sums)
    return AccuracyReport(head, total, groups)


def _accuracy(sums: Sums, bins: Sequence[BinSums]) -> Accuracy:
    return Accuracy(
        sums.group,
        sums.matches,
        MeanScores(*(score.all / sums.matches for score in _scores(sums))),
        sums.hits / sums.matches,
        _ece(bins, sums.matches),
        _base_rate(sums),
        _beside_market(sums),
        tuple(_reliability(bins)),
    )


def _ece(bins: Iterable[BinSums], matches: int) -> float:
    """As `model.metrics.expected_calibration_error`."""
    gaps = np.zeros((3, ECE_BINS))
    for one in bins:
        gaps[one.outcome, one.bin * ECE_BINS // FINE_BINS] += one.forecasts - one.happened
    return float(np.abs(gaps).sum()) / matches / 3.0


def _reliability(bins: Iterable[BinSums]) -> Iterable[ReliabilityBin]:
    table = np.zeros((3, RELIABILITY_BINS, 3))
    for one in bins:
        table[one.outcome, one.bin * RELIABILITY_BINS // FINE_BINS] += (one.matches, one.forecasts, one.happened)
    for outcome in Outcome:
        for number, (matches, forecasts, happened) in enumerate(table[outcome].tolist()):
            if matches:
                lower, upper = number / RELIABILITY_BINS, (number + 1) / RELIABILITY_BINS
                yield ReliabilityBin(outcome, lower, upper, int(matches), forecasts / matches, happened / matches)


def _base_rate(sums: Sums) -> BaseRate:
    counts = np.array([sums.home, sums.draw, sums.away])
    rates = counts / sums.matches
    # what never happened costs nothing, whatever its logarithm
    of_each = (each(np.tile(rates, (3, 1)), _OUTCOMES) for each in (log_loss_each, rps_each, brier_each))
    return BaseRate(
        Probabilities(*rates.tolist()), MeanScores(*(float(scores @ counts) / sums.matches for scores in of_each))
    )


def _beside_market(sums: Sums) -> BesideMarket | None:
    n = sums.priced
    if n == 0:
        return None
    scores = _scores(sums)
    differences = None
    if n > 1:
        log_loss, rps, brier = (_paired(score, n) for score in scores)
        differences = (log_loss, rps, brier)
    return BesideMarket(
        n,
        MeanScores(*(score.priced / n for score in scores)),
        MeanScores(*(score.market / n for score in scores)),
        differences,
    )


def _paired(score: ScoreSums, n: int) -> PairedDifference:
    """As `model.metrics.paired_difference`, from sums."""
    mean = (score.priced - score.market) / n
    variance = max(score.squares - n * mean * mean, 0.0) / (n - 1)
    return PairedDifference(mean, sqrt(variance / n))


def _total(groups: Sequence[Sums]) -> Sums:
    matches, home, draw, away, hits, priced = (sum(values) for values in zip(*(g[1:7] for g in groups), strict=True))
    log_loss, rps, brier = (
        ScoreSums(*map(sum, zip(*some, strict=True))) for some in zip(*map(_scores, groups), strict=True)
    )
    return Sums(None, matches, home, draw, away, hits, priced, log_loss, rps, brier)


def _scores(sums: Sums) -> tuple[ScoreSums, ScoreSums, ScoreSums]:
    return sums.log_loss, sums.rps, sums.brier
