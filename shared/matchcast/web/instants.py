"""Dates and times in requests."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Final, NamedTuple

from msgspec import Meta

_EXAMPLE: Final = "2025-08-16 or 2025-08-16T14:00:00Z"
_YEARS: Final = range(1870, 2201)


class Kickoff(NamedTuple):
    """When a match starts; where only the day is known, `at` is its midnight UTC."""

    at: datetime
    known: bool


def parse_instant(value: Any) -> datetime:
    """An ISO 8601 date (its midnight UTC) or date and time with a time zone, as aware UTC.

    Raises:
        ValueError: it is neither, or no such day exists.
    """
    if not isinstance(value, str):
        raise ValueError(f"give a date or an instant as text, such as {_EXAMPLE}")
    try:
        instant = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{value[:40]!r} is no date that exists ({error}); give one such as {_EXAMPLE}") from error
    if instant.year not in _YEARS:
        raise ValueError(f"{value[:40]!r} is not between 1870 and 2200; give a date such as {_EXAMPLE}")
    if is_day(value):
        return instant.replace(tzinfo=UTC)
    if instant.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone; end it with Z for UTC")
    return instant.astimezone(UTC)


def parse_end(value: Any) -> datetime:
    """As `parse_instant`, but a date stands for its end."""
    instant = parse_instant(value)
    return instant + timedelta(days=1) if is_day(value) else instant


@lru_cache(maxsize=4096)
def parse_kickoff(value: str) -> Kickoff:
    """As `parse_instant`; a date stands for a day whose kick-off time is not known."""
    return Kickoff(parse_instant(value), not is_day(value))


def is_day(text: str) -> bool:
    """Whether this is a date without a time."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


InstantText = Annotated[
    str,
    Meta(
        max_length=40,
        extra_json_schema={
            "anyOf": [{"format": "date"}, {"format": "date-time"}],
            "examples": _EXAMPLE.split(" or "),
        },
    ),
]
"""A date, or an instant, as text: what it means depends on the field."""
