"""GET /predict/{match_id}, GET /predict/, GET /matches/ and GET /monitoring/task_status/{task_id}; `ledger` has the rest."""

import os
from collections.abc import Callable, Mapping

from functions.lookup.asked import AskedForecast, AskedList, AskedTask
from functions.lookup.ledger import FORECASTS_ANSWER, MATCHES_ANSWER, add_ledger
from matchcast.adapters.watched import Watched
from matchcast.domain.forecast import CHAMPION
from matchcast.errors import NotFound
from matchcast.ports import Clock, MatchReader
from matchcast.ports.events import Tasks, TaskState
from matchcast.settings import LookupSettings, read_settings
from matchcast.telemetry import Telemetry, log_as_json
from matchcast.usecases.lookup import current_forecast, list_forecasts, list_matches, task_status
from matchcast.usecases.publish import Published
from matchcast.web.accepted import retry_after
from matchcast.web.answers import Answer, etag_of, unless_known
from matchcast.web.app import WebApp
from matchcast.web.connections import Connections
from matchcast.web.operations import Call, Terms
from matchcast.web.replies import (
    ForecastReply,
    MatchReply,
    PageReply,
    TaskReply,
    forecast_reply,
    match_reply,
    next_path,
    task_reply,
)


def build(
    *,
    published: Watched[Published],
    matches: Callable[[], MatchReader],
    tasks: Callable[[], Tasks],
    terms: Terms,
    telemetry: Telemetry,
    now: Clock,
) -> WebApp:
    """The application; everything it is given is opened on first use."""
    web = WebApp("lookup", checks={"snapshot": published}, telemetry=telemetry, terms=terms)

    @web.get(
        "/predict/{match_id}", tag="forecasts", asked=AskedForecast, gives=ForecastReply, scopes=("predict",),
        at_once=published.ready, meanwhile=MATCHES_ANSWER,
    )  # fmt: skip
    def forecast_of(call: Call[AskedForecast, None]) -> Answer:
        """The current forecast of an upcoming fixture, as the batch made it.

        Only the champion makes current forecasts; POST /predict/ with `model` makes one by another model.
        """
        snapshot, pointer = published()
        match_id, model = call.asked.match_id, call.asked.model
        if model not in (CHAMPION, snapshot.model_version):
            raise NotFound(
                f"model: the current forecasts are by {snapshot.model_version}; ask for it or for champion, or POST "
                "/predict/ with match_id and model for a forecast by another"
            )
        current = current_forecast(match_id, snapshot)

        def shown() -> ForecastReply:
            telemetry.predictions.labels("lookup").inc()
            return forecast_reply(*current, snapshot, pointer.run_id, now())

        return unless_known(call.request, etag_of(pointer.sha256, str(match_id)), shown)

    @web.get(
        "/predict/", tag="forecasts", asked=AskedList, gives=PageReply[ForecastReply], scopes=("predict",),
        meanwhile=MATCHES_ANSWER,
    )  # fmt: skip
    def forecasts(call: Call[AskedList, None]) -> Answer:
        """The current forecasts in order of kick-off."""
        snapshot, pointer = published()
        asked = call.asked
        page = list_forecasts(asked.resolved(lambda: snapshot), asked.cursor, asked.limit, snapshot)

        def shown() -> PageReply[ForecastReply]:
            replies = [forecast_reply(*current, snapshot, pointer.run_id, now()) for current in page.items]
            telemetry.predictions.labels("lookup").inc(len(replies))
            return PageReply(items=replies, next=next_path(call, page.next))

        return unless_known(call.request, etag_of(pointer.sha256, str(call.request.url)), shown)

    @web.get(
        "/matches/", tag="matches", asked=AskedList, gives=PageReply[MatchReply], meanwhile=FORECASTS_ANSWER
    )  # fmt: skip
    def stored_matches(call: Call[AskedList, None]) -> PageReply[MatchReply]:
        """The stored matches in order of kick-off."""
        asked = call.asked
        page = list_matches(asked.resolved(lambda: published().snapshot), asked.cursor, asked.limit, matches())
        return PageReply(items=[match_reply(match) for match in page.items], next=next_path(call, page.next))

    @web.get(
        "/monitoring/task_status/{task_id}", tag="tasks", asked=AskedTask, gives=TaskReply,
        scopes=("predict", "ingest"), troubles=(410,), meanwhile=FORECASTS_ANSWER,
    )  # fmt: skip
    def status_of_task(call: Call[AskedTask, None]) -> Answer:
        """How a task stands; while it is open, Retry-After says when to ask again."""
        task = task_status(call.asked.task_id, tasks(), now())
        is_open = task.state in (TaskState.PENDING, TaskState.RUNNING)
        etag = etag_of(task.task_id, task.state, task.updated_at.isoformat())
        headers = {"Retry-After": retry_after(task.kind)} if is_open else {}
        return unless_known(call.request, etag, lambda: task_reply(task), headers)

    return web


def app(environment: Mapping[str, str] = os.environ) -> WebApp:  # uvicorn --factory functions.lookup.main:app
    """The application as the environment says; opens nothing yet."""
    settings = read_settings(LookupSettings, environment)
    log_as_json(settings.log_level)
    to = Connections(settings)
    published = to.snapshot()
    web = build(
        published=published,
        matches=to.matches,
        tasks=to.tasks,
        terms=to.terms,
        telemetry=to.telemetry(),
        now=to.now,
    )
    add_ledger(
        web,
        snapshot=lambda: published().snapshot,
        ledger=to.ledger,
        matches=to.matches,
        settled=to.settled_matches,
        scores=to.settled_scores,
        cache=lambda: to.shared,
        now=to.now,
    )
    return web
