"""What stands behind a pointer in the object store, swapped when the pointer changes."""

import logging
import time
from collections.abc import Callable
from functools import partial
from threading import Event, Lock, Thread
from typing import Any, Final, Generic, TypeVar
from weakref import finalize, ref

from matchcast.errors import BundleBroken, MatchcastError, SnapshotBroken, Unavailable
from matchcast.ports import ObjectStore

S = TypeVar("S", bound=ObjectStore)
T = TypeVar("T")

_LOG: Final = logging.getLogger("matchcast.watched")


class Watched(Generic[T]):
    """Loads on first use; from then on a thread looks at the pointer's ETag, loads what is new, and swaps atomically.

    No call waits for a look but those before something is loaded. A pointer to something broken, or a store that is
    away, leaves the value in place, which is logged once for each change of the pointer and reason. Whoever calls this
    keeps the value it got for all of one answer.

    Args:
        objects: the store that holds the pointer, itself: what was kept of it would be taken for what is new.
        key: of the pointer.
        load: reads the pointer and what it points to, from the store that it is given.
        every: seconds between two looks.
        retry_after: seconds until what was found broken is loaded again, if its pointer is still the same.
        copies: what stands in for the store if that is away before anything is loaded.
        listen: called once something is loaded, with what to call when the pointer may have changed: it is looked at
            at once then.
    """

    def __init__(
        self,
        objects: S,
        key: str,
        load: Callable[[S], T],
        every: float = 1.0,
        retry_after: float = 10.0,
        copies: S | None = None,
        listen: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._objects: Final[ObjectStore] = objects
        self._key: Final = key
        self._load: Final = partial(load, objects)
        self._copies: Final[ObjectStore | None] = copies
        self._load_copies: Final = None if copies is None else partial(load, copies)
        self._every: Final = every
        self._retry_after: Final = retry_after
        self._listen: Final = listen
        self._lock: Final = Lock()
        self._wake: Final = Event()
        self._value: T | None = None
        self._etag: str | None = None
        self._failure: Exception | None = None
        self._broken: str | None = None
        """ETag of the pointer to what is broken."""
        self._retry_at = float("-inf")
        self._logged: tuple[str | None, str] | None = None
        self._next_look = float("-inf")

    def __call__(self) -> T:
        """The current value.

        Raises:
            MatchcastError: nothing could be loaded yet; what `load` said.
        """
        value = self._value
        return self._first() if value is None else value

    def ready(self) -> bool:
        """Whether something is loaded, so that no call waits."""
        return self._value is not None

    def look(self) -> None:
        """Look at the pointer now, and swap if it changed, or if what it points to was broken."""
        with self._lock:
            self._look(at_once=True)

    def problem(self) -> str | None:
        """Why this goes on with what was loaded before although there is something new; a store that is away is no reason."""
        failure = self._failure
        if failure is None or self._value is None or _is_away(failure):
            return None
        said = str(failure) if isinstance(failure, MatchcastError) else "cannot be loaded; the log has the details"
        return f"{self._key}: {said}"

    def _first(self) -> T:
        with self._lock:
            if self._value is None and time.monotonic() >= self._next_look:
                self._look(at_once=True)
            if self._value is None:
                assert self._failure is not None
                raise self._failure.with_traceback(None)
            return self._value

    def _watch(self) -> None:
        Thread(target=_watch, args=(ref(self), self._wake), name=f"watch {self._key}", daemon=True).start()
        finalize(self, self._wake.set)
        if self._listen is not None:
            self._listen(self._wake.set)

    def _look(self, *, at_once: bool) -> None:
        etag = None
        try:
            if self._value is None:
                self._etag, self._value = self._found()
                self._watch()
            else:
                etag = self._objects.etag(self._key)
                if etag == self._broken and not at_once and time.monotonic() < self._retry_at:
                    return
                if etag is not None and etag != self._etag:
                    self._value = self._load()
                    self._etag = etag
            self._failure = self._broken = self._logged = None
        except Exception as error:
            self._note(etag, error)
        finally:
            self._next_look = time.monotonic() + self._every

    def _found(self) -> tuple[str | None, T]:
        """The first value, with the pointer's ETag; none of copies, which may be of another pointer."""
        if self._copies is None or self._load_copies is None:
            return self._objects.etag(self._key), self._load()
        try:
            return self._copies.etag(self._key), self._load()
        except Unavailable as error:
            if not _is_away(error):
                raise
            return None, self._load_copies()

    def _note(self, etag: str | None, error: Exception) -> None:
        self._failure = error
        if not _is_away(error):
            self._broken, self._retry_at = etag, time.monotonic() + self._retry_after
        if not isinstance(error, MatchcastError):
            _LOG.error("%s cannot be loaded, in a way that nobody thought of", self._key, exc_info=error)
        elif self._value is not None and self._logged != (etag, str(error)):
            _LOG.warning("%s: going on with what was loaded before: %s", self._key, error)
            self._logged = (etag, str(error))


def _is_away(error: Exception) -> bool:
    """Whether nothing is known of what is in the store."""
    return isinstance(error, Unavailable) and not isinstance(error, (BundleBroken, SnapshotBroken))


def _watch(of: "ref[Watched[Any]]", wake: Event) -> None:
    """Look whenever it is time or there is a notice, for as long as anyone else holds what is watched."""
    while (watched := of()) is not None:
        pause = watched._next_look - time.monotonic()
        del watched
        told = wake.wait(max(pause, 0.0))
        wake.clear()
        if (watched := of()) is not None:
            with watched._lock:
                watched._look(at_once=told)
        del watched
