"""A match page, and the match centre that it carries: `require.config.params["args"] = {matchId: …, matchCentreData: {…}}`,
in earlier years `var matchCentreData = {…}`.

The page tells its tournament and season in the breadcrumb, and times of the United Kingdom. The centre's statistics are
counts by minute, stoppage time included; what a side never did is not listed.
"""

import html
import json
import re
from datetime import UTC
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from matchcast.adapters.sources.tabular import Refused
from matchcast.adapters.sources.whoscored.centre import CENTRE, Centre, referee_of, stats_of
from matchcast.adapters.sources.whoscored.reading import (
    Place,
    competition_of,
    document_of,
    kickoff_of,
    part_of,
    score_of,
    text_of,
)
from matchcast.adapters.sources.whoscored.rows import clubs_of, row_of
from matchcast.adapters.sources.whoscored.scores import NO_SCORES, Pair, Scores, Unknowable, after_extra_time
from matchcast.adapters.sources.whoscored.statuses import LATER_THAN_90, clock_of, status_of, unknown_end
from matchcast.domain.competitions import COMPETITION_BY_ID, Competition
from matchcast.domain.match import MatchStatus, RejectedRow
from matchcast.ports import Parsed

PAGE: Final = 'a match page (require.config.params["args"] with its matchCentreData)'
_UK: Final = ZoneInfo("Europe/London")
_SHOWN: Final = 200

_ARGS: Final = re.compile(r"require\.config\.params\[\s{0,9}[\"']args[\"']\s{0,9}\]\s{0,9}=\s{0,9}\{")
_MATCH_ID: Final = re.compile(r"\bmatchId\s{0,9}[:=]\s{0,9}(\d{1,12})\b")
_CANONICAL: Final = re.compile(r"rel=[\"']canonical[\"'][^>]{0,200}/matches/(\d{1,12})/", re.IGNORECASE)
_CENTRE: Final = re.compile(r"\bmatchCentreData\s{0,9}:\s{0,9}")
_OLD_CENTRE: Final = re.compile(r"\bvar\s{1,9}matchCentreData\s{0,9}=\s{0,9}")
_HEADER: Final = re.compile(
    r"require\.config\.params\[\s{0,9}[\"']matchheader[\"']\s{0,9}\]\s{0,9}=\s{0,9}\{\s{0,99}input\s{0,9}:\s{0,9}\["
    r"|\bmatchHeader\.load\(\s{0,9}\["
)
_ITEM: Final = re.compile(r"\s{0,99}(?:'((?:[^'\\]|\\.){0,300})'|(-?\d{1,12}(?:\.\d{1,6})?)|)\s{0,99}([,\]])")
_BREADCRUMB: Final = re.compile(
    r"id=[\"']breadcrumb-nav[\"'].{0,3000}?href=[\"'](/regions/\d{1,9}/tournaments/(\d{1,9})[^\"']{0,300})[\"'][^>]{0,300}>"
    r"([^<]{0,300})<",
    re.IGNORECASE | re.DOTALL,
)
_REGION: Final = re.compile(r">\s{0,99}([^<>]{2,60}?)\s{0,99}</span>\s{0,99}<span class=[\"']separator[\"']")
_SEASON_AT_END: Final = re.compile(r"(\d{4}(?:/\d{2,4})?)\s*$")
_ESCAPED: Final = re.compile(r"\\(.)")
_SCORE: Final = re.compile(r"\s*(\d{1,3})\s*[:-]\s*(\d{1,3})\s*", re.ASCII)
_INTEGER: Final = re.compile(r"\d{1,4}", re.ASCII)
_WRITTEN: Final = re.compile(r"(\d\d)/(\d\d)/(\d{4}) (\d\d:\d\d:\d\d)", re.ASCII)
_HEADER_ITEMS: Final = 13


def parse_page(raw: bytes, file_name: str) -> Parsed:
    """The one match of a page.

    Raises:
        BadSource: it is empty, not UTF-8, or cut off.
        LayoutChanged: it is not of the shape we know.
    """
    place = Place(file_name, PAGE)
    page = text_of(raw, place)
    args = _ARGS.search(page)
    data = _CENTRE.search(page, args.end()) if args else _OLD_CENTRE.search(page)
    if args is None and data is None:
        raise place.absent(page, 'require.config.params["args"] is missing')
    inner = place.at("args") if args else place
    if data is None:
        raise inner.absent(page, "matchCentreData is missing")
    number = (_MATCH_ID.search(page, args.end(), data.start()) if args else None) or _CANONICAL.search(page)
    if number is None:
        raise inner.absent(page, "matchId is missing")
    centre, header = _centre(page, data.end(), inner), _header(page)
    breadcrumb = _BREADCRUMB.search(page)
    if breadcrumb is None:
        raise place.absent(page, "breadcrumb-nav: no tournament is linked")
    told = _Told.of(centre, header)
    if told is None:
        raise inner.absent(page, "matchCentreData is null, and there is no matchheader in its stead")
    name = " ".join(html.unescape(breadcrumb[3]).split())
    season = _SEASON_AT_END.search(name)
    try:
        region, plain = _REGION.search(breadcrumb[0]), _SEASON_AT_END.sub("", name).rstrip(" -")
        competition = competition_of(int(breadcrumb[2]), html.unescape(region[1]) if region else None, plain)
        return _parsed(int(number[1]), competition, season[1] if season else None, told, centre, place)
    except Refused as refused:
        return Parsed([], [told.rejected(number[1], str(refused))])


