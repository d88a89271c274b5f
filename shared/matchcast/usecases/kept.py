"""A few things kept in memory."""

from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """The `most` things put last, by key. Threads share it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._things: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        return self._things.get(key)

    def put(self, key: K, thing: V) -> None:
        with self._lock:
            self._things.pop(key, None)
            self._things[key] = thing
            if len(self._things) > self._most:
                del self._things[next(iter(self._things))]

    def __len__(self) -> int:
        return len(self._things)
