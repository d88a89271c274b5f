"""A match's status, by its code and by what stands in the place of the clock."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from matchcast.domain.match import MatchStatus

_BY_CODE: Final[Mapping[int, MatchStatus]] = MappingProxyType({status.value: status for status in MatchStatus})
_NOT_PLAYED: Final[Mapping[str, MatchStatus]] = MappingProxyType(
    {
        "abd": MatchStatus.ABANDONED,
        "can": MatchStatus.CANCELLED,
        "post": MatchStatus.POSTPONED,
    }
)
_ENDED: Final = frozenset(("ft", "aet", "pen"))
LATER_THAN_90: Final = frozenset(("aet", "pen"))
"""Ends of a match that went on after 90 minutes."""


def clock_of(elapsed: str | int | None) -> str:
    """The text in the place of the clock (FT, AET, PEN, Post, 67', …), in lower case."""
    return "" if elapsed is None else str(elapsed).strip().lower()


def status_of(code: int, clock: str) -> MatchStatus:
    """The status of a match.

    A clock that says Abd, Can or Post outweighs the code; finished is only what also has a clock of FT, AET or PEN, or none
    at all. Codes that we do not know, and a code of 1 under a clock that says it is over, are UNKNOWN.

    Args:
        clock: as `clock_of` gives it.
    """
    if clock in _NOT_PLAYED:
        return _NOT_PLAYED[clock]
    status = _BY_CODE.get(code, MatchStatus.UNKNOWN)
    if status is MatchStatus.FINISHED and clock and clock not in _ENDED:
        return MatchStatus.UNKNOWN
    if status is MatchStatus.UPCOMING and clock in _ENDED:
        return MatchStatus.UNKNOWN
    return status


def unknown_end(code: int, clock: str) -> str | None:
    """The remark on a match that is over by its code, under a clock that we do not know; None for any other."""
    if _BY_CODE.get(code) is not MatchStatus.FINISHED or status_of(code, clock) is not MatchStatus.UNKNOWN:
        return None
    return f"elapsed {clock[:40]!r} is no end of a match that we know; the match is kept without a result"
