"""The application that every function starts from."""

import gc
import logging
import math
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec
from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matchcast.errors import MatchcastError
from matchcast.telemetry import CONTENT_TYPE, Telemetry
from matchcast.web.answers import Answer
from matchcast.web.operations import Call, Endpoint, Operation, Run, Terms
from matchcast.web.problems import problem, problem_of, problem_of_http
from matchcast.web.readiness import Behind, Checks, Health, Readiness, Ready

if TYPE_CHECKING:
    import uvicorn

LARGEST_BODY: Final = 256 * 1024
LARGEST_HEADERS: Final = 32 * 1024
LONGEST_URL: Final = 8 * 1024
KEEP_ALIVE: Final = 95
"""Seconds; above the 90 that Knative's queue-proxy keeps idle connections, or it meets closed ones."""
DRAIN: Final = 30
"""Seconds that SIGTERM gives requests in flight, where a function takes no longer."""
VERSIONS: Final[dict[str, "Deprecation | None"]] = {"/v1": None}
"""Prefixes of the paths, and whether they will go; without a prefix, the paths are those of the newest version."""

DOCUMENTS: Final = ("/openapi.json", "/docs")
"""Every function has them, of all functions."""

_ALLOCATIONS: Final = 10_000
"""Between collections of garbage: requests leave few cycles, and Python's 700 looks for them several times in each."""
_NOT_STARTED: Final = 3
_TIMED_OUT: Final = 504

_LOG: Final = logging.getLogger("matchcast.web")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_ASKED_SELDOM: Final = ("health", "documents")
_QUIET: Final = frozenset({"/livez", "/readyz", "/metrics", "/healthcheck/"})


class Deprecation(msgspec.Struct, frozen=True):
    """That a version goes: from when it is deprecated (RFC 9745, `@` and seconds since 1970), and when it ends (RFC 8594)."""

    since: str
    sunset: str

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"deprecation", self.since.encode()), (b"sunset", self.sunset.encode())]


