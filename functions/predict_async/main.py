"""POST /predict/async/, the forecasts that events ask for, and the renewing of all forecasts."""

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final
from uuid import uuid4

from functions.predict_async.handling import Handlers
from matchcast.events import MatchesIngested, ModelPromoted, PredictionRequested
from matchcast.ports import Clock, ObjectStore
from matchcast.ports.events import Sink, Tasks
from matchcast.settings import PredictAsyncSettings, read_settings
from matchcast.telemetry import Telemetry, log_as_json
from matchcast.usecases.asynchronous import KIND, Requests
from matchcast.web.accepted import AcceptedReply, accepted_once
from matchcast.web.answers import Answer
from matchcast.web.app import WebApp
from matchcast.web.connections import Connections
from matchcast.web.events import Handler, take_events
from matchcast.web.operations import Call, Terms
from matchcast.web.requests import ForecastRequest

SERVICE: Final = "predict-async"


def build(
    *,
    handlers: Mapping[str, Handler],
    tasks: Callable[[], Tasks],
    sink: Callable[[], Sink],
    terms: Terms,
    objects: Callable[[], ObjectStore],
    now: Clock,
    new_id: Callable[[], str],
    seconds: Mapping[str, float],
    kept_for: timedelta,
    telemetry: Telemetry,
) -> WebApp:
    """The application; everything it is given is opened on first use."""
    web = WebApp(SERVICE, telemetry=telemetry, terms=terms)
    requests = Requests(SERVICE, tasks, sink, kept_for)

    @web.post(
        "/predict/async/", tag="forecasts", body=ForecastRequest, gives=AcceptedReply, status=202,
        scopes=("predict",), idempotent=True,
        meanwhile="POST /predict/ forecasts at once; GET /predict/{match_id} shows the current forecasts",
    )  # fmt: skip
    def predict_later(call: Call[None, ForecastRequest]) -> Answer:
        """Forecast a known fixture or any pairing of clubs later; `status_url` tells what comes of it."""
        asked, at = call.body.asked(), now()
        return accepted_once(call, KIND, tasks, new_id, at, lambda task_id: requests.accept(asked, task_id, at))

    take_events(web, handlers, service=SERVICE, now=now, objects=objects, seconds=seconds)
    return web


def app(environment: Mapping[str, str] = os.environ) -> WebApp:  # uvicorn --factory functions.predict_async.main:app
    """The application as the environment says; opens nothing yet."""
    settings = read_settings(PredictAsyncSettings, environment)
    log_as_json(settings.log_level)
    to = Connections(settings)
    telemetry = to.telemetry()
    handle = Handlers(to, SERVICE, telemetry)
    forecast, ingested, promoted = PredictionRequested.type(), MatchesIngested.type(), ModelPromoted.type()
    return build(
        handlers={forecast: handle.forecast, ingested: handle.renew, promoted: handle.renew},
        tasks=to.tasks,
        sink=to.sink(settings.sink),
        terms=to.terms,
        objects=lambda: to.objects,
        now=to.now,
        new_id=lambda: str(uuid4()),
        seconds={
            forecast: settings.handler_seconds,
            ingested: settings.renewal_seconds,
            promoted: settings.renewal_seconds,
        },
        kept_for=timedelta(hours=settings.task_hours),
        telemetry=telemetry,
    )
