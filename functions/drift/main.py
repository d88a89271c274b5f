"""Settling on new results, watching for drift every day, and GET /monitoring/drift."""

import os
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final

from functions.drift.handling import Handlers
from functions.drift.replies import REPORTS, AskedReport, DriftReply, drift_reply
from matchcast.errors import NotFound
from matchcast.events import PING, MatchesIngested
from matchcast.ports import Clock, ObjectStore
from matchcast.ports.scores import DriftReport, DriftReports
from matchcast.settings import DriftSettings, read_settings
from matchcast.telemetry import Telemetry, log_as_json
from matchcast.web.answers import Answer, etag_of, unless_known
from matchcast.web.app import WebApp
from matchcast.web.connections import Connections
from matchcast.web.events import Handler, take_events
from matchcast.web.operations import Call, Terms

SERVICE: Final = "drift"
ALONE: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
        "font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts"
    ),
    "X-Content-Type-Options": "nosniff",
}
"""Headers of a report: its own script runs, without an origin, and reaches nothing."""


def build(
    *,
    handlers: Mapping[str, Handler],
    reports: Callable[[], DriftReports],
    objects: Callable[[], ObjectStore],
    terms: Terms,
    telemetry: Telemetry,
    now: Clock,
    seconds: float,
) -> WebApp:
    """The application; everything it is given is opened on first use."""
    web = WebApp(SERVICE, terms=terms, telemetry=telemetry)

    @web.get("/monitoring/drift", tag="monitoring", gives=DriftReply, scopes=("predict",), troubles=(404,))
    def latest_report(call: Call[None, None]) -> Answer:
        """The latest comparison of recent matches with those that the champion was trained on."""
        report = reports().latest()
        if report is None:
            raise NotFound("there is no report on drift yet; one is made every day at 06:00 UTC")
        etag = etag_of(report.report_id, report.checked_at.isoformat(), call.link(REPORTS))
        return unless_known(call.request, etag, lambda: drift_reply(report, call.link))

    def whole(call: Call[AskedReport, None], key_of: Callable[[DriftReport], str]) -> Answer:
        report_id = call.asked.report_id
        report = reports().find(str(report_id))
        if report is None:
            raise NotFound(f"report_id: there is no report {report_id}; GET /monitoring/drift names the latest")
        key = key_of(report)
        etag = etag_of(key, report.checked_at.isoformat())
        return unless_known(call.request, etag, lambda: objects().get(key), ALONE)

    a_report: Mapping[str, Any] = {"tag": "monitoring", "asked": AskedReport, "scopes": ("predict",)}

    @web.get(f"{REPORTS}{{report_id}}.html", media_type="text/html", **a_report)
    def report_page(call: Call[AskedReport, None]) -> Answer:
        """A whole report, as a page by Evidently."""
        return whole(call, attrgetter("html_key"))

    @web.get(f"{REPORTS}{{report_id}}.json", gives=dict[str, Any], **a_report)
    def report_data(call: Call[AskedReport, None]) -> Answer:
        """A whole report, as data: its head, and all that Evidently says."""
        return whole(call, attrgetter("report_key"))

    take_events(web, handlers, service=SERVICE, now=now, objects=objects, seconds=seconds)
    return web


def app(environment: Mapping[str, str] = os.environ) -> WebApp:  # uvicorn --factory functions.drift.main:app
    """The application as the environment says; opens nothing yet."""
    settings = read_settings(DriftSettings, environment)
    log_as_json(settings.log_level)
    to = Connections(settings)
    handle = Handlers(to, settings, SERVICE)
    return build(
        handlers={MatchesIngested.type(): handle.settle, PING: handle.watch},
        reports=to.drift_reports,
        objects=lambda: to.store,
        terms=to.terms,
        telemetry=to.telemetry(),
        now=to.now,
        seconds=settings.handler_seconds,
    )
