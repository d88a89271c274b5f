"""API keys: who may use what."""

import hashlib
import hmac
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from typing import Annotated, Final

from fastapi import Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader

from matchcast.adapters.clock import utc_now
from matchcast.errors import MissingScope, Unauthorised, Unavailable
from matchcast.ports import ApiKey, ApiKeys

_LOG: Final = logging.getLogger("matchcast.web")
_HEADER: Final = APIKeyHeader(name="X-API-Key", auto_error=False)
_KEPT_FOR: Final = timedelta(seconds=5)


class KeyGuard:
    """A dependency that lets requests pass whose X-API-Key is active and has the scope, or one of several.

    Keys are read anew when those read before are five seconds old; while the database is away, they go on to count
    until they expire. Keys live by the machine's clock, also where the rest of a function lives in the past.

    Args:
        keys: opens the store of keys, on first use.
        scopes: of which a key needs one.
    """

    def __init__(self, keys: Callable[[], ApiKeys], *scopes: str) -> None:
        self._keys = keys
        self._scopes = scopes
        self._lock = Lock()
        self._known: tuple[ApiKey, ...] = ()
        self._read_at: datetime | None = None

    async def __call__(self, key: Annotated[str | None, Security(_HEADER)]) -> None:
        """Refuse the request or let it pass.

        Raises:
            Unauthorised: no key, or none that is active.
            MissingScope: the key has none of the scopes.
            Unavailable: no keys could be read yet.
        """
        if not key:
            raise Unauthorised("X-API-Key: is missing; send a key, `matchcast keys create NAME` makes one", "X-API-Key")
        now = utc_now()
        if not self._fresh(now):
            await run_in_threadpool(self._read, now)
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        found: ApiKey | None = None
        for known in self._known:
            if hmac.compare_digest(known.sha256, digest):
                found = known
        if found is None or (found.expires_at is not None and found.expires_at <= now):
            raise Unauthorised(
                "X-API-Key: is no active key; check it, or let `matchcast keys create NAME` make one", "X-API-Key"
            )
        if found.scopes.isdisjoint(self._scopes):
            raise MissingScope(
                f"X-API-Key: the key lacks the scope {' or '.join(self._scopes)}; let "
                f"`matchcast keys create NAME --scopes {self._scopes[0]}` make one that has it",
                "X-API-Key",
            )

    def _fresh(self, now: datetime) -> bool:
        return self._read_at is not None and abs(now - self._read_at) < _KEPT_FOR

    def _read(self, now: datetime) -> None:
        with self._lock:
            if self._fresh(now):
                return  # another request has read them meanwhile
            try:
                self._known = tuple(self._keys().active(now))
            except Unavailable as error:
                if self._read_at is None:
                    raise
                _LOG.warning("going on with the API keys read before: %s", error)
            self._read_at = now
