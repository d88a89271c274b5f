"""Errors as RFC 9457 problem details: one table from error to status."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from matchcast.errors import (
    BadInput,
    Conflict,
    MatchcastError,
    MissingScope,
    NotFound,
    TaskExpired,
    TimedOut,
    Unauthorised,
    Unavailable,
    UnknownTeam,
    UnknownTournament,
)
from matchcast.events import Problem

MEDIA_TYPE: Final = "application/problem+json"
_LOG: Final = logging.getLogger("matchcast.web")
_NO_HEADERS: Final[Mapping[str, str]] = {}


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
    (MissingScope, Status(403, "missing-scope")),
    (Unauthorised, Status(401, "unauthorised", {"WWW-Authenticate": "ApiKey"})),
    (BadInput, Status(422, "bad-input")),
    (TimedOut, Status(504, "timed-out", {"Retry-After": "5"})),
    (Unavailable, Status(503, "unavailable", {"Retry-After": "5"})),
    (MatchcastError, Status(500, "internal")),
)

RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    kind: {
        "description": "What went wrong",
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "title": "Problem",
                    "type": "object",
                    "required": ["type", "title", "status", "detail", "instance", "request_id"],
                    "properties": {
                        "type": {"type": "string", "format": "uri"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                        "instance": {"type": "string"},
                        "request_id": {"type": "string"},
                        "suggestions": {"type": "array", "items": {"type": "string"}},
                        "errors": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["field", "detail"],
                                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
                            },
                        },
                    },
                }
            }
        },
    }
    for kind in ("4XX", "5XX")
}
"""For the OpenAPI document of every route."""


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
    title = HTTPStatus(status).phrase
    body: dict[str, Any] = {
        "type": f"urn:matchcast:problem:{type_ or title.lower().replace(' ', '-')}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": scope["path"],
        "request_id": scope.get("state", {}).get("request_id", ""),
    }
    if suggestions:
        body["suggestions"] = list(suggestions)
    if errors:
        body["errors"] = list(errors)
    return Response(json.dumps(body, ensure_ascii=False).encode(), status, dict(headers), MEDIA_TYPE)


def problem_of(scope: Mapping[str, Any], error: MatchcastError) -> Response:
    """The answer to one of our errors."""
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    field = error.field if isinstance(error, BadInput) else None
    if status.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _LOG.error("an error without a status of its own", exc_info=error)
        return problem(scope, status.status, "something went wrong on our side", type_=status.type)
    return problem(
        scope,
        status.status,
        str(error),
        type_=status.type,
        headers=status.headers,
        errors=[{"field": field, "detail": str(error)}] if field else (),
        suggestions=error.suggestions if isinstance(error, UnknownTeam) else (),
    )


def problem_data(error: MatchcastError) -> Problem:
    """One of our errors as events and tasks tell it."""
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    return Problem(
        type=f"urn:matchcast:problem:{status.type}",
        title=HTTPStatus(status.status).phrase,
        status=status.status,
        detail=str(error)[:2000],
        field=error.field if isinstance(error, BadInput) else None,
    )


def answer_with_problems(app: FastAPI) -> None:
    """Let an application answer our errors and the framework's with problems."""
    app.add_exception_handler(MatchcastError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, MatchcastError)
    return problem_of(request.scope, error)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {request.url.path}; /docs lists the routes"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.method} is not allowed at {request.url.path}; /docs lists the routes"
    return problem(request.scope, error.status_code, detail, headers=error.headers or _NO_HEADERS)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [_fault(fault) for fault in error.errors()]
    detail = "; ".join(fault["detail"] for fault in errors)
    return problem(request.scope, 422, detail, type_="bad-input", errors=errors)


def _fault(fault: Mapping[str, Any]) -> dict[str, str]:
    where = [str(part) for part in fault["loc"][1:]]
    field = ".".join(where) or str(fault["loc"][0])
    kind = fault["type"]
    if kind == "json_invalid":
        reason = f"is not JSON ({fault['ctx']['error']} at character {fault['loc'][-1]}); send a JSON object"
        field = "body"
    elif kind == "model_attributes_type":
        reason = "is no JSON object; send one, with Content-Type: application/json"
    elif kind == "missing":
        reason = "is missing; add it"
    elif kind == "extra_forbidden":
        reason = "is no field of this request; leave it out"
    else:
        message = str(fault["msg"])
        reason = message.removeprefix("Value error, ") if kind == "value_error" else f"{_lower(message)}; correct it"
    return {"field": field, "detail": reason if reason.startswith(f"{field}: ") else f"{field}: {reason}"}


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
