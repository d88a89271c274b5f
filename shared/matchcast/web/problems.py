"""Errors as RFC 9457 problem details: one table from error to status."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from starlette.exceptions import HTTPException
from starlette.responses import Response

from matchcast.errors import (
    BadInput,
    Conflict,
    LayoutChanged,
    MatchcastError,
    MissingScope,
    NotFound,
    SourceBlocked,
    TaskExpired,
    TimedOut,
    TooManyRequests,
    Unauthorised,
    Unavailable,
    UnknownTeam,
    UnknownTournament,
)
from matchcast.fields import BadFields

if TYPE_CHECKING:
    from matchcast.events import Problem

MEDIA_TYPE: Final = "application/problem+json"
_LOG: Final = logging.getLogger("matchcast.web")
_ADDRESSES: Final = (
    re.compile(r"\b([a-z][a-z0-9+]*)://[^\s;,'\"()]*[^\s;,:.'\"()]"),
    re.compile(r"""\b(server|host(?: name)?) (?:at |on socket )?(?:"[^"]*"|'[^']*')(?: \([^)]*\))?(?:, port \d+)?"""),
    re.compile(r"\b(connecting) to [^\s;,'\"()]*[^\s;,:.'\"()]"),
)
"""As URLs, and in the words of libpq, psycopg and redis-py."""
_NO_HEADERS: Final[Mapping[str, str]] = {}


class UnderWay(Conflict):
    """What is asked for is being done; `retry_after` says in how many seconds to ask for its answer."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Status(NamedTuple):
    """How an error is answered: HTTP status, name of the problem type, headers."""

    status: int
    type: str
    headers: Mapping[str, str] = _NO_HEADERS


# the first class that an error is an instance of counts
STATUSES: Final[tuple[tuple[type[MatchcastError], Status], ...]] = (
    (UnknownTeam, Status(404, "unknown-team")),
    (UnknownTournament, Status(404, "unknown-tournament")),
    (TaskExpired, Status(410, "task-expired")),
    (NotFound, Status(404, "not-found")),
    (Conflict, Status(409, "conflict")),
    (TooManyRequests, Status(429, "too-many-requests")),
    (MissingScope, Status(403, "missing-scope")),
    (Unauthorised, Status(401, "unauthorised", {"WWW-Authenticate": "ApiKey"})),
    (LayoutChanged, Status(422, "layout-changed")),
    (SourceBlocked, Status(422, "source-blocked")),
    (BadInput, Status(422, "bad-input")),
    (TimedOut, Status(504, "timed-out", {"Retry-After": "5"})),
    (Unavailable, Status(503, "unavailable", {"Retry-After": "5"})),
    (MatchcastError, Status(500, "internal")),
)


def problem(
    scope: Mapping[str, Any],
    status: int,
    detail: str,
    *,
    type_: str | None = None,
    headers: Mapping[str, str] = _NO_HEADERS,
    errors: Sequence[Mapping[str, str]] = (),
    suggestions: Sequence[str] = (),
) -> Response:
    """A problem+json answer.

    Args:
        scope: of the ASGI request.
        type_: name of the problem type; by default that of the status.
        errors: a `field` and its `detail` each.
    """
    body = _details(scope, status, detail, type_, errors, suggestions)
    return Response(
        json.dumps(body, ensure_ascii=False).encode(errors="backslashreplace"), status, dict(headers), MEDIA_TYPE
    )


def _details(
    scope: Mapping[str, Any],
    status: int,
    detail: str,
    type_: str | None,
    errors: Sequence[Mapping[str, str]],
    suggestions: Sequence[str],
) -> dict[str, Any]:
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        detail = without_addresses(detail)
        errors = [{**error, "detail": without_addresses(error["detail"])} for error in errors]
    title = HTTPStatus(status).phrase
    body: dict[str, Any] = {
        "type": f"urn:matchcast:problem:{type_ or title.lower().replace(' ', '-')}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": scope["path"],
        "request_id": scope.get("state", {}).get("request_id", ""),
    }
    meanwhile = scope.get("state", {}).get("meanwhile")
    if meanwhile and status == HTTPStatus.SERVICE_UNAVAILABLE:
        body["meanwhile"] = meanwhile
    if suggestions:
        body["suggestions"] = list(suggestions)
    if errors:
        body["errors"] = list(errors)
    return body


def without_addresses(text: str) -> str:
    """What is said of something that is away, without where it is: whoever asks has no need of that, and the log has it."""
    for address in _ADDRESSES:
        text = address.sub(r"\1", text)
    return text


def problem_details(scope: Mapping[str, Any], error: MatchcastError) -> dict[str, Any]:
    """One of our errors, told beside answers that are good."""
    status = status_of_error(error)
    suggestions = error.suggestions if isinstance(error, UnknownTeam) else ()
    return _details(scope, status.status, str(error), status.type, _errors(error), suggestions)


def status_of_error(error: MatchcastError) -> Status:
    """How one of our errors is answered."""
    return next(status for kind, status in STATUSES if isinstance(error, kind))


def problem_of(scope: Mapping[str, Any], error: MatchcastError) -> Response:
    """The answer to one of our errors."""
    status = status_of_error(error)
    if status.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _LOG.error("an error without a status of its own", exc_info=error)
        return problem(scope, status.status, "something went wrong on our side", type_=status.type)
    if isinstance(error, Unavailable):
        _LOG.warning("%s: %s", scope["path"], error)
    headers = status.headers
    if isinstance(error, TooManyRequests | UnderWay | Unavailable) and error.retry_after is not None:
        headers = {"Retry-After": str(error.retry_after)}
    return problem(
        scope,
        status.status,
        str(error),
        type_=status.type,
        headers=headers,
        errors=_errors(error),
        suggestions=error.suggestions if isinstance(error, UnknownTeam) else (),
    )


def problem_data(error: MatchcastError) -> "Problem":
    """One of our errors as events and tasks tell it."""
    from matchcast.events import Problem

    status = status_of_error(error)
    told = without_addresses(str(error)) if isinstance(error, Unavailable) else str(error)
    return Problem(
        type=f"urn:matchcast:problem:{status.type}",
        title=HTTPStatus(status.status).phrase,
        status=status.status,
        detail=told[:2000],
        field=error.field if isinstance(error, BadInput) else None,
    )


def problem_of_http(scope: Mapping[str, Any], error: HTTPException) -> Response:
    """The answer to one of the framework's errors."""
    detail = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {scope['path']}; /docs lists the routes"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{scope['method']} is not allowed at {scope['path']}; /docs lists the routes"
    return problem(scope, error.status_code, detail, headers=error.headers or _NO_HEADERS)


def _errors(error: MatchcastError) -> list[dict[str, str]]:
    if isinstance(error, BadFields):
        return [{"field": fault.field, "detail": f"{fault.field}: {fault.detail}"} for fault in error.faults]
    if isinstance(error, BadInput) and error.field:
        return [{"field": error.field, "detail": str(error)}]
    return []
