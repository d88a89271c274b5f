"""What forecasts and matches look like in answers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, Literal, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from matchcast.domain.assumption import Supposed
from matchcast.domain.forecast import Cause, Coverage, Forecast, Probabilities, Reference
from matchcast.domain.match import Fixture, MatchStatus, Outcome
from matchcast.fields import Instant, Share
from matchcast.ports import MatchRecord, StateSnapshot
from matchcast.ports.events import Task, TaskState

if TYPE_CHECKING:
    from matchcast.model.explain import Explanation
    from matchcast.model.interval import Interval
    from matchcast.web.operations import Call

T = TypeVar("T")
Predicted = Literal["home", "draw", "away"]
StatusName = Literal["upcoming", "postponed", "in_play", "abandoned", "finished", "cancelled", "unknown"]
_PREDICTED: Final[Mapping[Outcome, Predicted]] = {Outcome.HOME: "home", Outcome.DRAW: "draw", Outcome.AWAY: "away"}
_STATUS_NAMES: Final[Mapping[MatchStatus, StatusName]] = {
    MatchStatus.UPCOMING: "upcoming",
    MatchStatus.POSTPONED: "postponed",
    MatchStatus.IN_PLAY: "in_play",
    MatchStatus.ABANDONED: "abandoned",
    MatchStatus.FINISHED: "finished",
    MatchStatus.CANCELLED: "cancelled",
    MatchStatus.UNKNOWN: "unknown",
}
Price = Annotated[float, Meta(ge=1)]
RunId = Annotated[
    str,
    Meta(
        description="name of the model's training run; in MLflow, the run of this name, tagged `bundle.run_id` with it"
    ),
]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all answers."""


class Club(Reply, frozen=True, kw_only=True):
    """A club by canonical id and usual name."""

    id: str
    name: str


class FixtureReply(Reply, frozen=True, kw_only=True):
    """A match to come.

    `match_id` is null for a pairing that is in no fixture list; `kickoff_at` is midnight UTC where only the day is known.
    """

    match_id: int | None
    tournament: str
    season: int | None
    kickoff_at: Instant
    kickoff_known: bool
    home_team: Club
    away_team: Club


class ProbabilitiesReply(Reply, frozen=True, kw_only=True):
    """They sum to 1."""

    home: Share
    draw: Share
    away: Share


class FairOddsReply(Reply, frozen=True, kw_only=True):
    """Decimal prices at which bets neither gain nor lose on average if the forecast is right: 1 / probability."""

    home: Price
    draw: Price
    away: Price


class CoverageReply(Reply, frozen=True, kw_only=True):
    """How much a forecast knows: the share of its features that have a value, and the finished matches known of each club.

    `little_history` warns that a club is as good as new, or that half of the features are unknown.
    """

    features_known: Share
    home_matches: Annotated[int, Meta(ge=0)]
    away_matches: Annotated[int, Meta(ge=0)]
    little_history: bool


class LogOddsReply(Reply, frozen=True, kw_only=True):
    """Natural logarithms, centred: they sum to 0."""

    home: float
    draw: float
    away: float


class EffectReply(LogOddsReply, frozen=True, kw_only=True):
    """What a family of features did to each outcome."""

    family: str


class ExplanationReply(Reply, frozen=True, kw_only=True):
    """A forecast taken apart: `base` plus all families is the centred logarithm of its probabilities.

    `base` is the forecast that knows nothing of the match; families with the largest effects come first.
    """

    base: LogOddsReply
    families: list[EffectReply]
    method: str


class IntervalReply(Reply, frozen=True, kw_only=True):
    """Lowest and highest of each probability.

    `level` is the share of references that was to fall inside, `coverage` the share that did on matches kept for it.
    """

    home: tuple[Share, Share]
    draw: tuple[Share, Share]
    away: tuple[Share, Share]
    level: Share
    reference: Reference
    coverage: Share


class SnapshotReply(Reply, frozen=True, kw_only=True):
    """The feature state that was read, and how old it is."""

    hash: str
    as_of: Instant
    age_seconds: float


class _ForecastParts(Reply, frozen=True, kw_only=True):
    fixture: FixtureReply
    probabilities: ProbabilitiesReply
    predicted: Predicted
    model_version: str
    run_id: RunId
    as_of: Instant
    snapshot: SnapshotReply
    code_revision: str
    coverage: CoverageReply


