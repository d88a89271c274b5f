"""A match page, and the match centre that it carries: `require.config.params["args"] = {matchId: …, matchCentreData: {…}}`,
in earlier years `var matchCentreData = {…}`.

A match that is not followed closely has `initialMatchDataForScrappers` instead of a match centre; it is read from the
page's header. The page tells its tournament and season in the breadcrumb, and times of the United Kingdom. The centre's
statistics are counts by minute, stoppage time included; what a side never did is not listed.
"""

import html
import json
import re
from datetime import datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from matchcast.adapters.sources.tabular import Refused
from matchcast.adapters.sources.whoscored.centre import CENTRE, Centre, centre_of, referee_of, stats_of, went_on
from matchcast.adapters.sources.whoscored.reading import (
    Place,
    competition_of,
    document_of,
    is_whole,
    kickoff_of,
    score_of,
    text_of,
)
from matchcast.adapters.sources.whoscored.rows import clubs_of, row_of
from matchcast.adapters.sources.whoscored.scores import NO_PAIR, NO_SCORES, Pair, Scores, Unknowable, after_90
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
_WITHOUT_CENTRE: Final = "initialMatchDataForScrappers"
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
_ESCAPED: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))")
_SCORE: Final = re.compile(r"\s*\*?\s*(\d{1,3})\s*[:-]\s*(\d{1,3})\s*", re.ASCII)
_INTEGER: Final = re.compile(r"\d{1,4}", re.ASCII)
_WRITTEN: Final = re.compile(r"(\d\d)/(\d\d)/(\d{4}) (\d\d:\d\d:\d\d)", re.ASCII)
_AMERICAN: Final = "%m/%d/%Y %I:%M:%S %p"
"""How times were written in 2016 and 2017."""
_HEADER_ITEMS: Final = 13


def is_match_page(page: str) -> bool:
    """Whether a page of the site is one of a match."""
    return "matchCentreData" in page or _WITHOUT_CENTRE in page or _HEADER.search(page) is not None


def parse_page(raw: bytes, file_name: str) -> Parsed:
    """The one match of a page.

    Raises:
        BadSource: it is empty, not UTF-8, or cut off.
        LayoutChanged: it is not of the shape we know.
    """
    place = Place(file_name, PAGE)
    page = text_of(raw, place)
    args, header = _ARGS.search(page), _header(page)
    end = page.find("</script", args.end()) if args else -1
    ends = end if end >= 0 else len(page)
    data = _CENTRE.search(page, args.end(), ends) if args else _OLD_CENTRE.search(page)
    inner = place.at("args") if args else place
    if data is None and (header is None or not is_whole(page)):
        missing = "matchCentreData" if args else 'require.config.params["args"]'
        raise inner.absent(page, f"{missing} is missing")
    number = (
        _MATCH_ID.search(page, args.end(), data.start() if data else ends) if args else None
    ) or _CANONICAL.search(page)
    if number is None:
        raise inner.absent(page, "matchId is missing")
    centre, remarks = _centre(page, data.end(), inner) if data else (None, [])
    if data is None and _WITHOUT_CENTRE not in page:
        remarks = ["matchCentreData is missing; statistics and referee are not known"]
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
        parsed = _parsed(int(number[1]), competition, season[1] if season else None, told, centre, place)
        told_too = [told.rejected(number[1], remark) for remark in remarks]
        return parsed._replace(rejected=[*told_too, *parsed.rejected])
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
    """The match centre as JSON by itself; what `centre_of` leaves out of it is not told.

    Raises:
        BadSource: it is not whole JSON.
        LayoutChanged: it is not of the shape we know.
    """
    place = Place(file_name, CENTRE)
    return centre_of(document_of(raw, dict[str, Any], place), place)[0]


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
            _iso(centre.startTime),
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
        text = f"{number}: {self.home} - {self.away}, {self.start}"[:_SHOWN]
        return RejectedRow(1, reason, text.encode("utf-8", "replace").decode())


