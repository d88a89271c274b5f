"""POST /predict/async/, the forecasts that events ask for, and the renewing of all forecasts."""

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from fastapi import Depends, FastAPI, Response

from matchcast.domain.event import Event
from matchcast.events import MatchesIngested, ModelPromoted, PredictionRequested
from matchcast.ports import ApiKeys, Clock, ObjectStore
from matchcast.ports.events import Deadline, Sink, Tasks
from matchcast.settings import PredictAsyncSettings, read_settings
from matchcast.telemetry import Telemetry, log_as_json
from matchcast.usecases.asynchronous import KIND, Requests
from matchcast.web.accepted import AcceptedReply, accepted
from matchcast.web.app import create_web_app
from matchcast.web.connections import Connections
from matchcast.web.events import Handler, take_events
from matchcast.web.keys import KeyGuard
from matchcast.web.requests import ForecastRequest

if TYPE_CHECKING:
    from matchcast.usecases.asynchronous import Forecasting
    from matchcast.usecases.renew import Renewer

SERVICE: Final = "predict-async"


def build(
    *,
    handlers: Mapping[str, Handler],
    tasks: Callable[[], Tasks],
    sink: Callable[[], Sink],
    keys: Callable[[], ApiKeys],
    objects: Callable[[], ObjectStore],
    now: Clock,
    new_id: Callable[[], str],
    seconds: Mapping[str, float],
    kept_for: timedelta,
    telemetry: Telemetry,
) -> FastAPI:
    """The application; everything it is given is opened on first use."""
    app = create_web_app(SERVICE, telemetry=telemetry)
    guard = Depends(KeyGuard(keys, "predict"))
    requests = Requests(SERVICE, tasks, sink, kept_for)

    @app.post("/predict/async/", tags=["forecasts"], dependencies=[guard], status_code=202)
    def predict_later(body: ForecastRequest, response: Response) -> AcceptedReply:
        """Forecast a known fixture or any pairing of clubs later; `status_url` tells what comes of it."""
        task_id = new_id()
        requests.accept(body.asked(), task_id, now())
        return accepted(response, task_id, KIND)

    take_events(app, handlers, service=SERVICE, now=now, objects=objects, seconds=seconds)
    return app


class Handlers:
    """What events are handled by; imported with the first of a kind, so that a POST does not wait for it."""

    def __init__(self, to: Connections, telemetry: Telemetry) -> None:
        self._to = to
        self._telemetry = telemetry

    def forecast(self, event: Event, deadline: Deadline) -> Event | None:
        """Of prediction.requested."""
        return self._forecasting.carry_out(event, self._to.now(), deadline)

    def renew(self, event: Event, deadline: Deadline) -> Event | None:
        """Of matches.ingested and model.promoted."""
        return self._renewer.renew(event, deadline)

    @cached_property
    def _forecasting(self) -> "Forecasting":
        from functions.predict_async.forecasting import forecasting_with

        return forecasting_with(self._to, SERVICE, self._telemetry)

    @cached_property
    def _renewer(self) -> "Renewer":
        from functions.predict_async.renewing import renewer_with

        return renewer_with(self._to, SERVICE)


def app(environment: Mapping[str, str] = os.environ) -> FastAPI:  # uvicorn --factory functions.predict_async.main:app
    """The application as the environment says; opens nothing yet."""
    settings = read_settings(PredictAsyncSettings, environment)
    log_as_json(settings.log_level)
    to, telemetry = Connections(settings), Telemetry()
    handle = Handlers(to, telemetry)
    forecast, ingested, promoted = PredictionRequested.type(), MatchesIngested.type(), ModelPromoted.type()
    return build(
        handlers={forecast: handle.forecast, ingested: handle.renew, promoted: handle.renew},
        tasks=to.tasks,
        sink=to.sink(settings.sink),
        keys=to.keys,
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
