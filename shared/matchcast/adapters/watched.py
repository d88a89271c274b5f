"""What stands behind a pointer in the object store, swapped when the pointer changes."""

import logging
import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Any, Final, Generic, TypeVar
from weakref import finalize, ref

from matchcast.errors import MatchcastError
from matchcast.ports import ObjectStore

T = TypeVar("T")

_LOG: Final = logging.getLogger("matchcast.watched")


class Watched(Generic[T]):
    """Loads on first use; from then on a thread looks at the pointer's ETag, loads what is new, and swaps atomically.

    No call waits for a look but those before something is loaded. A pointer to something broken, or a store that is
    away, leaves the value in place, which is logged once for each change of the pointer and reason. Whoever calls this
    keeps the value it got for all of one answer.

    Args:
        objects: the store that holds the pointer.
        key: of the pointer.
        load: reads the pointer and what it points to.
        every: seconds between two looks.
        retry_after: seconds until a failed swap is tried again.
        listen: called once something is loaded, with what to call when the pointer may have changed: it is looked at
            at once then.
    """

    def __init__(
        self,
        objects: ObjectStore,
        key: str,
        load: Callable[[], T],
        every: float = 1.0,
        retry_after: float = 10.0,
        listen: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._objects: Final = objects
        self._key: Final = key
        self._load: Final = load
        self._every: Final = every
        self._retry_after: Final = retry_after
        self._listen: Final = listen
        self._lock: Final = Lock()
        self._wake: Final = Event()
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
        return self._first() if value is None else value

    def look(self) -> None:
        """Look at the pointer now, and swap if it changed."""
        with self._lock:
            self._look()

    def problem(self) -> str | None:
        """Why this goes on with what was loaded before, if it should not."""
        failure = self._failure
        return None if failure is None or self._value is None else f"{self._key}: {failure}"

    def _first(self) -> T:
        with self._lock:
            value = self._value
            if value is None and time.monotonic() >= self._next_look:
                value = self._look()
            if value is None:
                assert self._failure is not None
                raise self._failure.with_traceback(None)
            return value

    def _watch(self) -> None:
        Thread(target=_watch, args=(ref(self), self._wake), name=f"watch {self._key}", daemon=True).start()
        finalize(self, self._wake.set)
        if self._listen is not None:
            self._listen(self._wake.set)

    def _look(self) -> T | None:
        wait, etag = self._every, None
        try:
            etag = self._objects.etag(self._key)
            first = self._value is None
            if first or (etag is not None and etag != self._etag):
                self._value = self._load()
                self._etag = etag
                if first:
                    self._watch()
            self._failure = self._logged = None
        except MatchcastError as error:
            if self._value is not None:
                wait = self._retry_after
                self._log(etag, error)
            self._failure = error
        finally:
            self._next_look = time.monotonic() + wait
        return self._value

    def _log(self, etag: str | None, error: MatchcastError) -> None:
        if self._logged != (etag, str(error)):
            _LOG.warning("%s: going on with what was loaded before: %s", self._key, error)
            self._logged = (etag, str(error))


def _watch(of: "ref[Watched[Any]]", wake: Event) -> None:
    """Look whenever it is time or there is a notice, for as long as anyone else holds what is watched."""
    while (watched := of()) is not None:
        pause = watched._next_look - time.monotonic()
        del watched
        wake.wait(max(pause, 0.0))
        wake.clear()
        if (watched := of()) is not None:
            try:
                watched.look()
            except Exception:
                _LOG.exception("looking for something new failed in a way that nobody thought of")
        del watched
