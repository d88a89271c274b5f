"""Answers that are kept for requests sent again."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Protocol


class Begun(NamedTuple):
    """Nobody did this before: do it, then `finish` or `abandon` it.

    Attributes:
        at: tells this claim from one that comes after it was given up.
    """

    at: datetime


class InFlight(NamedTuple):
    """It is under way."""


class Mismatch(NamedTuple):
    """The key came with another body before."""


class Answered(NamedTuple):
    """It was done, and answered so."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class IdempotentAnswers(Protocol):
    """What was answered, by API key, route and Idempotency-Key."""

    def begin(
        self,
        key_id: str,
        route: str,
        key: str,
        body_sha256: str,
        now: datetime,
        in_flight_for: float,
        kept_for: float,
    ) -> Begun | InFlight | Mismatch | Answered:
        """Claim a request; of several at once one gets `Begun`.

        Args:
            in_flight_for: seconds after which one that began and has no answer may begin again.
            kept_for: seconds after which it is as if it had never been.
        Raises:
            Unavailable: the database is away; nothing was claimed.
        """
        ...

    def finish(
        self, key_id: str, route: str, key: str, begun: Begun, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Keep the answer of a request that began, unless it has begun again since."""
        ...

    def abandon(self, key_id: str, route: str, key: str, begun: Begun) -> None:
        """Forget a request that began and has no answer, unless it has begun again since."""
        ...
