"""GET /predict/{match_id}, GET /predict/, GET /matches/ and GET /monitoring/task_status/{task_id}."""

import os
from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Query, Request, Response

from functions.lookup.filters import Cursor, Limit, Narrowing
from matchcast.errors import NotFound
from matchcast.ports import ApiKeys, Clock, MatchReader
from matchcast.ports.events import Tasks, TaskState
from matchcast.settings import LookupSettings, read_settings
from matchcast.telemetry import Telemetry, log_as_json
from matchcast.usecases.lookup import current_forecast, list_forecasts, list_matches, task_status
from matchcast.usecases.publish import Published
from matchcast.web.accepted import retry_after
from matchcast.web.app import create_web_app
from matchcast.web.caching import etag_of, is_known, mark, not_modified
from matchcast.web.connections import Connections
from matchcast.web.keys import KeyGuard
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
    published: Callable[[], Published],
    matches: Callable[[], MatchReader],
    tasks: Callable[[], Tasks],
    keys: Callable[[], ApiKeys],
    now: Clock,
) -> FastAPI:
    """The application; everything it is given is opened on first use."""
    telemetry = Telemetry()
    app = create_web_app("lookup", checks={"snapshot": published}, telemetry=telemetry)
    guard = Depends(KeyGuard(keys, "predict"))

    @app.get("/predict/{match_id}", tags=["forecasts"], dependencies=[guard], response_model=ForecastReply)
    def forecast_of(
        request: Request,
        response: Response,
        match_id: Annotated[int, Path(ge=0, lt=2**53)],
        model: Annotated[str, Query(description="`champion` or a version")] = "champion",
    ) -> ForecastReply | Response:
        """The current forecast of an upcoming fixture, as the batch made it."""
        snapshot, pointer = published()
        if model not in ("champion", snapshot.model_version):
            raise NotFound(f"model: the current forecasts are by {snapshot.model_version}; ask for it or for champion")
        current = current_forecast(match_id, snapshot)
        telemetry.predictions.labels("lookup").inc()
        etag = etag_of(pointer.sha256, str(match_id))
        if is_known(request, etag):
            return not_modified(etag)
        mark(response, etag)
        return forecast_reply(*current, snapshot, pointer.run_id, now())

    @app.get("/predict/", tags=["forecasts"], dependencies=[guard], response_model=PageReply[ForecastReply])
    def forecasts(
        request: Request, response: Response, narrowing: Annotated[Narrowing, Depends()],
        cursor: Cursor = None, limit: Limit = 50,
    ) -> PageReply[ForecastReply] | Response:  # fmt: skip
        """The current forecasts in order of kick-off."""
        snapshot, pointer = published()
        page = list_forecasts(narrowing.resolved(lambda: snapshot), cursor, limit, snapshot)
        etag = etag_of(pointer.sha256, str(request.url.query))
        if is_known(request, etag):
            return not_modified(etag)
        mark(response, etag)
        replies = [forecast_reply(*current, snapshot, pointer.run_id, now()) for current in page.items]
        return PageReply(items=replies, next=next_path(request, page.next))

    @app.get("/matches/", tags=["matches"], response_model=PageReply[MatchReply])
    def stored_matches(
        request: Request, response: Response, narrowing: Annotated[Narrowing, Depends()],
        cursor: Cursor = None, limit: Limit = 50,
    ) -> PageReply[MatchReply] | Response:  # fmt: skip
        """The stored matches in order of kick-off."""
        page = list_matches(narrowing.resolved(lambda: published().snapshot), cursor, limit, matches())
        reply = PageReply[MatchReply](
            items=[match_reply(match) for match in page.items], next=next_path(request, page.next)
        )
        etag = etag_of(reply.model_dump_json())
        if is_known(request, etag):
            return not_modified(etag)
        mark(response, etag)
        return reply

    any_task = Depends(KeyGuard(keys, "predict", "ingest"))

    @app.get("/monitoring/task_status/{task_id}", tags=["tasks"], dependencies=[any_task], response_model=TaskReply)
    def status_of_task(
        request: Request, response: Response, task_id: Annotated[str, Path(min_length=1, max_length=128)]
    ) -> TaskReply | Response:
        """How a task stands; while it is open, Retry-After says when to ask again."""
        task = task_status(task_id, tasks(), now())
        etag = etag_of(task.task_id, task.state, task.updated_at.isoformat())
        if is_known(request, etag):
            response = not_modified(etag)
        mark(response, etag)
        if task.state in (TaskState.PENDING, TaskState.RUNNING):
            response.headers["Retry-After"] = retry_after(task.kind)
        return response if response.status_code == 304 else task_reply(task)

    return app


def app(environment: Mapping[str, str] = os.environ) -> FastAPI:  # uvicorn --factory functions.lookup.main:app
    """The application as the environment says; opens nothing yet."""
    settings = read_settings(LookupSettings, environment)
    log_as_json(settings.log_level)
    to = Connections(settings)
    return build(to.snapshot(), to.matches, to.tasks, to.keys, to.now)
