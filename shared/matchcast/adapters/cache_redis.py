"""The ports of `ports.cache` over Redis, for as long as it is there.

redis-py takes longer to import than everything that a first answer needs. So the first use only starts a thread, which
waits until that answer is out before it imports and connects. Until then, and while Redis is away, nothing is remembered
and buckets are counted in this process. The thread hears the notices, and connects again when a connection breaks.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from matchcast.adapters.cache_memory import MemoryCache, told
from matchcast.ports.cache import LOOKED_FOR, Policy, Taken

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import PubSub

A = TypeVar("A")

PREFIX: Final = "matchcast:"
SETTLE: Final = 0.5
"""Seconds from the first use to the import."""
_ANSWER: Final = 0.25
_CONNECT: Final = 1.0
_LISTEN: Final = 1.0
_SILENCE: Final = 10
"""Seconds: Redis is asked whether it is there when it has told nothing for so long."""
_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 5.0
_SPARE: Final = 60.0
"""Seconds that a bucket is kept beyond the time it takes to fill: a full one need not be kept."""

_WITHOUT: Final = "answers are slower, limits count per instance"

_TAKE: Final = """
local quota, window, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(held[1]) or quota, tonumber(held[2]) or now
if now > at then
  tokens = tokens + (now - at) * quota / window
  at = now
