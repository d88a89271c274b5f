"""How a site is asked: saying who asks, slowly, and not before it wants to be asked again."""

import random
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from matchcast.ports.events import Deadline

LONGEST_WAIT: Final = 30 * 24 * 3600
"""Seconds; a longer Retry-After counts as this."""
_SLICE: Final = 1.0
"""Seconds after which a pause looks whether the time is over."""
_MEANT: Final = 9
"""Digits that are looked at; a number with more is longer than the longest wait anyway."""


def agent(contact: str | None) -> str:
    """The product that a User-Agent names, with the address or page by which whoever asks can be reached."""
    return "matchcast" if contact is None else f"matchcast (+{contact})"


def pause(
    mean: float,
    deadline: Deadline,
    sleep: Callable[[float], None] = time.sleep,
    uniform: Callable[[float, float], float] = random.uniform,
) -> None:
    """Wait between half of `mean` seconds and one and a half.

    Raises:
        TimedOut: the time is over.
    """
    left = mean * uniform(0.5, 1.5)
    while left > 0:
        sleep(min(left, _SLICE))
        left -= _SLICE
        deadline.check()


def seconds_to_wait(retry_after: str, date: str) -> int | None:
    """What an answer's Retry-After says, from its Date on; None where it says nothing of use.

    Args:
        retry_after: seconds, or an instant as HTTP writes it, which means nothing without a date.
        date: when the answer was given, by the clock that the instant was taken from.
    """
    told = retry_after.strip()
    if re.fullmatch(r"[0-9]+", told):
        return min(int(told.lstrip("0")[:_MEANT] or 0), LONGEST_WAIT)
    until, given = _instant(told), _instant(date)
    if until is None or given is None:
        return None
    return min(max(round((until - given).total_seconds()), 0), LONGEST_WAIT)


def _instant(told: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(told)
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
