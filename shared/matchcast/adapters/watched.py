"""What stands behind a pointer in the object store, swapped when the pointer changes."""

import logging
import time
from collections.abc import Callable
from threading import Lock
from typing import Final, Generic, TypeVar

from matchcast.errors import MatchcastError
from matchcast.ports import ObjectStore

T = TypeVar("T")

_LOG: Final = logging.getLogger("matchcast.watched")


class Watched(Generic[T]):
    """Loads on first use, looks at the pointer's ETag at most once in `every` seconds of use, and swaps atomically.

    While one thread loads, others go on with the value before. A pointer to something broken, or a store that is away,
    leaves the value in place, which is logged once for each change of the pointer and reason. Whoever calls this keeps
    the value it got for all of one answer.

    Args:
        objects: the store that holds the pointer.
        key: of the pointer.
        load: reads the pointer and what it points to.
        every: seconds between two looks.
        retry_after: seconds until a failed swap is tried again while there is an older value to go on with.
    """

    def __init__(
        self, objects: ObjectStore, key: str, load: Callable[[], T], every: float = 1.0, retry_after: float = 10.0
    ) -> None:
        self._objects = objects
        self._key = key
        self._load = load
        self._every = every
        self._retry_after = retry_after
        self._lock = Lock()
        self._value: T | None = None
        self._etag: str | None = None
        self._failure: MatchcastError | None = None
        self._logged: tuple[str | None, str] | None = None
        self._next_look = float("-inf")

    def __call__(self) -> T:
        """The current value.

        Raises:
            MatchcastError: nothing could be loaded yet; what `load` said.
        """
        value = self._value
        if value is not None and time.monotonic() < self._next_look:
            return value
        if self._lock.acquire(blocking=value is None):
            try:
                if time.monotonic() >= self._next_look:
                    self._look()
            finally:
                self._lock.release()
        value = self._value
        if value is None:
            assert self._failure is not None
            raise self._failure.with_traceback(None)
        return value

    def _look(self) -> None:
        wait, etag = self._every, None
        try:
            etag = self._objects.etag(self._key)
            if self._value is None or (etag is not None and etag != self._etag):
                self._value = self._load()
                self._etag = etag
                self._failure = self._logged = None
        except MatchcastError as error:
            if self._value is not None:
                wait = self._retry_after
                self._log(etag, error)
            self._failure = error
        finally:
            self._next_look = time.monotonic() + wait

    def _log(self, etag: str | None, error: MatchcastError) -> None:
        if self._logged != (etag, str(error)):
            _LOG.warning("%s: going on with what was loaded before: %s", self._key, error)
            self._logged = (etag, str(error))