end
tokens = math.min(tokens, quota)
local count = tonumber(ARGV[5])
local allowed = tokens >= count
if allowed then
  tokens = tokens - count
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'at', string.format('%.17g', at))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {allowed and 1 or 0, string.format('%.17g', tokens)}
"""
_LOG: Final = logging.getLogger("matchcast.cache")


class RedisCache:
    """The `Shared` port over a Redis server; its keys and channels begin `matchcast:`.

    The log tells where Redis is and what it said; `problem`, which everyone may read, only of what kind that was.

    Args:
        url: redis://, rediss:// or unix://, as redis-py takes them.
        settle: seconds from the first use to the import; what announces does not wait.
    """

    def __init__(self, url: str, settle: float = SETTLE) -> None:
        self._url: Final = url
        self._settle: Final = settle
        self._alone: Final = MemoryCache()
        self._lock: Final = Lock()
        self._keeper: Thread | None = None
        self._listeners: Final[dict[bytes, list[Callable[[], None]]]] = {}
        self._closed: Final = Event()
        self._connected = False
        self._away: str | None = None
        self._refusals: Final[dict[str, str]] = {}

    def get(self, key: str) -> bytes | None:
        found: Any = self._asked("GET", lambda redis: redis.get(f"{PREFIX}kept:{key}"))
        return None if found is None else bytes(found)

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        names = [f"{PREFIX}kept:{key}" for key in keys]
        found: Any = self._asked("MGET", lambda redis: redis.mget(names)) if keys else None
        return {} if found is None else {key: bytes(value) for key, value in zip(keys, found, strict=True) if value}

    def put(self, key: str, value: bytes, seconds: float) -> None:
        milliseconds = max(1, round(seconds * 1000))
        self._asked("SET", lambda redis: redis.set(f"{PREFIX}kept:{key}", value, px=milliseconds))

    def put_many(self, values: Mapping[str, bytes], seconds: float) -> None:
        milliseconds = max(1, round(seconds * 1000))

        def put(redis: "Redis") -> object:
            with redis.pipeline(transaction=False) as pipeline:
                for key, value in values.items():
                    pipeline.set(f"{PREFIX}kept:{key}", value, px=milliseconds)
                return pipeline.execute()

        if values:
            self._asked("SET", put)

    def take(self, key: str, policy: Policy, now: datetime, count: int = 1) -> Taken:
        kept = round((policy.window_seconds + _SPARE) * 1000)
        arguments = [policy.quota, repr(float(policy.window_seconds)), repr(now.timestamp()), kept, count]
        answer: Any = self._asked("EVALSHA", lambda _: self._script(keys=[f"{PREFIX}bucket:{key}"], args=arguments))
        if answer is None:
            return self._alone.take(key, policy, now, count)
        return told(bool(answer[0]), float(answer[1]), policy, count)

    def announce(self, topic: str) -> None:
        from redis.exceptions import RedisError

        try:
            heard = self._redis.publish(f"{PREFIX}{topic}", b"")
        except (RedisError, OSError) as error:
            _LOG.warning("%s was not announced: %s", topic, self._said(error))
        else:
            _LOG.info("%s announced to %s instances", topic, heard)

    def listen(self, topic: str, heard: Callable[[], None]) -> None:
        self._listeners.setdefault(f"{PREFIX}{topic}".encode(), []).append(heard)
        self._begin()

    def problem(self) -> str | None:
        with self._lock:
            is_known = self._connected or self._away is not None
        if not is_known:
            self._begin()
            return LOOKED_FOR
        return self._away or next(iter(tuple(self._refusals.values())), None)

    def close(self) -> None:
        self._closed.set()
        if self._keeper is not None:
            self._keeper.join(_LISTEN + _CONNECT)
        self._connected = False
        if "_redis" in self.__dict__:
            self._redis.close()

    def _asked(self, what: str, ask: "Callable[[Redis], A]") -> A | None:
        """What Redis answers; None if it is not connected, and of what fails."""
        if not self._connected:
            self._begin()
            return None
        from redis.exceptions import RedisError, ResponseError

        try:
            answer = ask(self._redis)
        except ResponseError as error:  # it is there, and may serve what else it is asked
            self._note_refusal(what, error)
            return None
        except (RedisError, OSError) as error:
            self._lost(error)
            return None
        if self._refusals:
            self._refusals.pop(what, None)
        return answer

    def _begin(self) -> None:
        with self._lock:
            if self._keeper is None and not self._closed.is_set():
                self._keeper = Thread(target=self._keep, name="matchcast-redis", daemon=True)
                self._keeper.start()

    def _keep(self) -> None:
        """Connect, hear notices until the connection breaks, and so on."""
        if self._closed.wait(self._settle):
            return
        from redis.exceptions import RedisError

        wait = _FIRST_WAIT
        while not self._closed.is_set():
            try:
                with self._redis.pubsub() as channel:  # type: ignore[no-untyped-call]
                    channel.psubscribe(f"{PREFIX}*")
                    self._redis.ping()
                    self._found()
                    wait = _FIRST_WAIT
                    self._hear(channel)
            except (RedisError, OSError) as error:
                self._lost(error)
            self._closed.wait(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _hear(self, channel: "PubSub") -> None:
        for listeners in tuple(self._listeners.values()):  # some may have been missed
            for heard in tuple(listeners):
                heard()
        while self._connected and not self._closed.is_set():
            message = channel.get_message(ignore_subscribe_messages=True, timeout=_LISTEN)
            for heard in tuple(self._listeners.get(message["channel"], ())) if message else ():
                heard()

    def _found(self) -> None:
        with self._lock:
            before, self._away, self._connected = self._away, None, True
        if before is not None:
            _LOG.info("%s is back", self._name)

    def _lost(self, error: Exception) -> None:
        if self._closed.is_set():
            return
        with self._lock:
            self._connected = False
            before, self._away = self._away, f"Redis cannot be used ({type(error).__name__}): {_WITHOUT}"
        if before is None:
            _LOG.warning("%s", self._said(error))

    def _note_refusal(self, what: str, error: Exception) -> None:
        told = f"Redis refuses {what} ({type(error).__name__}): {_WITHOUT}"
        if self._refusals.get(what) != told:
            _LOG.warning("%s refuses %s (%s): %s", self._name, what, error, _WITHOUT)
        self._refusals[what] = told

    def _said(self, error: Exception) -> str:
        return f"{self._name} cannot be used ({error}): {_WITHOUT}"

    @property
    def _name(self) -> str:
        parts = urlsplit(self._url)
        return f"Redis at {parts.hostname}:{parts.port or 6379}" if parts.hostname else f"Redis at {parts.path}"

    @cached_property
    def _redis(self) -> "Redis":
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.maint_notifications import MaintNotificationsConfig
        from redis.retry import Retry

        return Redis.from_url(
            self._url,
            socket_timeout=_ANSWER,
            socket_connect_timeout=_CONNECT,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=_SILENCE,
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )

    @cached_property
    def _script(self) -> Any:
        return self._redis.register_script(_TAKE)
