"""The match centre: what it says of scores, statistics and referee."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from matchcast.adapters.sources.whoscored.reading import Place, part_of, words_of
from matchcast.adapters.sources.whoscored.scores import NO_PAIR
from matchcast.domain.match import MatchStats
from matchcast.errors import LayoutChanged

CENTRE: Final = "a match centre (home, away, statusCode, startTime)"

Minutes = Mapping[str, float | None]

_SECOND_HALF: Final = 2
_SECOND_HALF_KEY: Final = "2"
_LATER: Final = range(3, 6)
"""Extra time's halves and the shoot-out; periods above are no part of the match."""
_MOST: Final = 200
_COUNTED: Final = ("shotsTotal", "shotsOnTarget", "cornersTotal", "foulsCommited")
_OFF_TARGET: Final = ("shotsOffTarget", "shotsBlocked")
_CARD: Final = "Card"
_CARDS: Final = frozenset(("Yellow", "Red", "SecondYellow", "VoidYellowCard"))
"""The last is one that was taken back, and does not count."""


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
    shotsOffTarget: Minutes | None = None
    shotsBlocked: Minutes | None = None
    shotsOnPost: Minutes | None = None
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


_PARTS: Final[tuple[tuple[str, str, Any], ...]] = (
    ("", "referee", _Referee | None),
    *((side, key, shape) for side in ("home", "away") for key, shape in
      (("stats", _Counts | None), ("incidentEvents", list[_Event] | None))),
)  # fmt: skip
"""Without these a match centre still tells the result."""


def centre_of(document: Any, place: Place) -> tuple[Centre, list[str]]:
    """The match centre, and which parts of it were left out because they are of another shape than we know.

    Raises:
        LayoutChanged: its result is of another shape.
    """
    left_out: list[str] = []
    for side, key, shape in _PARTS:
        owner = document.get(side) if side and isinstance(document, dict) else document
        if isinstance(owner, dict):
            try:
                part_of(owner.get(key), shape, place.at(f"{side}.{key}".lstrip(".")))
            except LayoutChanged as error:
                left_out.append(f"{error}; it is left out")
                owner[key] = None
    return part_of(document, Centre, place), left_out


def went_on(centre: Centre) -> bool:
    """Whether something happened after 90 minutes."""
    events = [event for side in (centre.home, centre.away) for event in side.incidentEvents or ()]
    return any(event.period is not None and event.period.value in _LATER for event in events)


def referee_of(centre: Centre) -> str | None:
    """Who led the match, where it says."""
    if centre.referee is None:
        return None
    return words_of(centre.referee.name) or words_of(
        f"{centre.referee.firstName or ''} {centre.referee.lastName or ''}"
    )


def stats_of(centre: Centre, longer: bool) -> tuple[MatchStats | None, list[str]]:
    """The statistics of the 90 minutes, and what was left out because it is not told, or contradicts something else.

    Args:
        longer: the match went on after 90 minutes.
    """
    last = _last_minute(centre) if longer else None
    if longer and last is None:
        return None, []
    sides = (centre.home, centre.away)
    remarks: list[str] = []
    shots, on_target, corners, fouls = (_pair(sides, name, last) for name in _COUNTED)
    for name, pair in zip(_COUNTED, (shots, on_target, corners, fouls), strict=True):
        if pair == NO_PAIR and all(map(_is_covered, sides)) and not (pair is on_target and _parts_told(sides)):
            remarks.append(f"stats: {name} is told of neither side; it is left out")
    if on_target == NO_PAIR and _parts_told(sides):
        on_target = (0, 0)  # what nobody did is not listed; the other kinds of shots show whether it is so
    contradiction = _contradiction(sides, shots, on_target, last)
    if contradiction is not None:
        remarks.append(f"stats: {contradiction}; shots are left out")
        shots = on_target = NO_PAIR
    yellows, reds = zip(*(_cards(side, last) for side in sides), strict=True)
    odd = sorted({str(kind) for side in sides for kind in _card_kinds(side, None)} - _CARDS)
    if odd:
        remarks.append(f"stats: {odd[0][:40]!r} is no card that we know; cards are left out")
        yellows = reds = NO_PAIR
    stats = MatchStats(*shots, *on_target, *corners, *fouls, *yellows, *reds)
    return (stats if any(count is not None for count in stats) else None), remarks


def _last_minute(centre: Centre) -> int | None:
    """The last minute of the second half, as the statistics count minutes (its stoppage time included)."""
    halves = centre.expandedMinutes
    second = halves.get(_SECOND_HALF_KEY) if isinstance(halves, dict) else None
    minutes = [told for told in second.values() if isinstance(told, int)] if isinstance(second, dict) else []
    return max(minutes, default=None)


def _is_covered(side: Side) -> bool:
    """Whether what this side did was counted at all."""
    counts = side.stats
    return counts is not None and bool(counts.touches or counts.shotsTotal or counts.foulsCommited)


def _told(side: Side, name: str) -> Minutes:
    return (getattr(side.stats, name) if side.stats is not None else None) or {}


def _pair(sides: Sequence[Side], name: str, last: int | None) -> tuple[int | None, int | None]:
    """A count of both sides. One that is told of the other side only is zero; told of neither, it is not known."""
    if not any(_told(side, name) for side in sides):
        return NO_PAIR
    home, away = (_total(_told(side, name), last) if _is_covered(side) else None for side in sides)
    return home, away


def _parts_told(sides: Sequence[Side]) -> bool:
    return any(_told(side, name) for side in sides for name in _OFF_TARGET)


def _contradiction(
    sides: Sequence[Side], shots: tuple[int | None, int | None], on_target: tuple[int | None, int | None],
    last: int | None,
) -> str | None:  # fmt: skip
    """What shows that shots or shots on target are not what we take them for."""
    for side, total, aimed in zip(sides, shots, on_target, strict=True):
        if total is None or aimed is None:
            continue
        scored = _goals(side, last)
        if not scored <= aimed <= total:
            return f"{total} shots, {aimed} of them on target and {scored} goals contradict one another"
        rest = sum(_total(_told(side, name), last) or 0 for name in _OFF_TARGET)
        post = _total(_told(side, "shotsOnPost"), last) or 0
        if _parts_told(sides) and not total - post <= aimed + rest <= total:
            return f"{total} shots, {aimed} of them on target and {rest} off it or blocked, do not add up"
    return None


def _card_kinds(side: Side, last: int | None) -> Sequence[str | None]:
    """The kinds of the cards shown; None for one that does not say."""
    return [
        event.cardType.displayName if event.cardType is not None else None
        for event in _within(side.incidentEvents or (), last)
        if event.cardType is not None or (event.type is not None and event.type.displayName == _CARD)
    ]


def _cards(side: Side, last: int | None) -> tuple[int | None, int | None]:
    """Yellow and red cards."""
    kinds = _card_kinds(side, last)
    if side.incidentEvents is None or not (kinds or _is_covered(side)):
        return NO_PAIR
    second = kinds.count("SecondYellow")
    return kinds.count("Yellow") + second, kinds.count("Red") + second


def _total(minutes: Minutes, last: int | None) -> int | None:
    told = minutes.items()
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
