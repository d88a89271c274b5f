"""Settling on new results, watching for drift every day, and GET /monitoring/drift."""

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from fastapi import Depends, FastAPI, Request, Response

from functions.drift.replies import DriftReply, drift_reply
from matchcast.domain.event import Event
from matchcast.errors import NotFound
from matchcast.events import PING, MatchesIngested
from matchcast.ports import ApiKeys, Clock, ObjectStore
from matchcast.ports.events import Deadline
from matchcast.ports.scores import DriftReports
from matchcast.settings import DriftSettings, read_settings
from matchcast.telemetry import log_as_json
from matchcast.web.app import create_web_app
from matchcast.web.caching import etag_of, is_known, mark, not_modified
from matchcast.web.connections import Connections
from matchcast.web.events import Handler, take_events
from matchcast.web.keys import KeyGuard

SERVICE: Final = "drift"
ALONE: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts"
)
"""Content-Security-Policy of a report: its own script runs, without an origin, and reaches nothing."""


def build(
    *,
    handlers: Mapping[str, Handler],
    reports: Callable[[], DriftReports],
    objects: Callable[[], ObjectStore],
    keys: Callable[[], ApiKeys],
    now: Clock,
    seconds: float,
) -> FastAPI:
    """The application; everything it is given is opened on first use."""
    app = create_web_app(SERVICE)
    guard = Depends(KeyGuard(keys, "predict"))

    @app.get("/monitoring/drift", tags=["monitoring"], dependencies=[guard], response_model=DriftReply)
    def latest_report(request: Request, response: Response) -> DriftReply | Response:
        """The latest comparison of recent matches with those that the champion was trained on."""
        report = reports().latest()
        if report is None:
            raise NotFound("there is no report on drift yet; one is made every day at 06:00 UTC")
        etag = etag_of(report.report_id, report.checked_at.isoformat())
        if is_known(request, etag):
            return not_modified(etag)
        mark(response, etag)
        return drift_reply(report)

    def whole_report(request: Request, report_id: UUID, kind: str) -> Response:
        report = reports().find(str(report_id))
        if report is None:
            raise NotFound(f"report_id: there is no report {report_id}; GET /monitoring/drift names the latest")
        etag = etag_of(str(report_id), report.checked_at.isoformat(), kind)
        if is_known(request, etag):
            return not_modified(etag)
        is_page = kind == "html"
        response = Response(
            objects().get(report.html_key if is_page else report.report_key),
            media_type="text/html" if is_page else "application/json",
            headers={"Content-Security-Policy": ALONE, "X-Content-Type-Options": "nosniff"},
        )
        mark(response, etag)
        return response

    @app.get("/monitoring/drift/reports/{report_id}.html", tags=["monitoring"], dependencies=[guard])
    def report_page(request: Request, report_id: UUID) -> Response:
        """A whole report, as a page by Evidently."""
        return whole_report(request, report_id, "html")

    @app.get("/monitoring/drift/reports/{report_id}.json", tags=["monitoring"], dependencies=[guard])
    def report_data(request: Request, report_id: UUID) -> Response:
        """A whole report, as data: its head, and all that Evidently says."""
        return whole_report(request, report_id, "json")

    take_events(app, handlers, service=SERVICE, now=now, objects=objects, seconds=seconds)
    return app


class Handlers:
    """What events are handled by; imported with the first of a kind, so that a GET does not wait for it."""

    def __init__(self, to: Connections, settings: DriftSettings) -> None:
        self._to = to
        self._settings = settings

    def settle(self, event: Event, deadline: Deadline) -> Event | None:
        """Of matches.ingested."""
        from matchcast.usecases.settle import Settler

        to = self._to
        return Settler(SERVICE, to.settlements(), to.prices(), to.inbox()).settle(event, to.now(), deadline)

    def watch(self, event: Event, deadline: Deadline) -> Event | None:
        """Of the daily ping, which also sweeps away what is too old."""
        from functions.drift.watching import watch_with
        from matchcast.usecases.sweep import sweep

        now = self._to.now()
        sweep(self._to.leftovers(), now - timedelta(days=self._settings.retention_days), deadline)
        return watch_with(self._to, self._settings, SERVICE).check(event, now, deadline)


def app(environment: Mapping[str, str] = os.environ) -> FastAPI:  # uvicorn --factory functions.drift.main:app
    """The application as the environment says; opens nothing yet."""
    settings = read_settings(DriftSettings, environment)
    log_as_json(settings.log_level)
    to = Connections(settings)
    handle = Handlers(to, settings)
    return build(
        handlers={MatchesIngested.type(): handle.settle, PING: handle.watch},
        reports=to.drift_reports,
        objects=lambda: to.store,
        keys=to.keys,
        now=to.now,
        seconds=settings.handler_seconds,
    )