def parse_centre(raw: bytes, file_name: str) -> Parsed:
    """A match centre by itself, which is no row: it does not say what tournament it is of.

    Raises:
        BadSource: it is not whole JSON.
        LayoutChanged: it is not of the shape we know.
    """
    centre = read_centre(raw, file_name)
    told = _Told.of_centre(centre)
    reason = (
        "tournament: a match centre without its page does not tell it; load the match page, or the feed of its month"
    )
    digits = re.search(r"\d{4,12}", file_name.rpartition("/")[2])
    return Parsed([], [told.rejected(digits[0] if digits else "?", reason)])


def read_centre(raw: bytes, file_name: str) -> Centre:
    """The match centre as JSON by itself.

    Raises:
        BadSource: it is not whole JSON.
        LayoutChanged: it is not of the shape we know.
    """
    return document_of(raw, Centre, Place(file_name, CENTRE))


class _Told(NamedTuple):
    """What the page says of the match itself; scores as written."""

    home: str | None
    away: str | None
    start: str
    status: int
    clock: str
    ninety: str | None
    extra: str | None
    penalties: str | None
    final: str | None

    @classmethod
    def of_centre(cls, centre: Centre) -> "_Told":
        return cls(
            centre.home.name,
            centre.away.name,
            centre.startTime,
            centre.statusCode,
            clock_of(centre.elapsed),
            centre.ftScore,
            centre.etScore,
            centre.pkScore,
            centre.score,
        )

    @classmethod
    def of(cls, centre: Centre | None, header: "_Told | None") -> "_Told | None":
        """The centre's word; the names are the header's, which are those of the feeds."""
        if centre is None:
            return header
        told = cls.of_centre(centre)
        return told if header is None else told._replace(home=header.home or told.home, away=header.away or told.away)

    def rejected(self, number: str, reason: str) -> RejectedRow:
        return RejectedRow(1, reason, f"{number}: {self.home} - {self.away}, {self.start}"[:_SHOWN])


def _parsed(
    number: int, competition: Competition, season: str | None, told: _Told, centre: Centre | None, place: Place
) -> Parsed:
    local = kickoff_of(told.start, place, "args.matchCentreData.startTime")
    kickoff_at = local.replace(tzinfo=_UK).astimezone(UTC)
    home, away = clubs_of(told.home, told.away, ("home.name", "away.name"))
    status = status_of(told.status, told.clock)
    remark = unknown_end(told.status, told.clock)
    scores, stats, remarks = NO_SCORES, None, [remark] if remark is not None else []
    if status is MatchStatus.FINISHED:
        try:
            scores = _scores(told)
        except Unknowable as unknowable:
            status = MatchStatus.UNKNOWN
            remarks.append(str(unknowable))
        else:
            stats, left_out = stats_of(centre, scores.extra is not None) if centre else (None, [])
            remarks.extend(left_out)
    referee = referee_of(centre) if centre else None
    row = row_of(number, 1, competition, season, kickoff_at, home, away, status, scores, stats, referee=referee)
    unknown = () if competition.id in COMPETITION_BY_ID else (competition,)
    return Parsed([row], [told.rejected(str(number), remark) for remark in remarks], unknown)


def _scores(told: _Told) -> Scores:
    ninety, extra = _score(told.ninety, "ftScore"), _score(told.extra, "etScore")
    penalties, final = _score(told.penalties, "pkScore"), _score(told.final, "score")
    if told.clock not in LATER_THAN_90 and extra is None:
        if ninety is None and final is None:
            raise Unknowable("ftScore, score: a finished match without a score; it is kept without a result")
        return Scores(ninety or final)
    if ninety and final and (final[0] < ninety[0] or final[1] < ninety[1]):
        final = extra
    return after_extra_time(ninety, final or extra, penalties, shoot_out=told.clock == "pen" or penalties is not None)


def _score(written: str | None, field: str) -> Pair | None:
    match = _SCORE.fullmatch(written or "")
    return score_of(int(match[1]), int(match[2]), field) if match else None


def _centre(page: str, start: int, place: Place) -> Centre | None:
    """The match centre; None where the page has `null` (no live statistics)."""
    try:
        data, _ = json.JSONDecoder().raw_decode(page, start)
    except (ValueError, RecursionError) as error:
        raise place.at("matchCentreData").absent(page, f"is not whole JSON ({error})") from error
    return None if data is None else part_of(data, Centre, place.at("matchCentreData"))


def _header(page: str) -> _Told | None:
    """The list in the page's header: ids and names, start, day, status, clock, and scores (half, full, extra, shoot-out, all)."""
    start = _HEADER.search(page)
    if start is None:
        return None
    items: list[str] = []
    at = start.end()
    while len(items) <= _HEADER_ITEMS and (item := _ITEM.match(page, at)) is not None:
        items.append(html.unescape(_ESCAPED.sub(r"\1", item[1])) if item[1] is not None else item[2] or "")
        at = item.end()
        if item[3] == "]":
            break
    when = _WRITTEN.fullmatch(items[4]) if len(items) >= _HEADER_ITEMS else None
    if when is None or not _INTEGER.fullmatch(items[6]):
        return None
    day, month, year, time = when.groups()
    return _Told(
        items[2], items[3], f"{year}-{month}-{day}T{time}", int(items[6]), clock_of(items[7]),
        items[9], items[10], items[11], items[12],
    )  # fmt: skip
