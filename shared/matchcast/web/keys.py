"""API keys: who may use what, and how often."""

import hashlib
import hmac
import logging
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from math import ceil
from threading import Lock
from typing import Final

from anyio import CapacityLimiter

from matchcast.adapters.clock import utc_now
from matchcast.errors import MissingScope, TooManyRequests, Unauthorised, Unavailable
from matchcast.ports import ApiKey, ApiKeys
from matchcast.ports.cache import Buckets, Policy
from matchcast.web.threads import in_thread

HEADER: Final = "x-api-key"
_LOG: Final = logging.getLogger("matchcast.web")
_KEPT_FOR: Final = timedelta(seconds=5)
_SOUGHT_AFTER: Final = timedelta(seconds=1)
_GO_ON_FOR: Final = timedelta(minutes=1)


class KeyGuard:
    """Lets requests pass whose X-API-Key is active and has the scope, or one of several.

    Keys are read anew when those read before are five seconds old: one request waits for that, the others go on with
    those read before, unless that was minutes ago. For a key that is not among them they are read anew once a second at
    most, so that a new key counts at once. While the database is away, they go on to count until they expire.
    Keys live by the machine's clock, also where the rest of a function lives in the past.

    Args:
        keys: opens the store of keys, on first use.
        seconds: how long a request waits for the keys.
    """

    def __init__(self, keys: Callable[[], ApiKeys], seconds: float = 30) -> None:
        self._keys = keys
        self._seconds = seconds
        self._lock = Lock()
        self._known: Mapping[str, ApiKey] = {}
        self._read_at: datetime | None = None
        self._seeking = CapacityLimiter(1)

    async def admit(self, key: str | None, scopes: Collection[str]) -> ApiKey:
        """The key of this text.

        Args:
            scopes: of which a key needs one.
        Raises:
            Unauthorised: no key, or none that is active.
            MissingScope: the key has none of the scopes.
            Unavailable: no keys could be read yet, or not in time.
        """
        if not key:
            raise Unauthorised("X-API-Key: is missing; send a key, `matchcast keys create NAME` makes one", "X-API-Key")
        now = utc_now()
        if not self._fresh(now):
            await in_thread(self._seconds, self._read, now, _KEPT_FOR)
        digest, key_id = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest(), key_id_of(key)
        if key_id not in self._known and not self._fresh(now, _SOUGHT_AFTER):
            await in_thread(self._seconds, self._read, now, _SOUGHT_AFTER, limiter=self._seeking)
        found = self._known.get(key_id)
        if (
            found is None
            or not hmac.compare_digest(found.sha256, digest)
            or (found.expires_at is not None and found.expires_at <= now)
        ):
            raise Unauthorised(
                "X-API-Key: is no active key; check it, or let `matchcast keys create NAME` make one", "X-API-Key"
            )
        if found.scopes.isdisjoint(scopes):
            raise MissingScope(
                f"X-API-Key: the key lacks the scope {' or '.join(scopes)}; let "
                f"`matchcast keys create NAME --scopes {next(iter(scopes))}` make one that has it",
                "X-API-Key",
            )
        return found

    def _fresh(self, now: datetime, kept_for: timedelta = _KEPT_FOR) -> bool:
        return self._read_at is not None and abs(now - self._read_at) < kept_for

    def _read(self, now: datetime, kept_for: timedelta) -> None:
        goes_on = kept_for == _KEPT_FOR and self._fresh(now, _GO_ON_FOR)
        if not self._lock.acquire(blocking=not goes_on):
            return  # another request reads them
        try:
            if self._fresh(now, kept_for):
                return  # another request has read them meanwhile
            try:
                self._known = {key.key_id: key for key in self._keys().active(now)}
            except Unavailable as error:
                if self._read_at is None:
                    raise Unavailable(
                        f"no API key can be checked ({error}); instances that have read the keys before go on, and what"
                        " needs no key answers"
                    ) from error
                _LOG.warning("going on with the API keys read before: %s", error)
            self._read_at = now
        finally:
            self._lock.release()


def key_id_of(text: str) -> str:
    """The id in a key's text, `mc_<key_id>_<random>`; empty if there is none."""
    parts = text.split("_", 2)
    return parts[1] if len(parts) == 3 else ""


class RateLimit:
    """So many requests in so many seconds for each key, in a token bucket.

    Args:
        buckets: opens the buckets, on first use.
        at_once: taking from a bucket waits for nobody, so that it needs no thread.
        seconds: how long a request waits for its bucket.
    """

    def __init__(self, buckets: Callable[[], Buckets], policy: Policy, *, at_once: bool, seconds: float = 30) -> None:
        self._buckets = buckets
        self._seconds = seconds
        self._policy = policy
        self._at_once = at_once
        self._told = f'"key";q={policy.quota};w={policy.window_seconds:g}'

    async def take(self, key: ApiKey) -> dict[str, str]:
        """Count a request.

        Returns:
            Headers that tell what is left (draft-ietf-httpapi-ratelimit-headers).
        Raises:
            TooManyRequests: there is nothing left.
        """
        return await self._take(key, 1)

    async def take_more(self, key: ApiKey, count: int) -> dict[str, str]:
        """Count so many requests more, or as many as the bucket holds besides the one that was counted.

        Returns:
            As `take`; nothing new where there are none.
        Raises:
            TooManyRequests: not as many are left; none is counted.
        """
        count = min(count, self._policy.quota - 1)
        return await self._take(key, count) if count > 0 else {}

    async def _take(self, key: ApiKey, count: int) -> dict[str, str]:
        buckets, now = self._buckets(), utc_now()
        name = f"key:{key.key_id}"
        if self._at_once:
            taken = buckets.take(name, self._policy, now, count)
        else:
            taken = await in_thread(self._seconds, buckets.take, name, self._policy, now, count)
        wait = ceil(taken.reset_seconds)
        headers = {"RateLimit-Policy": self._told, "RateLimit": f'"key";r={taken.remaining};t={wait}'}
        if not taken.allowed:
            raise Limited(headers, self._policy, max(1, wait))
        return headers


class Limited(TooManyRequests):
    """With the headers that tell so."""

    def __init__(self, headers: Mapping[str, str], policy: Policy, wait: int) -> None:
        super().__init__(
            f"X-API-Key: this key may ask {policy.quota} times in {policy.window_seconds:g} s; wait {wait} s", wait
        )
        self.headers = headers