class WebApp(Starlette):
    """An application with health, metrics, the document, request ids, problem answers and a limit on bodies.

    Every route answers with and without a trailing slash and, but for events, below the prefix of each version; every GET also
    answers HEAD. What is needed is looked for from the start on, so that the first request finds it open, and again while
    readiness is asked for.

    Args:
        checks: what readiness needs.
        behind: what the function can go on without, besides what its telemetry knows to be away.
        exposition: what /metrics shows; by default what `telemetry` has.
        terms: on which operations are carried out; by default for everyone, and without keys.
    """

    def __init__(
        self,
        name: str,
        *,
        checks: Checks | None = None,
        behind: Behind | None = None,
        telemetry: Telemetry | None = None,
        exposition: Callable[[], bytes] | None = None,
        terms: Terms | None = None,
    ) -> None:
        super().__init__(lifespan=self._life)
        self.router.redirect_slashes = False
        self.name: Final = name
        self.checks: Final = checks or {}
        self.telemetry: Final = telemetry or Telemetry()
        self._readiness = Readiness(name, self.checks, behind or {}, self.telemetry)
        self.operations: Final[list[Operation]] = []
        self._often = 0
        """So many routes are tried first."""
        self.event_paths: Final[set[str]] = set()
        """Paths that limit bodies by themselves."""
        self._event_patterns: Final[list[re.Pattern[str]]] = []
        self.at_end: Final[list[Callable[[], object]]] = [self.telemetry.close]
        """Called when the last request is answered."""
        self._terms = terms or Terms()
        self._add_health(exposition or self.telemetry.exposition)
        self._add_documents()

    def build_middleware_stack(self) -> ASGIApp:
        """Starlette's own two answer errors too: each request goes through one layer instead of three."""
        return Observed(self.router, self.telemetry, self._limits_itself)

    def get(self, path: str, *, tag: str, **options: Any) -> Callable[[Run], Run]:
        """Declare a read; options are the fields of `Operation`."""
        return self._declare("GET", path, tag, options)

    def post(self, path: str, *, tag: str, **options: Any) -> Callable[[Run], Run]:
        """Declare a POST; options are the fields of `Operation`."""
        return self._declare("POST", path, tag, options)

    def add_event_path(self, path: str, take: Callable[[Request], Any]) -> None:
        """A POST that is not in the document and limits its body by itself."""
        self.event_paths.update((path, f"{path.rstrip('/')}/"))
        route = EitherSlash(path, take, methods=["POST"])
        self.router.routes.append(route)
        if route.param_convertors:
            self._event_patterns.append(route.path_regex)

    def _limits_itself(self, path: str) -> bool:
        return path in self.event_paths or any(pattern.match(path) for pattern in self._event_patterns)

    def _declare(self, method: str, path: str, tag: str, options: Mapping[str, Any]) -> Callable[[Run], Run]:
        def declared(run: Run) -> Run:
            operation = Operation(method=method, path=path, run=run, tag=tag, **options)
            self.operations.append(operation)
            route = EitherSlash(path, Endpoint(operation, self._terms), methods=[method])
            if tag in _ASKED_SELDOM:
                self.router.routes.append(route)
            else:
                self.router.routes.insert(self._often, route)
                self._often += 1
            return run

        return declared

    def _add_health(self, shown: Callable[[], bytes]) -> None:
        name, readiness = self.name, self._readiness

        @self.get("/livez", tag="health", gives=Health, at_once=lambda: True)
        def livez(call: Call[None, None]) -> Health:
            """Whether the process runs."""
            return Health("alive", name)

        async def readyz(call: Call[None, None]) -> Ready | Response:
            """Whether requests can be answered; names what is missing, and what answers go on without."""
            return await readiness.told(call.request.scope)

        async def healthcheck(call: Call[None, None]) -> Ready | Response:
            """Whether requests can be answered; names what is missing, and what answers go on without."""
            return await readiness.told(call.request.scope)

        self.get("/readyz", tag="health", gives=Ready)(readyz)
        self.get("/healthcheck/", tag="health", gives=Ready)(healthcheck)

        @self.get("/metrics", tag="health", media_type=CONTENT_TYPE)
        def metrics(call: Call[None, None]) -> Response:
            """Metrics in Prometheus's text format."""
            return Response(shown(), media_type=CONTENT_TYPE)

    def _add_documents(self) -> None:
        whole, page = DOCUMENTS

        @self.get(whole, tag="documents", hidden=True)
        def openapi(call: Call[None, None]) -> Answer:
            from matchcast.web.openapi import published_document

            return Answer(published_document())

        @self.get(page, tag="documents", hidden=True, media_type="text/html; charset=utf-8")
        def docs(call: Call[None, None]) -> Answer:
            from matchcast.web.openapi import document_page

            return Answer(document_page())

    @asynccontextmanager
    async def _life(self, _: Any) -> AsyncIterator[None]:
        self._readiness.look()
        try:
            yield
        finally:
            for end in self.at_end:
                await to_thread.run_sync(end)