def _parsed(
    number: int, competition: Competition, season: str | None, told: _Told, centre: Centre | None, place: Place
) -> Parsed:
    kickoff_at = kickoff_of(told.start, place, "args.matchCentreData.startTime", _UK)
    home, away = clubs_of(told.home, told.away, ("home.name", "away.name"))
    status = status_of(told.status, told.clock)
    remark = unknown_end(told.status, told.clock)
    scores, stats, remarks = NO_SCORES, None, [remark] if remark is not None else []
    if status is MatchStatus.FINISHED:
        try:
            scores = _scores(told, centre is not None and went_on(centre))
        except Unknowable as unknowable:
            status = MatchStatus.UNKNOWN
            remarks.append(str(unknowable))
        else:
            stats, left_out = stats_of(centre, scores.went_on) if centre else (None, [])
            remarks += [*left_out, *([] if scores.remark is None else [scores.remark])]
    referee = referee_of(centre) if centre else None
    row = row_of(number, 1, competition, season, kickoff_at, home, away, status, scores, stats, referee=referee)
    unknown = () if competition.id in COMPETITION_BY_ID else (competition,)
    return Parsed([row], [told.rejected(str(number), remark) for remark in remarks], unknown)


def _scores(told: _Told, later_events: bool) -> Scores:
    ninety, extra = _score(told.ninety, "ftScore"), _score(told.extra, "etScore")
    final, kicks = _score(told.final, "score"), _goals(told.penalties)
    if told.clock in LATER_THAN_90 or extra is not None or any(kicks) or later_events:
        return after_90(ninety, final, extra, kicks, told.clock)
    if ninety is None and final is None:
        raise Unknowable("ftScore, score: a finished match without a score; it is kept without a result")
    if ninety is not None and final is not None and ninety != final:
        raise Unknowable(
            f"ftScore says {told.ninety}, score {told.final}, and not that there was extra time;"
            " the match is kept without a result"
        )
    return Scores(ninety or final)


def _score(written: str | None, field: str) -> Pair | None:
    home, away = _goals(written)
    return score_of(home, away, field)


def _goals(written: str | None) -> Pair | tuple[None, None]:
    """Of both sides, as written `0 : 1`, with a star before it until it is confirmed."""
    match = _SCORE.fullmatch(written or "")
    return (int(match[1]), int(match[2])) if match else NO_PAIR


def _centre(page: str, start: int, place: Place) -> tuple[Centre | None, list[str]]:
    """The match centre, and what was left out of it; None where the page has `null` (no live statistics)."""
    try:
        data, _ = json.JSONDecoder().raw_decode(page, start)
    except (ValueError, RecursionError) as error:
        raise place.at("matchCentreData").absent(page, f"is not whole JSON ({error})") from error
    return (None, []) if data is None else centre_of(data, place.at("matchCentreData"))


def _header(page: str) -> _Told | None:
    """The list in the page's header: ids and names, start, day, status, clock, and scores (half, full, extra, shoot-out, all)."""
    start = _HEADER.search(page)
    if start is None:
        return None
    items: list[str] = []
    at = start.end()
    while len(items) <= _HEADER_ITEMS and (item := _ITEM.match(page, at)) is not None:
        items.append(_plain(item[1]) if item[1] is not None else item[2] or "")
        at = item.end()
        if item[3] == "]":
            break
    if len(items) < _HEADER_ITEMS or not _INTEGER.fullmatch(items[6]):
        return None
    started = _iso(_WRITTEN.sub(r"\3-\2-\1T\4", items[4]))
    if started == items[4]:
        return None
    return _Told(items[2], items[3], started, int(items[6]), clock_of(items[7]), *items[9:13])


def _plain(quoted: str) -> str:
    """A string of JavaScript, and the HTML in it, as it reads."""

    def character(escape: re.Match[str]) -> str:
        code = escape[1] or escape[2]
        return chr(int(code, 16)) if code else escape[3]

    units = _ESCAPED.sub(character, quoted).encode("utf-16", "surrogatepass")
    return html.unescape(units.decode("utf-16", "replace"))


def _iso(written: str) -> str:
    """A time written 8/13/2016 3:00:00 PM in the order of others; any other text as it is."""
    try:
        return datetime.strptime(written, _AMERICAN).replace(tzinfo=_UK).isoformat()
    except ValueError:
        return written
