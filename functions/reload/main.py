"""POST /hooks/minio: MinIO tells that the champion's pointer was put."""

import hmac
import json
import logging
import os
from collections.abc import Callable, Mapping
from typing import Final

from anyio import to_thread
from starlette.responses import Response

from matchcast.adapters.clock import Timer
from matchcast.domain.event import Event
from matchcast.ports import Clock, ObjectStore
from matchcast.ports.cache import CHAMPION
from matchcast.ports.events import Deadline, Inbox, Sink
from matchcast.settings import ReloadSettings, read_settings
from matchcast.telemetry import Telemetry, log_as_json
from matchcast.usecases.reload import announce_champion, tells_of_champion
from matchcast.web.app import WebApp
from matchcast.web.connections import Connections
from matchcast.web.events import bounded_body, take_events
from matchcast.web.operations import Call
from matchcast.web.problems import problem

SERVICE: Final = "reload"
HOOK: Final = "/hooks/minio"
_LOG: Final = logging.getLogger("matchcast.reload")


def build(
    *,
    objects: Callable[[], ObjectStore],
    inbox: Callable[[], Inbox],
    sink: Callable[[], Sink],
    now: Clock,
    tell: Callable[[], None],
    telemetry: Telemetry,
    token: str,
    seconds: float,
) -> WebApp:
    """The application; everything it is given is opened on first use.

    Args:
        objects: opens the store itself; copies from before would tell of another champion.
        tell: warm instances, that there may be a new champion.
        token: that MinIO shows.
        seconds: how long the announcement of a champion may take.
    """
    web = WebApp(SERVICE, telemetry=telemetry)
    web.event_paths.update((HOOK, f"{HOOK}/"))
    expected = f"Bearer {token}".encode()

    def announce(deadline: Deadline) -> Event | None:
        return announce_champion(objects(), inbox(), sink(), now(), deadline, tell)

    @web.post(HOOK, tag="hooks", status=204, seconds=seconds, hidden=True)
    async def champion_put(call: Call[None, None]) -> Response | None:
        """Take MinIO's notification, with `Authorization: Bearer …`; what tells of no champion is taken, too.

        MinIO sends a notification until it is answered 2xx, and holds back those behind it.
        """
        request = call.request
        given = request.headers.get("authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, expected):
            detail = "Authorization: is missing or wrong; send Bearer and the token of MATCHCAST_HOOK_TOKEN"
            return problem(request.scope, 401, detail, headers={"WWW-Authenticate": "Bearer"})
        if not tells_of_champion(_json(await bounded_body(request))):
            _LOG.warning("a notification that tells of no champion was put aside")
            return None
        event = await to_thread.run_sync(announce, Timer(seconds), abandon_on_cancel=True)
        about = {} if event is None else {"event_id": event.id, "event_type": event.type, "what": event.data}
        _LOG.info("nothing new to announce" if event is None else "announced", extra=about)
        return None

    take_events(web, {}, service=SERVICE, now=now, objects=objects, seconds=seconds)
    return web


def app(environment: Mapping[str, str] = os.environ) -> WebApp:  # uvicorn --factory functions.reload.main:app
    """The application as the environment says; opens nothing yet."""
    settings = read_settings(ReloadSettings, environment)
    log_as_json(settings.log_level)
    to = Connections(settings)
    return build(
        objects=lambda: to.store,
        inbox=to.inbox,
        sink=to.sink(settings.sink),
        now=to.now,
        tell=lambda: to.tell(CHAMPION),
        telemetry=to.telemetry(),
        token=settings.hook_token.reveal(),
        seconds=settings.handler_seconds,
    )


def _json(body: bytes | None) -> object:
    try:
        return None if body is None else json.loads(body)
    except (ValueError, RecursionError):
        return None
