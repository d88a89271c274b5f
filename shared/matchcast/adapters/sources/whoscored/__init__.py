"""WhoScored's answers. All of it is pure: bytes in, rows and rejected rows out.

blocks       pages that say we are not welcome
site         the site's own lists: tournaments, seasons, stages, days with matches
month_feed   the matches of a month or a day
match_page   a match page: result, team statistics, referee
centre       the match centre within it
mobile       a match of the old mobile API
tournaments  what the site calls the tournaments we know
statuses, scores, rows, reading   what these share
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from matchcast.adapters.sources.whoscored.blocks import block_reason
from matchcast.adapters.sources.whoscored.match_page import is_match_page, parse_centre, parse_page
from matchcast.adapters.sources.whoscored.mobile import parse_mobile
from matchcast.adapters.sources.whoscored.month_feed import parse_feed
from matchcast.adapters.sources.whoscored.reading import NAME, Place, plain_document, text_of
from matchcast.adapters.sources.whoscored.site import (
    Season,
    Stage,
    Tournament,
    days_of,
    months_of,
    seasons_of,
    stages_of,
    tournaments_of,
)
from matchcast.errors import SourceBlocked
from matchcast.ports import Parsed

__all__ = (
    "Season",
    "Stage",
    "Tournament",
    "WhoScored",
    "block_reason",
    "days_of",
    "months_of",
    "seasons_of",
    "stages_of",
    "tournaments_of",
)

_Reader = Callable[[bytes, str], Parsed]
_ANY: Final = "a feed, a match, a match page, a tournament page, a calendar or the tiers list of the site"


class WhoScored:
    """The source `whoscored`."""

    name = NAME

    def recognises(self, raw: bytes) -> bool:
        """Whether this looks like one of the site's answers."""
        return any(all(mark in raw for mark in marks) for marks in _MARKS)

    def parse(self, raw: bytes, file_name: str = "") -> Parsed:
        """The rows of any of the site's files; those without matches (tiers, calendar, tournament page) give none.

        Args:
            file_name: `tiers.json`, or one in `calendar/`, `month/`, `day/`, `tournament/`, `match/` or `mapi/` tells
                what it is; otherwise the content does.
        Raises:
            SourceBlocked: it is a block page.
            LayoutChanged: it is not of the shape we know.
            BadSource: it is empty, cut off, or not UTF-8.
        """
        reason = block_reason(raw, 200)
        if reason is not None:
            raise SourceBlocked(
                f"{file_name or 'the file'}: the site turned us away: {reason}; leave it alone for a while"
            )
        return _reader(raw, file_name)(raw, file_name)


def _tiers(raw: bytes, file_name: str) -> Parsed:
    tournaments_of(raw, file_name)
    return Parsed([], [])


def _calendar(raw: bytes, file_name: str) -> Parsed:
    days_of(raw, file_name)
    return Parsed([], [])


def _tournament(raw: bytes, file_name: str) -> Parsed:
    stages_of(raw, file_name)
    return Parsed([], [])


def _page_or_centre(raw: bytes, file_name: str) -> Parsed:
    start = raw[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    return parse_centre(raw, file_name) if start[:1] == b"{" else parse_page(raw, file_name)


_BY_FOLDER: Final[Mapping[str, _Reader]] = MappingProxyType(
    {
        "calendar": _calendar,
        "month": parse_feed,
        "day": parse_feed,
        "tournament": _tournament,
        "match": _page_or_centre,
        "mapi": parse_mobile,
    }
)
_BY_KEYS: Final[tuple[tuple[frozenset[str], _Reader], ...]] = (
    (frozenset(("tournaments",)), parse_feed),
    (frozenset(("mask",)), _calendar),
    (frozenset(("info", "id")), parse_mobile),
    (frozenset(("home", "away", "statusCode")), parse_centre),
)
_MARKS: Final = (
    (b'"tournaments"', b'"tournamentId"'),
    (b'"tournaments"', b'"sortOrder"'),
    (b'"mask"', b'"stageId"'),
    (b'"info"', b'"periodResults"'),
    (b'"incidentEvents"', b'"statusCode"'),
    (b"require.config.params", b"matchCentreData"),
    (b"require.config.params", b"initialMatchDataForScrappers"),
    (b"require.config.params", b"matchheader"),
)


def _reader(raw: bytes, file_name: str) -> _Reader:
    """What reads this file.

    Raises:
        BadSource: it is empty, not UTF-8, or not whole JSON.
        LayoutChanged: it is none of the site's files that we know.
    """
    if file_name == "tiers.json":
        return _tiers
    named = _BY_FOLDER.get(file_name.partition("/")[0]) if "/" in file_name else None
    if named is not None:
        return named
    place = Place(file_name, _ANY)
    text = text_of(raw, place)
    if text.lstrip()[:1] == "<":
        if is_match_page(text):
            return parse_page
        if "/stages/" in text.lower():
            return _tournament
        raise place.changed("a web page stands here")
    document = plain_document(raw, place)
    if isinstance(document, list):
        return _tiers
    keys = frozenset(document) if isinstance(document, dict) else frozenset()
    for wanted, reader in _BY_KEYS:
        if wanted <= keys:
            return reader
    raise place.changed(f"its keys ({', '.join(sorted(map(str, keys)))[:80]}) are those of none of them")
