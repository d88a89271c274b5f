"""What instances share besides the database: remembered answers, rate limits and notices. None of it must be there.

Whatever implements these never raises because it cannot reach what it needs: it remembers less, counts for itself, and
says so through `problem`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

CHAMPION: Final = "champion"
SNAPSHOT: Final = "snapshot"
"""Topics: the pointer of that name may have changed."""
LOOKED_FOR: Final = "is being looked for"
"""A `problem` that may be none: nothing is known yet."""


class Policy(NamedTuple):
    """A token bucket: holds up to `quota` requests, fills up evenly, from empty to full in `window_seconds`.

    Attributes:
        quota: 1 or more.
        window_seconds: above 0.
    """

    quota: int
    window_seconds: float


class Taken(NamedTuple):
    """What came of taking from a bucket.

    Attributes:
        remaining: whole requests that may follow at once.
        reset_seconds: if allowed, until the bucket is full again; if not, until as many may be taken.
    """

    allowed: bool
    remaining: int
    reset_seconds: float


class Cache(Protocol):
    """Remembers bytes for a while; may forget them at any time."""

    def get(self, key: str) -> bytes | None: ...

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """What is remembered of these, in one question."""
        ...

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """Remember `value` for so long, at least a millisecond."""
        ...

    def put_many(self, values: Mapping[str, bytes], seconds: float) -> None:
        """Remember all of them for so long, in one go."""
        ...


class Buckets(Protocol):
    """Token buckets by key, full at first."""

    def take(self, key: str, policy: Policy, now: datetime, count: int = 1) -> Taken:
        """Take so many requests, if there are as many; otherwise none.

        In no span of time are more allowed than the quota and what flows in meanwhile. A `now` before another that was
        told lets nothing flow in.
        """
        ...


class Notices(Protocol):
    """Tells other instances that there is something new. A notice may be lost, or come for nothing: whoever hears one
    looks by itself, and looks now and then without."""

    def announce(self, topic: str) -> None:
        """Tell everyone who listens now."""
        ...

    def listen(self, topic: str, heard: Callable[[], None]) -> None:
        """From now on call `heard`, on another thread, with each notice and whenever some may have been missed.

        Args:
            heard: returns at once and raises nothing.
        """
        ...


class Shared(Cache, Buckets, Notices, Protocol):
    """All three."""

    def problem(self) -> str | None:
        """Why instances share less than they should, if they do; holds no secret.

        `LOOKED_FOR` before anything is known; to ask is enough to have it found out.
        """
        ...

    def close(self) -> None:
        """Let go of connections and threads."""
        ...
