"""What the ledger looks like in answers: a match's history, and how well settled forecasts foretold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

from msgspec import Meta

from matchcast.domain.forecast import Cause, LedgerRow
from matchcast.domain.match import MatchStatus, Outcome
from matchcast.domain.settlement import SettlementRow
from matchcast.fields import Instant, Share
from matchcast.ports.accuracy import Group
from matchcast.usecases.history import MatchHistory, Revision
from matchcast.web.replies import (
    MatchReply,
    Predicted,
    ProbabilitiesReply,
    Reply,
    StatusName,
    match_reply,
)

if TYPE_CHECKING:
    from matchcast.model.metrics import PairedDifference
    from matchcast.usecases.accuracy import Accuracy, AccuracyReport, BesideMarket, MeanScores

Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=1)]


class RevisionReply(Reply, frozen=True, kw_only=True):
    """A forecast as it stands in the ledger.

    `in_time` says whether it was made and on record before kick-off; of those the last one counts, and is `locked` from then
    on. `hash` follows from the rest of the row and `previous_hash`, the hash of the row before it.
    """

    forecast_id: Count
    probabilities: ProbabilitiesReply
    predicted: Predicted
    model_version: str
    snapshot_hash: str
    code_revision: str
    cause: Cause
    as_of: Instant
    recorded_at: Instant
    in_time: bool
    locked: bool
    previous_hash: Hash
    hash: Hash


class ScoresReply(Reply, frozen=True, kw_only=True):
    """Scores; lower is better. Of several matches their means."""

    log_loss: float
    rps: Share
    brier: Annotated[float, Meta(ge=0, le=2)]


class MarketScoresReply(ScoresReply, frozen=True, kw_only=True):
    """Scores of a bookmaker's closing prices, without their margin."""

    bookmaker: str
    probabilities: ProbabilitiesReply


class SettlementReply(Reply, frozen=True, kw_only=True):
    """A forecast beside its result. The last revision counts; in one that takes a result back, goals and scores are null."""

    settlement_id: Count
    revision: Count
    forecast_id: Count
    status: StatusName
    home_goals: int | None
    away_goals: int | None
    scores: ScoresReply | None
    market: MarketScoresReply | None
    settled_at: Instant
    previous_hash: Hash
    hash: Hash


class HistoryReply(Reply, frozen=True, kw_only=True):
    """Every forecast of a match, oldest first, and every revision of its settlement.

    `match` is null where the match is not stored. `next` is the path to the forecasts after these, null at the end.
    """

    match: MatchReply | None
    kickoff_at: Instant
    kickoff_known: bool
    items: list[RevisionReply]
    settlements: list[SettlementReply]
    next: str | None


class DifferenceReply(Reply, frozen=True, kw_only=True):
    """Ours minus the market's, match by match: negative means that the forecasts are better."""

    mean: float
    standard_error: Annotated[float, Meta(ge=0)]


class BesideMarketReply(Reply, frozen=True, kw_only=True):
    """Forecasts and closing prices, without their margin, on the same matches: those that have prices.

    The differences are null for a single match.
    """

    matches: Count
    ours: ScoresReply
    market: ScoresReply
    log_loss_difference: DifferenceReply | None
    rps_difference: DifferenceReply | None
    brier_difference: DifferenceReply | None


class BaseRateReply(Reply, frozen=True, kw_only=True):
    """The best that one forecast for all of these matches could have done, with the shares of their outcomes in hindsight."""

    probabilities: ProbabilitiesReply
    scores: ScoresReply


class ReliabilityReply(Reply, frozen=True, kw_only=True):
    """Forecasts of one outcome with probabilities from `lower` up to `upper`, and the share of matches in which it happened."""

    outcome: Predicted
    lower: Share
    upper: Share
    matches: Count
    mean_forecast: Share
    observed: Share


class AccuracyFigures(Reply, frozen=True, kw_only=True):
    """How well some settled forecasts foretold.

    `accuracy` is the share of matches whose likeliest outcome happened, `ece` the classwise expected calibration error in
    15 bins. `market` is null where no match has closing prices. `reliability` has ten bins for each outcome, empty ones left
    out.
    """

    matches: Count
    scores: ScoresReply
    accuracy: Share
    ece: Share
    base_rate: BaseRateReply
    market: BesideMarketReply | None
    reliability: list[ReliabilityReply]


class GroupReply(AccuracyFigures, frozen=True, kw_only=True):
    """The same for the matches of one league, model version or month."""

    group: str