class ForecastReply(_ForecastParts, frozen=True, kw_only=True):
    """A forecast with all that is needed to make it again."""

    cause: Cause


class AssumedReply(Reply, frozen=True, kw_only=True):
    """What was assumed of the match; null days are those that the club had."""

    neutral_venue: bool
    home_rest_days: int | None
    away_rest_days: int | None


class PredictionReply(_ForecastParts, frozen=True, kw_only=True):
    """A forecast made on request; while the ledger is behind, it has no id.

    Asked for again, a forecast is the one that the ledger holds: `as_of` is when it was made. Under an assumption it is
    `hypothetical`, which the ledger does not hold, and has no cause.
    `fair_odds`, `explanation` and `interval` are null unless asked for, `interval` also where the model has none.
    """

    cause: Cause | None
    forecast_id: int | None
    ledger: Literal["written", "behind", "hypothetical"]
    hypothetical: AssumedReply | None = None
    fair_odds: FairOddsReply | None
    explanation: ExplanationReply | None
    interval: IntervalReply | None


class TaskReply(Reply, frozen=True, kw_only=True):
    """How a task stands.

    `result` is null but for `success`, `problem` (RFC 9457) but for `failure`. A prediction's result is what POST /predict/
    answers. From `expires_at` on this is gone.
    """

    task_id: str
    kind: str
    status: TaskState
    submitted_at: Instant
    updated_at: Instant
    expires_at: Instant
    result: dict[str, Any] | None
    problem: dict[str, Any] | None


class MatchReply(Reply, frozen=True, kw_only=True):
    """A stored match; goals after 90 minutes."""

    match_id: int
    tournament: str
    season: int
    kickoff_at: Instant
    kickoff_known: bool
    home_team: Club
    away_team: Club
    status: StatusName
    home_goals: int | None
    away_goals: int | None


class PageReply(Reply, Generic[T], frozen=True, kw_only=True):
    """Some items; `next` is the path to those after them, null at the end."""

    items: Sequence[T]
    next: str | None


def forecast_reply(
    forecast: Forecast, coverage: Coverage, snapshot: StateSnapshot, run_id: str, now: datetime
) -> ForecastReply:
    """The answer that shows a forecast made from this snapshot.

    Args:
        run_id: of the model that made it.
    """
    probabilities = forecast.probabilities
    return ForecastReply(
        fixture=_fixture_reply(forecast.fixture, snapshot),
        probabilities=ProbabilitiesReply(**probabilities._asdict()),
        predicted=_PREDICTED[probabilities.likeliest],
        model_version=forecast.model_version,
        run_id=run_id,
        as_of=forecast.as_of,
        snapshot=_snapshot_reply(forecast.snapshot_hash, snapshot, now),
        code_revision=forecast.code_revision,
        cause=forecast.cause,
        coverage=_coverage_reply(coverage),
    )


def _fixture_reply(fixture: Fixture, snapshot: StateSnapshot) -> FixtureReply:
    return FixtureReply(
        match_id=fixture.match_id,
        tournament=fixture.tournament,
        season=fixture.season,
        kickoff_at=fixture.kickoff_at,
        kickoff_known=fixture.kickoff_known,
        home_team=Club(id=fixture.home_team, name=snapshot.team_name(fixture.home_team)),
        away_team=Club(id=fixture.away_team, name=snapshot.team_name(fixture.away_team)),
    )


def _snapshot_reply(hash_: str, snapshot: StateSnapshot, now: datetime) -> SnapshotReply:
    age = max(0.0, round((now.astimezone(UTC) - snapshot.as_of).total_seconds(), 3))
    return SnapshotReply(hash=hash_, as_of=snapshot.as_of, age_seconds=age)


def _coverage_reply(coverage: Coverage) -> CoverageReply:
    return CoverageReply(**coverage._asdict(), little_history=coverage.little_history)


