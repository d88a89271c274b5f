"""The ports of `ports.cache` within one process."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from threading import Lock
from typing import Final, NamedTuple

from matchcast.ports.cache import Policy, Taken

LARGEST: Final = 32 * 1024 * 1024
MOST_BUCKETS: Final = 10_000


class _Kept(NamedTuple):
    value: bytes
    until: float


class _Bucket(NamedTuple):
    tokens: float
    at: float


class MemoryCache:
    """The `Shared` port for one process; what was used longest ago is forgotten first.

    Args:
        largest: bytes of values that are remembered, all together.
        most_buckets: of different keys; one that is forgotten is full again.
    """

    def __init__(self, largest: int = LARGEST, most_buckets: int = MOST_BUCKETS) -> None:
        self._largest: Final = largest
        self._most_buckets: Final = most_buckets
        self._lock: Final = Lock()
        self._kept: Final[OrderedDict[str, _Kept]] = OrderedDict()
        self._size = 0
        self._buckets: Final[OrderedDict[str, _Bucket]] = OrderedDict()
        self._listeners: Final[dict[str, list[Callable[[], None]]]] = {}

    def get(self, key: str) -> bytes | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            if kept.until <= time.monotonic():
                self._forget(key)
                return None
            self._kept.move_to_end(key)
            return kept.value

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        return {key: value for key in keys if (value := self.get(key)) is not None}

    def put(self, key: str, value: bytes, seconds: float) -> None:
        with self._lock:
            self._forget(key)
            self._kept[key] = _Kept(value, time.monotonic() + seconds)
            self._size += len(value)
            while self._size > self._largest:
                self._forget(next(iter(self._kept)))

    def put_many(self, values: Mapping[str, bytes], seconds: float) -> None:
        for key, value in values.items():
            self.put(key, value, seconds)

    def take(self, key: str, policy: Policy, now: datetime, count: int = 1) -> Taken:
        asked_at = now.timestamp()
        with self._lock:
            tokens, at = self._buckets.get(key) or _Bucket(policy.quota, asked_at)
            if asked_at > at:
                tokens += (asked_at - at) * policy.quota / policy.window_seconds
                at = asked_at
            tokens = min(tokens, policy.quota)
            allowed = tokens >= count
            if allowed:
                tokens -= count
            self._buckets[key] = _Bucket(tokens, at)
            self._buckets.move_to_end(key)
            if len(self._buckets) > self._most_buckets:
                self._buckets.popitem(last=False)
        return told(allowed, tokens, policy, count)

    def announce(self, topic: str) -> None:
        for heard in tuple(self._listeners.get(topic, ())):
            heard()

    def listen(self, topic: str, heard: Callable[[], None]) -> None:
        self._listeners.setdefault(topic, []).append(heard)

    def problem(self) -> str | None:
        return None

    def close(self) -> None:
        pass

    def _forget(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._size -= len(kept.value)


def told(allowed: bool, tokens: float, policy: Policy, count: int) -> Taken:
    """What is told of a bucket that holds so many tokens after `count` were taken, or refused."""
    lacking = policy.quota - tokens if allowed else count - tokens
    return Taken(allowed, int(tokens), lacking * policy.window_seconds / policy.quota)
