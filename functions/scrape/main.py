"""POST /scrape, and the scrapes that events ask for."""

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final
from uuid import uuid4

from functions.scrape.feeds import feeds_of
from functions.scrape.requests import ScrapeRequest
from matchcast.adapters.sources.aliases import committed_aliases
from matchcast.domain.event import Event
from matchcast.events import PING, ScrapeRequested
from matchcast.ports import Clock, MatchStore, ObjectStore
from matchcast.ports.events import Deadline, Inbox, Sink, Tasks
from matchcast.ports.feeds import Captures, CoolDowns, Feed
from matchcast.ports.renewal import Turns
from matchcast.settings import ScrapeSettings, read_settings
from matchcast.telemetry import Telemetry, log_as_json
from matchcast.usecases.scrape import Scraping, request_scrape, scrape_due, scrape_requested
from matchcast.web.accepted import AcceptedReply, accepted_once
from matchcast.web.answers import Answer
from matchcast.web.app import WebApp
from matchcast.web.connections import Connections
from matchcast.web.events import take_events
from matchcast.web.operations import Call, Terms
from matchcast.web.problems import problem_data

SERVICE: Final = "scrape"


def build(
    *,
    feeds: Mapping[str, Feed],
    objects: Callable[[], ObjectStore],
    inbox: Callable[[], Inbox],
    tasks: Callable[[], Tasks],
    store: Callable[[], MatchStore],
    captures: Callable[[], Captures],
    cool_downs: Callable[[], CoolDowns],
    turns: Callable[[], Turns],
    sink: Callable[[], Sink],
    terms: Terms,
    telemetry: Telemetry,
    now: Clock,
    new_id: Callable[[], str],
    seconds: float,
    kept_for: timedelta,
    left_alone_for: timedelta,
) -> WebApp:
    """The application; everything it is given is opened on first use."""
    web = WebApp(SERVICE, terms=terms, telemetry=telemetry)

    @web.post(
        "/scrape", tag="matches", body=ScrapeRequest, gives=AcceptedReply, status=202, scopes=("ingest",),
        idempotent=True, meanwhile="forecasts stand: GET /predict/{match_id} shows them, POST /predict/ makes others",
    )  # fmt: skip
    def scrape(call: Call[None, ScrapeRequest]) -> Answer:
        """Read a source for the matches of some days; `status_url` tells what comes of it."""
        body, at = call.body, now()

        def accept(task_id: str) -> None:
            request_scrape(
                body.source, body.window(), task_id=task_id, feeds=feeds, cool_downs=cool_downs(), tasks=tasks(), sink=sink(),
                now=at, kept_for=kept_for,
            )  # fmt: skip

        return accepted_once(call, "scrape", tasks, new_id, at, accept)

    def count(source: str, what: str) -> None:
        if what == "captured":
            telemetry.captures.labels(source).inc()
        else:
            telemetry.scrapes.labels(source, what).inc()

    def given() -> Scraping:
        return Scraping(
            feeds, objects(), inbox(), tasks(), store(), captures(), cool_downs(), turns(), committed_aliases, now,
            kept_for, left_alone_for, problem_data, count,
        )  # fmt: skip

    def requested(event: Event, deadline: Deadline) -> Event | None:
        return scrape_requested(event, given(), now(), deadline)

    def due(event: Event, deadline: Deadline) -> Event | None:
        return scrape_due(event, given(), now(), deadline)

    handlers = {ScrapeRequested.type(): requested, PING: due}
    take_events(web, handlers, service=SERVICE, now=now, objects=objects, seconds=seconds)
    return web


def app(environment: Mapping[str, str] = os.environ) -> WebApp:  # uvicorn --factory functions.scrape.main:app
    """The application as the environment says; opens nothing yet."""
    settings = read_settings(ScrapeSettings, environment)
    log_as_json(settings.log_level)
    to = Connections(settings)
    return build(
        feeds=feeds_of(settings),
        objects=lambda: to.store,
        inbox=to.inbox,
        tasks=to.tasks,
        store=to.match_store,
        captures=to.captures,
        cool_downs=to.cool_downs,
        turns=to.turns,
        sink=to.sink(settings.sink),
        terms=to.terms,
        telemetry=to.telemetry(),
        now=to.now,
        new_id=lambda: str(uuid4()),
        seconds=settings.handler_seconds,
        kept_for=timedelta(hours=settings.task_hours),
        left_alone_for=timedelta(hours=settings.cool_down_hours),
    )
