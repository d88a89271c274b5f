"""The FastAPI application that every function starts from."""

import gc
import logging
import os
import re
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matchcast.errors import MatchcastError
from matchcast.telemetry import CONTENT_TYPE, Telemetry
from matchcast.web.problems import RESPONSES, answer_with_problems, problem

LARGEST_BODY: Final = 256 * 1024
KEEP_ALIVE: Final = 95
"""Seconds; above the 90 that Knative's queue-proxy keeps idle connections, or it meets closed ones."""
DRAIN: Final = 30
"""Seconds that SIGTERM gives requests in flight."""

_ALLOCATIONS: Final = 10_000
"""Between collections of garbage: requests leave few cycles, and Python's 700 looks for them several times in each."""
_NOT_STARTED: Final = 3

_LOG: Final = logging.getLogger("matchcast.web")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_QUIET: Final = frozenset({"/livez", "/readyz", "/metrics", "/healthcheck/"})

Checks = Mapping[str, Callable[[], object]]
"""What must be there for a function to answer: a name, and what raises a MatchcastError while it is missing."""


def create_web_app(
    name: str,
    *,
    checks: Checks | None = None,
    telemetry: Telemetry | None = None,
    exposition: Callable[[], bytes] | None = None,
) -> FastAPI:
    """An application with health, metrics, request ids, problem answers and a limit on bodies.

    Every route answers with and without a trailing slash. The checks run once at the start, so that the first request
    finds everything open, and at every readiness probe.

    Args:
        exposition: what /metrics shows; by default what `telemetry` has.
    """
    needs = checks or {}
    measured = telemetry or Telemetry()
    shown = exposition or measured.exposition

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for what, reason in (await run_in_threadpool(missing, needs)).items():
            _LOG.warning("started without %s: %s", what, reason)
        yield

    app = FastAPI(title=f"Matchcast {name}", version=_version(), responses=RESPONSES, lifespan=lifespan)
    app.router.route_class = EitherSlash
    app.state.telemetry = measured
    app.state.checks = needs
    app.state.event_paths = set()
    answer_with_problems(app)
    app.add_middleware(Observed, telemetry=measured, unlimited=app.state.event_paths)

    @app.get("/livez", tags=["health"])
    async def livez() -> dict[str, str]:
        """Whether the process runs."""
        return {"status": "alive", "function": name}

    def readyz(request: Request) -> Response:
        """Whether requests can be answered; names what is missing."""
        return readiness(request.scope, name, needs)

    app.add_api_route("/readyz", readyz, tags=["health"], response_model=dict[str, str])
    app.add_api_route("/healthcheck/", readyz, tags=["health"], name="healthcheck", response_model=dict[str, str])

    @app.get("/metrics", tags=["health"], response_class=Response)
    def metrics() -> Response:
        """Metrics in Prometheus's text format."""
        return Response(shown(), media_type=CONTENT_TYPE)

    return app


def missing(checks: Checks) -> dict[str, str]:
    """What is missing, and why."""
    found = {}
    for what, check in checks.items():
        try:
            check()
        except MatchcastError as error:
            found[what] = str(error)
    return found


def readiness(scope: Scope, name: str, checks: Checks) -> Response:
    """200, or 503 with what is missing."""
    lacking = missing(checks)
    if lacking:
        errors = [{"field": what, "detail": f"{what}: {reason}"} for what, reason in lacking.items()]
        detail = "; ".join(error["detail"] for error in errors)
        return problem(scope, 503, detail, type_="not-ready", headers={"Retry-After": "1"}, errors=errors)
    return Response(f'{{"status":"ready","function":"{name}"}}', media_type="application/json")


class EitherSlash(APIRoute):
    """A route that answers with and without a trailing slash, without a redirect."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.path_regex = re.compile(self.path_regex.pattern.removesuffix("$").removesuffix("/") + "/?$")


class Observed:
    """Middleware: request id, limit on the body, metrics, a log line, and a 500 without a stack for the unexpected.

    Args:
        unlimited: paths that limit the body by themselves.
    """

    def __init__(self, app: ASGIApp, telemetry: Telemetry, unlimited: Collection[str] = ()) -> None:
        self._app = app
        self._telemetry = telemetry
        self._unlimited = unlimited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        given = next((value.decode("latin-1") for key, value in scope["headers"] if key == b"x-request-id"), "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            if scope["path"] in self._unlimited:
                await self._app(scope, receive, send_marked)
            elif _declared_length(scope) > LARGEST_BODY:
                await _too_large(scope)(scope, receive, send_marked)
            else:
                await self._app(scope, _limited(receive), send_marked)
        except Exception:
            _LOG.exception("unexpected error", extra={"request_id": request_id, "path": scope["path"]})
            if status:
                raise
            answer = problem(scope, 500, "something went wrong on our side; the log has the details by request_id")
            await answer(scope, receive, send_marked)
        finally:
            self._note(scope, status, time.perf_counter() - begun, request_id)

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._telemetry.requests.labels(scope["method"], route, status).inc()
        self._telemetry.request_seconds.labels(scope["method"], route).observe(seconds)
        level = logging.DEBUG if route in _QUIET else logging.INFO
        if _LOG.isEnabledFor(level):
            about = {"request_id": request_id, "method": scope["method"], "path": scope["path"], "status": status}
            _LOG.log(level, "request", extra={**about, "milliseconds": round(seconds * 1000, 3)})


def serve(application: str | ASGIApp, *, port: int | None = None, host: str | None = None) -> None:
    """Serve until SIGTERM, then let requests in flight finish.

    Args:
        application: an application, or a factory as `module:name`.
        port: by default PORT, or 8080.
        host: address to listen on; by default MATCHCAST_HOST, or all.
    """
    import uvicorn

    config = uvicorn.Config(
        application,
        factory=isinstance(application, str),
        host=os.environ.get("MATCHCAST_HOST", "0.0.0.0") if host is None else host,
        port=int(os.environ.get("PORT", "8080")) if port is None else port,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=DRAIN,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    config.load()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(_NOT_STARTED)


def _declared_length(scope: Scope) -> int:
    given = next((value for key, value in scope["headers"] if key == b"content-length"), b"0")
    return int(given) if given.isdigit() else 0


def _too_large(scope: Scope) -> Response:
    return problem(scope, 413, f"body: is larger than {LARGEST_BODY} bytes; send a smaller one")


def _limited(receive: Receive) -> Receive:
    """The same messages, until the body gets too large."""
    received = 0

    async def limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > LARGEST_BODY:
            raise HTTPException(413, f"body: is larger than {LARGEST_BODY} bytes; send a smaller one")
        return message

    return limited


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("matchcast")
    except PackageNotFoundError:
        return "unknown"