def prediction_reply(
    shown: ForecastReply,
    forecast_id: int | None,
    *,
    fair_odds: FairOddsReply | None = None,
    explanation: ExplanationReply | None = None,
    interval: IntervalReply | None = None,
) -> PredictionReply:
    """The answer that shows a forecast made on request.

    Args:
        forecast_id: in the ledger; None while it is behind.
    """
    return PredictionReply(
        **{name: getattr(shown, name) for name in ForecastReply.__struct_fields__},
        forecast_id=forecast_id,
        ledger="behind" if forecast_id is None else "written",
        fair_odds=fair_odds,
        explanation=explanation,
        interval=interval,
    )


def hypothetical_reply(
    supposed: Supposed, snapshot: StateSnapshot, run_id: str, now: datetime, *, fair_odds: FairOddsReply | None = None
) -> PredictionReply:
    """The answer that shows what would be forecast under an assumption. Arguments as `forecast_reply`."""
    return PredictionReply(
        fixture=_fixture_reply(supposed.fixture, snapshot),
        probabilities=ProbabilitiesReply(**supposed.probabilities._asdict()),
        predicted=_PREDICTED[supposed.probabilities.likeliest],
        model_version=supposed.model_version,
        run_id=run_id,
        as_of=supposed.as_of,
        snapshot=_snapshot_reply(supposed.snapshot_hash, snapshot, now),
        code_revision=supposed.code_revision,
        cause=None,
        coverage=_coverage_reply(supposed.coverage),
        forecast_id=None,
        ledger="hypothetical",
        hypothetical=AssumedReply(
            neutral_venue=supposed.assumed.neutral_venue,
            home_rest_days=supposed.assumed.home_rest_days,
            away_rest_days=supposed.assumed.away_rest_days,
        ),
        fair_odds=fair_odds,
        explanation=None,
        interval=None,
    )


def fair_odds_reply(probabilities: Probabilities) -> FairOddsReply:
    """The answer that shows a forecast as prices."""
    from matchcast.usecases.value import fair_odds

    return FairOddsReply(**fair_odds(probabilities)._asdict())


def explanation_reply(explanation: "Explanation", method: str) -> ExplanationReply:
    """The answer that shows a forecast taken apart."""
    return ExplanationReply(
        base=LogOddsReply(**_by_outcome(explanation.base.tolist())),
        families=[
            EffectReply(family=family, **_by_outcome(effects))
            for family, effects in zip(explanation.families, explanation.effects.tolist(), strict=True)
        ],
        method=method,
    )


def interval_reply(interval: "Interval", bounds: Sequence[tuple[float, float]]) -> IntervalReply:
    """The answer that shows how far a forecast may be off.

    Args:
        bounds: lowest and highest of home, draw and away.
    """
    return IntervalReply(
        **_by_outcome(bounds), level=interval.level, reference=interval.reference, coverage=interval.coverage
    )


def task_reply(task: Task) -> TaskReply:
    """The answer that shows a task."""
    return TaskReply(
        task_id=task.task_id,
        kind=task.kind,
        status=task.state,
        submitted_at=task.submitted_at,
        updated_at=task.updated_at,
        expires_at=task.expires_at,
        result=None if task.result is None else dict(task.result),
        problem=None if task.state is not TaskState.FAILURE or task.problem is None else dict(task.problem),
    )


def match_reply(match: MatchRecord) -> MatchReply:
    """The answer that shows a stored match."""
    return MatchReply(
        match_id=match.match_id,
        tournament=match.tournament,
        season=match.season,
        kickoff_at=match.kickoff_at,
        kickoff_known=match.kickoff_known,
        home_team=Club(id=match.home_team, name=match.home_name),
        away_team=Club(id=match.away_team, name=match.away_name),
        status=_STATUS_NAMES[match.status],
        home_goals=match.home_goals,
        away_goals=match.away_goals,
    )


def _by_outcome(values: Sequence[T]) -> dict[str, T]:
    return dict(zip(Probabilities._fields, values, strict=True))


def status_of(name: StatusName | None) -> MatchStatus | None:
    """The status by its name in requests."""
    return None if name is None else MatchStatus[name.upper()]


def next_path(call: "Call[Any, Any]", cursor: str | None) -> str | None:
    """The path and query of the page after this one."""
    if cursor is None:
        return None
    query = [(key, value) for key, value in call.request.query_params.multi_items() if key != "cursor"]
    return f"{call.request.url.path}?{urlencode([*query, ('cursor', cursor)])}"