class AccuracyReply(Reply, frozen=True, kw_only=True):
    """How well the chosen forecasts foretold: of each settled match the last one made and recorded before kick-off.

    `total` is null where none is settled. `groups` are the same matches by what `by` says. `head` is the hash of the last
    settlement these figures hold.
    """

    head: Hash
    total: AccuracyFigures | None
    by: Group | None
    groups: list[GroupReply]


def history_reply(history: MatchHistory, next: str | None) -> HistoryReply:
    """The answer that shows a page of a match's history.

    Args:
        next: path to the page after it.
    """
    return HistoryReply(
        match=None if history.match is None else match_reply(history.match),
        kickoff_at=history.kickoff_at,
        kickoff_known=history.kickoff_known,
        items=[_revision(revision) for revision in history.page.items],
        settlements=[_settlement(row) for row in history.settlements],
        next=next,
    )


def accuracy_reply(report: "AccuracyReport", by: Group | None) -> AccuracyReply:
    """The answer that shows how well settled forecasts foretold."""
    return AccuracyReply(
        head=report.head,
        total=None if report.total is None else AccuracyFigures(**_figures(report.total)),
        by=by,
        groups=[GroupReply(group=str(group.group), **_figures(group)) for group in report.groups],
    )


def _revision(revision: Revision) -> RevisionReply:
    row: LedgerRow = revision.row
    forecast = row.forecast
    return RevisionReply(
        forecast_id=row.forecast_id,
        probabilities=ProbabilitiesReply(**forecast.probabilities._asdict()),
        predicted=_outcome(forecast.probabilities.likeliest),
        model_version=forecast.model_version,
        snapshot_hash=forecast.snapshot_hash,
        code_revision=forecast.code_revision,
        cause=forecast.cause,
        as_of=forecast.as_of,
        recorded_at=row.recorded_at,
        in_time=revision.in_time,
        locked=revision.locked,
        previous_hash=row.previous_hash,
        hash=row.hash,
    )


def _settlement(row: SettlementRow) -> SettlementReply:
    settlement, result, market = row.settlement, row.settlement.result, row.settlement.market
    return SettlementReply(
        settlement_id=row.settlement_id,
        revision=settlement.revision,
        forecast_id=settlement.forecast_id,
        status=_status(settlement.status),
        home_goals=None if result is None else result.home_goals,
        away_goals=None if result is None else result.away_goals,
        scores=None if result is None else _scores(result[2:]),
        market=None
        if market is None
        else MarketScoresReply(
            bookmaker=market.bookmaker,
            probabilities=ProbabilitiesReply(**market.probabilities._asdict()),
            log_loss=market.log_loss,
            rps=market.rps,
            brier=market.brier,
        ),
        settled_at=settlement.settled_at,
        previous_hash=row.previous_hash,
        hash=row.hash,
    )


def _figures(told: "Accuracy") -> dict[str, Any]:
    return {
        "matches": told.matches,
        "scores": _scores(told.scores),
        "accuracy": told.accuracy,
        "ece": told.ece,
        "base_rate": BaseRateReply(
            probabilities=ProbabilitiesReply(**told.base_rate.probabilities._asdict()),
            scores=_scores(told.base_rate.scores),
        ),
        "market": None if told.market is None else _beside(told.market),
        "reliability": [
            ReliabilityReply(
                outcome=_outcome(one.outcome),
                lower=one.lower,
                upper=one.upper,
                matches=one.matches,
                mean_forecast=min(one.mean_forecast, 1.0),
                observed=one.observed,
            )
            for one in told.reliability
        ],
    }


def _beside(market: "BesideMarket") -> BesideMarketReply:
    log_loss, rps, brier = market.differences or (None, None, None)
    return BesideMarketReply(
        matches=market.matches,
        ours=_scores(market.ours),
        market=_scores(market.market),
        log_loss_difference=_difference(log_loss),
        rps_difference=_difference(rps),
        brier_difference=_difference(brier),
    )


def _scores(scores: "MeanScores | Sequence[float]") -> ScoresReply:
    log_loss, rps, brier = scores
    return ScoresReply(log_loss=log_loss, rps=rps, brier=brier)


def _difference(difference: "PairedDifference | None") -> DifferenceReply | None:
    if difference is None:
        return None
    return DifferenceReply(mean=difference.mean, standard_error=difference.standard_error)


def _outcome(outcome: Outcome) -> Predicted:
    return cast(Predicted, outcome.name.lower())


def _status(status: MatchStatus) -> StatusName:
    return cast(StatusName, status.name.lower())
