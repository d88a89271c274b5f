"""The match centre: what it says of scores, statistics and referee."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from matchcast.adapters.sources.whoscored.reading import words_of
from matchcast.adapters.sources.whoscored.scores import NO_PAIR
from matchcast.domain.match import MatchStats

CENTRE: Final = "a match centre (home, away, statusCode, startTime)"

Minutes = Mapping[str, float | None]

_SECOND_HALF: Final = 2
_SECOND_HALF_KEY: Final = "2"
_MOST: Final = 200


class _Named(msgspec.Struct):
    displayName: str | None = None
    value: int | None = None


class _Event(msgspec.Struct):
    type: _Named | None = None
    period: _Named | None = None
    cardType: _Named | None = None
    isOwnGoal: bool | None = None


class _Counts(msgspec.Struct):
    shotsTotal: Minutes | None = None
    shotsOnTarget: Minutes | None = None
    cornersTotal: Minutes | None = None
    foulsCommited: Minutes | None = None
    touches: Minutes | None = None


class Side(msgspec.Struct):
    """One of the two clubs."""

    name: str | None
    stats: _Counts | None = None
    incidentEvents: list[_Event] | None = None


class _Referee(msgspec.Struct):
    name: str | None = None
    firstName: str | None = None
    lastName: str | None = None


class Centre(msgspec.Struct):
    """`matchCentreData`; scores are written `0 : 1`, empty where there is none."""

    home: Side
    away: Side
    statusCode: int
    startTime: str
    elapsed: str | int | None = None
    score: str | None = None
    ftScore: str | None = None
    etScore: str | None = None
    pkScore: str | None = None
    referee: _Referee | None = None
    expandedMinutes: Any = None


def referee_of(centre: Centre) -> str | None:
    """Who led the match, where it says."""
    if centre.referee is None:
        return None
    return words_of(centre.referee.name) or words_of(
        f"{centre.referee.firstName or ''} {centre.referee.lastName or ''}"
    )


def stats_of(centre: Centre, longer: bool) -> tuple[MatchStats | None, list[str]]:
    """The statistics of the 90 minutes, and what was left out because it contradicts the goals.

    Args:
        longer: the match went on after 90 minutes.
    """
    last = _last_minute(centre) if longer else None
    if longer and last is None:
        return None, []
    shots, on_target, corners, fouls, yellows, reds = zip(
        _side_counts(centre.home, last), _side_counts(centre.away, last), strict=True
    )
    remarks: list[str] = []
    goals = [_goals(side, last) for side in (centre.home, centre.away)]
    for total, aimed, scored in zip(shots, on_target, goals, strict=True):
        if total is not None and aimed is not None and not scored <= aimed <= total:
            remarks.append(
                f"stats: {total} shots, {aimed} of them on target and {scored} goals contradict one another; shots are left out"
            )
            shots = on_target = NO_PAIR
            break
    stats = MatchStats(*shots, *on_target, *corners, *fouls, *yellows, *reds)
    return (stats if any(count is not None for count in stats) else None), remarks


def _last_minute(centre: Centre) -> int | None:
    """The last minute of the second half, as the statistics count minutes (its stoppage time included)."""
    halves = centre.expandedMinutes
    second = halves.get(_SECOND_HALF_KEY) if isinstance(halves, dict) else None
    minutes = [told for told in second.values() if isinstance(told, int)] if isinstance(second, dict) else []
    return max(minutes, default=None)


def _side_counts(side: Side, last: int | None) -> Sequence[int | None]:
    """Shots, on target, corners, fouls, yellow and red cards."""
    counts = side.stats
    kept = counts is not None and bool(counts.touches or counts.shotsTotal or counts.foulsCommited)
    totals: list[int | None] = [None] * 4
    if counts is not None and kept:
        maps = (counts.shotsTotal, counts.shotsOnTarget, counts.cornersTotal, counts.foulsCommited)
        totals = [_total(minutes, last) for minutes in maps]
    if side.incidentEvents is None:
        return (*totals, None, None)
    cards = [event.cardType.displayName for event in _within(side.incidentEvents, last) if event.cardType is not None]
    if not cards and not kept:
        return (*totals, None, None)
    second = cards.count("SecondYellow")
    return (*totals, cards.count("Yellow") + second, cards.count("Red") + second)


def _total(minutes: Minutes | None, last: int | None) -> int | None:
    told = (minutes or {}).items()
    total = sum(count or 0 for minute, count in told if last is None or (minute.isdecimal() and int(minute) <= last))
    return int(total) if 0 <= total <= _MOST and total == int(total) else None


def _within(events: Sequence[_Event], last: int | None) -> Sequence[_Event]:
    """The events of the two halves only, where the match went on after them."""
    if last is None:
        return events
    return [e for e in events if e.period is None or e.period.value is None or e.period.value <= _SECOND_HALF]


def _goals(side: Side, last: int | None) -> int:
    """Goals that this side shot itself."""
    events = _within(side.incidentEvents or (), last)
    return sum(e.type is not None and e.type.displayName == "Goal" and not e.isOwnGoal for e in events)
