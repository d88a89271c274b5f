"""A match of the old mobile API: no tournament id, no season and no referee, but period scores and statistics.

What an incident says: type 2 is a card with subtype 1 yellow, 2 second yellow (which sends off), 3 red.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from matchcast.adapters.sources.tabular import Refused
from matchcast.adapters.sources.whoscored.reading import Place, document_of, kickoff_of, score_of
from matchcast.adapters.sources.whoscored.rows import clubs_of, row_of
from matchcast.adapters.sources.whoscored.scores import NO_PAIR, NO_SCORES, Scores, Unknowable, after_90
from matchcast.adapters.sources.whoscored.statuses import LATER_THAN_90, clock_of, status_of
from matchcast.adapters.sources.whoscored.tournaments import competition_named
from matchcast.domain.match import MatchStats, MatchStatus, RejectedRow, SourceMatch
from matchcast.ports import Parsed

MOBILE: Final = "a match of the old mobile API (info, liveMatch, postMatch)"
_PERIOD: Final = re.compile(r"\b(HT|FT|ET|PS)\s*(\d{1,2})\s*:\s*(\d{1,2})\b")
_CARD: Final = 2
_YELLOW, _SECOND_YELLOW, _RED = 1, 2, 3
_YELLOWS, _FOULS = 2, 3
_SHOWN: Final = 200


class _Info(msgspec.Struct):
    status: int
    startTimeUtc: str
    tournamentName: str | None = None
    regionName: str | None = None
    homeName: str | None = None
    awayName: str | None = None
    elapsed: str | int | None = None
    homeScore: int | None = None
    awayScore: int | None = None
    periodResults: str | None = None


class _Incident(msgspec.Struct):
    type: int
    subType: int | None = None


class _Minute(msgspec.Struct):
    homeIncidents: list[_Incident] | None = None
    awayIncidents: list[_Incident] | None = None


class _Counts(msgspec.Struct):
    shots: int | None = None
    shotsOnTarget: int | None = None
    corners: int | None = None


class _Side(msgspec.Struct):
    stats: _Counts | None = None


class _Sides(msgspec.Struct):
    home: _Side | None = None
    away: _Side | None = None


class _Live(msgspec.Struct):
    incidentTimeline: list[_Minute] | None = None
    liveStatistics: _Sides | None = None


class _Pair(msgspec.Struct):
    type: int
    home: int | None = None
    away: int | None = None


class _MatchStats(msgspec.Struct):
    cardsAndFouls: list[_Pair] | None = None


class _Post(msgspec.Struct):
    matchStats: _MatchStats | None = None


class _Mobile(msgspec.Struct):
    id: int
    info: _Info
    liveMatch: _Live | None = None
    postMatch: _Post | None = None


def parse_mobile(raw: bytes, file_name: str) -> Parsed:
    """The one match of the file. Statistics are left out where they cover extra time too.

    Raises:
        BadSource: it is not whole JSON.
        LayoutChanged: it is not of the shape we know.
    """
    place = Place(file_name, MOBILE)
    told = document_of(raw, _Mobile, place)
    info = told.info
    text = f"{told.id}: {info.homeName} - {info.awayName}, {info.startTimeUtc}"[:_SHOWN]
    try:
        row, remarks = _row(told, place)
    except Refused as refused:
        return Parsed([], [RejectedRow(1, str(refused), text)])
    return Parsed([row], [RejectedRow(1, remark, text) for remark in remarks])


def _row(told: _Mobile, place: Place) -> tuple[SourceMatch, list[str]]:
    info = told.info
    kickoff_at = kickoff_of(info.startTimeUtc, place, "info.startTimeUtc")
    competition = competition_named(info.regionName, info.tournamentName)
    home, away = clubs_of(info.homeName, info.awayName, ("info.homeName", "info.awayName"))
    clock = clock_of(info.elapsed)
    status = status_of(info.status, clock)
    scores, stats = NO_SCORES, None
    remarks: list[str] = []
    if status is MatchStatus.FINISHED:
        try:
            scores = _scores(info, clock)
        except Unknowable as unknowable:
            status = MatchStatus.UNKNOWN
            remarks.append(str(unknowable))
        else:
            stats = None if scores.went_on else _stats(told, remarks)
            remarks += [] if scores.remark is None else [scores.remark]
    row = row_of(told.id, 1, competition, None, kickoff_at, home, away, status, scores, stats)
    return row, remarks


def _scores(info: _Info, clock: str) -> Scores:
    periods = {name: (int(h), int(a)) for name, h, a in _PERIOD.findall(info.periodResults or "")}
    final = score_of(info.homeScore, info.awayScore, "info.homeScore, info.awayScore")
    ninety = periods.get("FT")
    if clock in LATER_THAN_90 or "ET" in periods or "PS" in periods:
        return after_90(ninety, final, periods.get("ET"), periods.get("PS", NO_PAIR), clock)
    if final is None and ninety is None:
        raise Unknowable(
            "info.homeScore, info.awayScore: a finished match without a score; it is kept without a result"
        )
    if final is not None and ninety is not None and final != ninety:
        raise Unknowable(
            f"info.homeScore, info.awayScore say {final[0]}-{final[1]}, info.periodResults {ninety[0]}-{ninety[1]}"
            " after 90 minutes; the match is kept without a result"
        )
    return Scores(final or ninety)


def _stats(told: _Mobile, remarks: list[str]) -> MatchStats | None:
    live = told.liveMatch or _Live()
    sides = live.liveStatistics
    if sides is None or sides.home is None or sides.away is None:
        return None
    home, away = sides.home.stats or _Counts(), sides.away.stats or _Counts()
    pairs = {pair.type: pair for pair in (told.postMatch and told.postMatch.matchStats and
                                          told.postMatch.matchStats.cardsAndFouls) or ()}  # fmt: skip
    fouls = pairs.get(_FOULS, _Pair(_FOULS))
    yellows, reds = _cards(live, pairs.get(_YELLOWS), remarks)
    stats = MatchStats(
        home.shots, away.shots, home.shotsOnTarget, away.shotsOnTarget, home.corners, away.corners,
        fouls.home, fouls.away, *yellows, *reds,
    )  # fmt: skip
    counts = [count if count is not None and 0 <= count < 1000 else None for count in stats]
    return MatchStats(*counts) if any(count is not None for count in counts) else None


def _cards(live: _Live, yellows_told: _Pair | None, remarks: list[str]) -> tuple[tuple[int | None, ...], ...]:
    """Yellow and red cards of both sides, by the incidents; none where the source's own count of yellows differs."""
    if live.incidentTimeline is None:
        return NO_PAIR, NO_PAIR
    cards = [
        [i.subType for i in _of_side(minute.homeIncidents for minute in live.incidentTimeline)],
        [i.subType for i in _of_side(minute.awayIncidents for minute in live.incidentTimeline)],
    ]
    yellows = tuple(side.count(_YELLOW) + side.count(_SECOND_YELLOW) for side in cards)
    reds = tuple(side.count(_RED) + side.count(_SECOND_YELLOW) for side in cards)
    if yellows_told is not None:
        for side, name, count in zip(cards, ("home", "away"), (yellows_told.home, yellows_told.away), strict=True):
            if count is not None and count not in (
                side.count(_YELLOW),
                side.count(_YELLOW) + side.count(_SECOND_YELLOW),
            ):
                remarks.append(
                    f"cardsAndFouls tells {count} yellow cards of {name}, the incidents others; cards are left out"
                )
                return NO_PAIR, NO_PAIR
    return yellows, reds


def _of_side(minutes: Iterable[list[_Incident] | None]) -> list[_Incident]:
    return [incident for minute in minutes for incident in minute or () if incident.type == _CARD]
