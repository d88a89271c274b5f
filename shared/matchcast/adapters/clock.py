"""The process's clock."""

import time
from datetime import UTC, datetime, timedelta

from matchcast.ports import Clock


def utc_now() -> datetime:
    """The time now, aware UTC."""
    return datetime.now(UTC)


def clock_from(starts_at: datetime | None) -> Clock:
    """The machine's clock, or one that stood at `starts_at` when this was called and runs on from there."""
    if starts_at is None:
        return utc_now
    begun = time.monotonic()
    return lambda: starts_at + timedelta(seconds=time.monotonic() - begun)
