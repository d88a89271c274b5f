"""ETag and 304."""

import hashlib
from typing import Final

from fastapi import Request, Response

_FRESHNESS: Final = "private, no-cache"


def etag_of(*parts: str) -> str:
    """A weak ETag: equal parts mean an equivalent answer."""
    return f'W/"{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"'


def is_known(request: Request, etag: str) -> bool:
    """Whether the client has the answer with this ETag already (If-None-Match, weak comparison)."""
    given = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
    return "*" in given or etag.removeprefix("W/") in [tag.removeprefix("W/") for tag in given]


def not_modified(etag: str) -> Response:
    """The 304 answer."""
    return Response(status_code=304, headers={"ETag": etag, "Cache-Control": _FRESHNESS})


def mark(response: Response, etag: str) -> None:
    """Give an answer its ETag, to be asked about every time."""
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = _FRESHNESS
