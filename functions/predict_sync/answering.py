"""How POST /predict/ is answered."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from anyio import CapacityLimiter, to_thread

from functions.predict_sync.replies import BatchItem, BatchReply
from functions.predict_sync.requests import MatchRequest, PredictRequest
from matchcast.adapters.clock import Timer
from matchcast.adapters.watched import Watched
from matchcast.domain.assumption import Supposed
from matchcast.domain.forecast import CHALLENGER, CHAMPION, Cause
from matchcast.errors import MatchcastError
from matchcast.model.bundle import Bundle
from matchcast.ports import Clock, StateSnapshot
from matchcast.ports.events import Deadline
from matchcast.telemetry import Telemetry
from matchcast.usecases.champion import Champion
from matchcast.usecases.models import Models
from matchcast.usecases.publish import Published
from matchcast.usecases.question import Question
from matchcast.usecases.shown import Shown, ShownForecasts
from matchcast.web.operations import Call
from matchcast.web.problems import problem_details
from matchcast.web.replies import (
    ExplanationReply,
    IntervalReply,
    PredictionReply,
    explanation_reply,
    fair_odds_reply,
    forecast_reply,
    hypothetical_reply,
    interval_reply,
    prediction_reply,
)

_OTHERS: Final = "others"


class _With(NamedTuple):
    """What one request is answered with, from first to last."""

    bundle: Bundle
    snapshot: StateSnapshot
    cause: Cause
    now: datetime


class Answering:
    """Answers requests; everything it is given is opened on first use.

    What memory holds is answered at once; for anything else a thread is taken, which may wait.

    Args:
        seconds: how long an answer may take; nothing is recorded for a request that was given up.
    """

    def __init__(
        self,
        champion: Watched[Champion],
        models: Models,
        published: Watched[Published],
        shown: ShownForecasts,
        now: Clock,
        seconds: float,
        telemetry: Telemetry,
    ) -> None:
        self._champion = champion
        self._models = models
        self._published = published
        self._shown = shown
        self._now = now
        self._seconds = seconds
        self._telemetry = telemetry
        self._finding: Final = {name: CapacityLimiter(1) for name in (CHALLENGER, _OTHERS)}
        """Threads that wait for other models than the champion; a slow store holds up nobody else."""

    async def __call__(self, call: Call[None, PredictRequest]) -> PredictionReply | BatchReply:
        """
        Raises:
            MatchcastError: there is no such forecast, for one match; for several, only where there can be none at all.
        """
        body, deadline = call.body, Timer(self._seconds)
        with self._telemetry.prediction_seconds.time():
            if self._ready() and body.matches is None and body.model == CHAMPION:
                with_ = self._with()
                known = self._shown.again(body.question(), **with_._asdict())
                if known is not None and not (body.explain or body.interval):
                    return self._reply(known, body, with_)
            other = None if body.model == CHAMPION else await self._other(body.model)
            scope = call.request.scope
            return await to_thread.run_sync(self._waiting, body, other, scope, deadline, abandon_on_cancel=True)

    def _ready(self) -> bool:
        """Whether what answers are made with is loaded, so that nobody waits for it."""
        return self._champion.ready() and self._published.ready()

    async def _other(self, name: str) -> Bundle:
        loaded = self._models.loaded(name)
        if loaded is not None:
            return loaded
        limiter = self._finding.get(name, self._finding[_OTHERS])
        return await to_thread.run_sync(self._models.find, name, self._now(), limiter=limiter, abandon_on_cancel=True)

    def _waiting(
        self, body: PredictRequest, other: Bundle | None, scope: Mapping[str, Any], deadline: Deadline
    ) -> PredictionReply | BatchReply:
        with_ = self._with(other)
        if body.matches is not None:
            answers = self._answers(body.matches, body, with_, deadline)
            return BatchReply(items=[self._item(answer, body, with_, scope) for answer in answers])
        (answer,) = self._answers([body], body, with_, deadline)
        if isinstance(answer, MatchcastError):
            raise answer
        return self._reply(answer, body, with_)

    def _with(self, other: Bundle | None = None) -> _With:
        """The champion, or the other model that was asked for, and the snapshot, as they are now."""
        bundle, pointer = self._champion()
        self._telemetry.show_model(pointer.version, pointer.registered_at)
        asked = other or bundle
        cause = Cause.REQUESTED if asked.version == bundle.version else Cause.COMPARED
        return _With(asked, self._published().snapshot, cause, self._now())

    def _answers(
        self, matches: Sequence[MatchRequest], body: PredictRequest, with_: _With, deadline: Deadline
    ) -> list[Shown | Supposed | MatchcastError]:
        def ready(shown: Shown) -> None:
            _besides(shown, body, with_)

        questions: list[Question | MatchcastError] = []
        for match in matches:
            try:
                questions.append(match.question())
            except MatchcastError as error:
                questions.append(error)
        with self._telemetry.inference_seconds.time():
            asked = [question for question in questions if not isinstance(question, MatchcastError)]
            made = iter(self._shown.each(asked, **with_._asdict(), deadline=deadline, ready=ready))
        return [question if isinstance(question, MatchcastError) else next(made) for question in questions]

    def _item(
        self, answer: Shown | Supposed | MatchcastError, body: PredictRequest, with_: _With, scope: Mapping[str, Any]
    ) -> BatchItem:
        if isinstance(answer, MatchcastError):
            return BatchItem(forecast=None, problem=problem_details(scope, answer))
        return BatchItem(forecast=self._reply(answer, body, with_), problem=None)

    def _reply(self, answer: Shown | Supposed, body: PredictRequest, with_: _With) -> PredictionReply:
        bundle, snapshot, _, now = with_
        made = answer if isinstance(answer, Supposed) else answer.forecast
        fair_odds = fair_odds_reply(made.probabilities) if body.fair_odds else None
        if isinstance(answer, Supposed):
            return hypothetical_reply(answer, snapshot, bundle.run_id, now, fair_odds=fair_odds)
        explanation, interval = _besides(answer, body, with_)
        reply = forecast_reply(answer.forecast, answer.coverage, snapshot, bundle.run_id, now)
        self._telemetry.predictions.labels("sync").inc()
        self._telemetry.confidence.labels(reply.predicted).observe(max(made.probabilities))
        return prediction_reply(
            reply, answer.forecast_id, fair_odds=fair_odds, explanation=explanation, interval=interval
        )


def _besides(shown: Shown, body: PredictRequest, with_: _With) -> tuple[ExplanationReply | None, IntervalReply | None]:
    """What was asked for besides the forecast."""
    bundle, snapshot, _, _ = with_
    explanation = interval = None
    if body.explain:
        from matchcast.model.explain import METHOD

        explanation = explanation_reply(shown.explanation(bundle, snapshot), METHOD)
    if body.interval and bundle.interval is not None:
        interval = interval_reply(bundle.interval, shown.bounds(bundle.interval, bundle, snapshot))
    return explanation, interval
