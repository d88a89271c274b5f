"""POST /hooks/minio: MinIO tells that the champion's pointer was put."""

import hmac
import json
import logging
import os
from collections.abc import Callable, Mapping
from typing import Final

from anyio import fail_after, to_thread
from fastapi import FastAPI, Request, Response

from matchcast.adapters.clock import Timer
from matchcast.domain.event import Event
from matchcast.errors import TimedOut
from matchcast.ports import Clock, ObjectStore
from matchcast.ports.events import Deadline, Inbox, Sink
from matchcast.settings import ReloadSettings, read_settings
from matchcast.telemetry import log_as_json
from matchcast.usecases.reload import announce_champion, tells_of_champion
from matchcast.web.app import create_web_app
from matchcast.web.connections import Connections
from matchcast.web.events import bounded_body, take_events
from matchcast.web.problems import problem, problem_of

SERVICE: Final = "reload"
HOOK: Final = "/hooks/minio"
_LOG: Final = logging.getLogger("matchcast.reload")


def build(
    *,
    objects: Callable[[], ObjectStore],
    inbox: Callable[[], Inbox],
    sink: Callable[[], Sink],
    now: Clock,
    token: str,
    seconds: float,
) -> FastAPI:
    """The application; everything it is given is opened on first use.

    Args:
        objects: opens the store itself; copies from before would tell of another champion.
        token: that MinIO shows.
        seconds: how long the announcement of a champion may take.
    """
    app = create_web_app(SERVICE)
    app.state.event_paths.update((HOOK, f"{HOOK}/"))
    expected = f"Bearer {token}".encode()

    def announce(deadline: Deadline) -> Event | None:
        return announce_champion(objects(), inbox(), sink(), now(), deadline)

    @app.post(HOOK, tags=["model"], status_code=204, response_class=Response)
    async def champion_put(request: Request) -> Response:
        """Take MinIO's notification, with `Authorization: Bearer …`; what tells of no champion is taken, too.

        MinIO sends a notification until it is answered 2xx, and holds back those behind it.
        """
        given = request.headers.get("authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, expected):
            detail = "Authorization: is missing or wrong; send Bearer and the token of MATCHCAST_HOOK_TOKEN"
            return problem(request.scope, 401, detail, headers={"WWW-Authenticate": "Bearer"})
        try:
            with fail_after(seconds):
                if not tells_of_champion(_json(await bounded_body(request))):
                    _LOG.warning("a notification that tells of no champion was put aside")
                    return Response(status_code=204)
                event = await to_thread.run_sync(announce, Timer(seconds), abandon_on_cancel=True)
        except TimeoutError:
            late = TimedOut(f"announcing the champion took longer than {seconds:g} s; MinIO tells of it again")
            return problem_of(request.scope, late)
        about = {} if event is None else {"event_id": event.id, "event_type": event.type, "what": event.data}
        _LOG.info("nothing new to announce" if event is None else "announced", extra=about)
        return Response(status_code=204)

    take_events(app, {}, service=SERVICE, now=now, objects=objects, seconds=seconds)
    return app


def app(environment: Mapping[str, str] = os.environ) -> FastAPI:  # uvicorn --factory functions.reload.main:app
    """The application as the environment says; opens nothing yet."""
    settings = read_settings(ReloadSettings, environment)
    log_as_json(settings.log_level)
    to = Connections(settings)
    return build(
        objects=lambda: to.store,
        inbox=to.inbox,
        sink=to.sink(settings.sink),
        now=to.now,
        token=settings.hook_token.reveal(),
        seconds=settings.handler_seconds,
    )


def _json(body: bytes | None) -> object:
    try:
        return None if body is None else json.loads(body)
    except (ValueError, RecursionError):
        return None
