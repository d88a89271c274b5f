"""What operations answer with, and whether the client has it already."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

_FRESHNESS: Final = "private, no-cache"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with more to it than a body.

    Attributes:
        content: what is sent as JSON, or bytes as they are; None for none.
        status: None for the operation's own.
        passing: another try may tell more, so that no Idempotency-Key keeps it.
    """

    content: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    passing: bool = False


class Passing(Response):
    """What is sent for an answer that is `passing`."""


def etag_of(*parts: str) -> str:
    """A weak ETag: equal parts mean an equivalent answer, of one release; the next may show the same otherwise."""
    return f'W/"{hashlib.sha256(chr(0).join((_release(), *parts)).encode()).hexdigest()[:32]}"'


@cache
def _release() -> str:
    """The document's hash; it holds the version."""
    from matchcast.web.openapi import published_document

    return hashlib.sha256(published_document()).hexdigest()


def is_known(request: Request, etag: str) -> bool:
    """Whether the client has the answer with this ETag already (If-None-Match, weak comparison)."""
    asked = request.headers.get("if-none-match")
    if asked is None:
        return False
    given = [tag.strip() for tag in asked.split(",")]
    return "*" in given or etag.removeprefix("W/") in [tag.removeprefix("W/") for tag in given]


def marked(etag: str) -> dict[str, str]:
    """The headers of an answer with this ETag, to be asked about every time."""
    return {"ETag": etag, "Cache-Control": _FRESHNESS}


def unless_known(
    request: Request, etag: str, make: Callable[[], Any], headers: Mapping[str, str] | None = None
) -> Answer:
    """304 if the client has it, else what `make` gives; both with the ETag."""
    shown = {**(headers or {}), **marked(etag)}
    return Answer(None, 304, shown) if is_known(request, etag) else Answer(make(), None, shown)