class EitherSlash(Route):
    """A route that answers with and without a trailing slash, without a redirect."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.path_regex = re.compile(self.path_regex.pattern.removesuffix("$").removesuffix("/") + "/?$")

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        return match, {**child_scope, "route": self}


class Observed:
    """What is around every request: request id, version, limit on the body, metrics, a log line, problems for errors, a 500
    without a stack for the unexpected, and no body for HEAD.

    Args:
        limits_itself: says of a path whether it limits bodies by itself.
    """

    def __init__(self, app: ASGIApp, telemetry: Telemetry, limits_itself: Callable[[str], bool] | None = None) -> None:
        self._app = app
        self._telemetry = telemetry
        self._limits_itself = limits_itself

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        given = next((value.decode("latin-1") for key, value in scope["headers"] if key == b"x-request-id"), "")
        request_id = given if _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
        scope.setdefault("state", {})["request_id"] = request_id
        marks = [(b"x-request-id", request_id.encode())]
        version = next((prefix for prefix in VERSIONS if scope["path"].startswith(f"{prefix}/")), None)
        if version is not None and not self._is_for_events(scope["path"].removeprefix(version)):
            scope["root_path"] = version
            going = VERSIONS[version]
            marks += going.headers() if going is not None else []
        status = 0
        is_head = scope["method"] == "HEAD"

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *marks]
            elif is_head:
                message["body"] = b""
            await send(message)

        try:
            if self._is_for_events(scope["path"]):
                await self._app(scope, receive, send_marked)
            elif (refused := _too_large(scope)) is not None:
                await refused(scope, receive, send_marked)
            else:
                await self._app(scope, _limited(receive), send_marked)
        except (MatchcastError, HTTPException) as error:
            if status:
                raise
            answer = problem_of(scope, error) if isinstance(error, MatchcastError) else problem_of_http(scope, error)
            await answer(scope, receive, send_marked)
        except Exception:
            _LOG.exception("unexpected error", extra={"request_id": request_id, "path": scope["path"]})
            if status:
                raise
            answer = problem(scope, 500, "something went wrong on our side; the log has the details by request_id")
            await answer(scope, receive, send_marked)
        finally:
            self._note(scope, status, time.perf_counter() - begun, request_id)

    def _is_for_events(self, path: str) -> bool:
        return self._limits_itself is not None and self._limits_itself(path)

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route = scope.get("route")
        path = route.path if isinstance(route, Route) else "unmatched"
        self._telemetry.requests.labels(scope["method"], path, status).inc()
        self._telemetry.request_seconds.labels(scope["method"], path).observe(seconds)
        if status == _TIMED_OUT and path.startswith("/predict"):
            self._telemetry.timeouts.inc()
        level = logging.DEBUG if path in _QUIET else logging.INFO
        if _LOG.isEnabledFor(level):
            record = logging.LogRecord(_LOG.name, level, __file__, 0, "request", None, None)
            record.__dict__ |= {
                "request_id": request_id, "method": scope["method"], "path": scope["path"], "status": status,
                "milliseconds": round(seconds * 1000, 3),
            }  # fmt: skip
            _LOG.handle(record)


def serve(
    application: str | ASGIApp, *, port: int | None = None, host: str | None = None, drain: float = DRAIN
) -> None:
    """Serve until SIGTERM, then let requests in flight finish.

    Args:
        application: an application, or a factory as `module:name`.
        port: by default PORT, or 8080.
        host: address to listen on; by default MATCHCAST_HOST, or all.
        drain: seconds that SIGTERM gives requests in flight.
    """
    gc.disable()  # what is imported stays; to look through it again and again takes a tenth of the start
    import uvicorn

    signal.signal(signal.SIGTERM, _end)
    config = server_config(application, port=port, host=host, drain=drain)
    config.load()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)
    gc.enable()
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(_NOT_STARTED)


def server_config(
    application: str | ASGIApp, *, port: int | None = None, host: str | None = None, drain: float = DRAIN
) -> "uvicorn.Config":
    """How `serve` serves; arguments as there."""
    import uvicorn

    return uvicorn.Config(
        application,
        factory=isinstance(application, str),
        host=os.environ.get("MATCHCAST_HOST", "0.0.0.0") if host is None else host,
        port=int(os.environ.get("PORT", "8080")) if port is None else port,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=math.ceil(drain),
        log_config=None,
        access_log=False,
        ws="none",
        server_header=False,
    )


def _end(_signal: int, _frame: object) -> None:
    """At SIGTERM before the server runs, and after it has drained, when uvicorn raises the signal again."""
    sys.exit(0)


def _declared_length(scope: Scope) -> int:
    given = next((value for key, value in scope["headers"] if key == b"content-length"), b"0")
    return int(given) if given.isdigit() else 0


def _too_large(scope: Scope) -> Response | None:
    if _declared_length(scope) > LARGEST_BODY:
        return problem(scope, 413, f"body: is larger than {LARGEST_BODY} bytes; send a smaller one")
    if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_URL:
        return problem(scope, 414, f"path and query are longer than {LONGEST_URL} bytes; ask for less")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEADERS:
        return problem(scope, 431, f"headers are larger than {LARGEST_HEADERS} bytes; send smaller ones")
    return None


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
