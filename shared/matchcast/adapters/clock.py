"""The process's clock."""

import time
from datetime import UTC, datetime, timedelta

from matchcast.errors import TimedOut
from matchcast.ports import Clock


def utc_now() -> datetime:
    """The time now, aware UTC."""
    return datetime.now(UTC)


class Timer:
    """The `Deadline` port: so many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends = time.monotonic() + seconds

    def check(self) -> None:
        if self.left() <= 0:
            raise TimedOut(f"the work took longer than {self._seconds:g} s and was given up; nothing was written")

    def left(self) -> float:
        return self._ends - time.monotonic()


def clock_from(starts_at: datetime | None) -> Clock:
    """The machine's clock, or one that stood at `starts_at` when this was called and runs on from there."""
    if starts_at is None:
        return utc_now
    begun = time.monotonic()
    return lambda: starts_at + timedelta(seconds=time.monotonic() - begun)
