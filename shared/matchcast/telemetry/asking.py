"""Questions to what may be slow or away."""

import logging
import time
from collections.abc import Callable
from threading import Lock, Thread
from typing import Final, Generic, TypeVar

from matchcast.errors import MatchcastError, TimedOut, Unavailable

T = TypeVar("T")

KEPT_SECONDS: Final = 5.0
_LOG: Final = logging.getLogger("matchcast.telemetry")


class Question(Generic[T]):
    """Asked in a thread of its own, one at a time; the answer counts for a while, also that there is none.

    Args:
        kept_seconds: how long.
    """

    def __init__(self, what: str, ask: Callable[[], T], kept_seconds: float = KEPT_SECONDS) -> None:
        self._what = what
        self._ask = ask
        self._kept_seconds = kept_seconds
        self._lock = Lock()
        self._thread: Thread | None = None
        self._answer: T | MatchcastError | None = None
        self._answered_at = -float("inf")

    def begin(self) -> None:
        """Ask, unless the question is open or the last answer still counts."""
        with self._lock:
            is_open = self._thread is not None and self._thread.is_alive()
            if not is_open and time.monotonic() - self._answered_at >= self._kept_seconds:
                self._thread = Thread(target=self._run, name=f"metrics {self._what}", daemon=True)
                self._thread.start()

    def answer(self, until: float) -> T | MatchcastError:
        """What was answered, or why nothing was.

        Args:
            until: instant of the monotonic clock.
        """
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(max(0.0, until - time.monotonic()))
        if thread is None or thread.is_alive() or self._answer is None:
            return TimedOut(f"{self._what} does not answer")
        return self._answer

    def known(self) -> T | MatchcastError | None:
        """The last answer, or why there was none; None before the first."""
        return self._answer

    def _run(self) -> None:
        try:
            self._answer = self._ask()
        except MatchcastError as error:
            self._answer = error
        except Exception as error:
            _LOG.exception("%s could not be asked", self._what)
            self._answer = Unavailable(f"{self._what} could not be asked ({type(error).__name__}); see the log")
        self._answered_at = time.monotonic()
