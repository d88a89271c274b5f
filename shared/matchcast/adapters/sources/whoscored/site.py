"""What the site's own lists say there is: tournaments, seasons, stages, days with matches."""

import html
import re
from datetime import date
from typing import Any, Final, NamedTuple

import msgspec

from matchcast.adapters.sources.whoscored.reading import Place, document_of, text_of

TIERS: Final = "the tiers list (regions, each with its tournaments)"
CALENDAR: Final = 'a calendar mask ({"mask": {year: {month from 0: {day: 1}}}})'
TOURNAMENT_PAGE: Final = "a tournament page (with its seasons and stages)"

_DIGITS: Final = re.compile(r"\d+")
_SELECT: Final = re.compile(
    r"<select\b[^>]{0,500}\bid\s{0,9}=\s{0,9}[\"'](seasons|stages)[\"'][^>]{0,500}>", re.IGNORECASE
)
_OPTION: Final = re.compile(r"<option\b([^>]{0,1000})>([^<]{0,300})", re.IGNORECASE)
_VALUE: Final = re.compile(r"\bvalue\s{0,9}=\s{0,9}[\"']([^\"']{1,500})[\"']", re.IGNORECASE)
_HREF: Final = re.compile(r"\bhref\s{0,9}=\s{0,9}[\"']([^\"']{0,300}/stages/\d{1,9}[^\"']{0,300})[\"']", re.IGNORECASE)
_TOURNAMENT: Final = re.compile(r"/tournaments/(\d{1,9})(?:/|$)", re.IGNORECASE)
_SEASON: Final = re.compile(r"/seasons/(\d{1,9})(?:/|$)", re.IGNORECASE)
_STAGE: Final = re.compile(r"/stages/(\d{1,9})(?:/|$)", re.IGNORECASE)


class Tournament(NamedTuple):
    """A tournament of the tiers list; `path` is its page on the site. Names are empty where the list has none."""

    id: str
    name: str
    region_id: str
    region: str
    path: str


class Season(NamedTuple):
    """A season of a tournament; `path` is its page on the site."""

    id: str
    name: str
    path: str


class Stage(NamedTuple):
    """A stage of the season that a tournament page shows; `name` is empty where the season has only this one."""

    id: str
    name: str
    path: str


class _Listed(msgspec.Struct):
    id: int
    name: str | None
    url: str | None = None


class _Region(msgspec.Struct):
    id: int
    name: str | None
    tournaments: list[_Listed] | None


class _Calendar(msgspec.Struct):
    mask: dict[str, dict[str, dict[str, Any] | None] | None] | None


def tournaments_of(raw: bytes, file_name: str = "tiers.json") -> tuple[Tournament, ...]:
    """The tournaments of the tiers list, in its order.

    Raises:
        BadSource: it is not whole JSON.
        LayoutChanged: it is not of the shape we know.
    """
    place = Place(file_name, TIERS)
    regions = document_of(raw, list[_Region], place)
    found = tuple(
        Tournament(
            str(listed.id),
            listed.name or "",
            str(region.id),
            region.name or "",
            listed.url or f"/regions/{region.id}/tournaments/{listed.id}",
        )
        for region in regions
        for listed in region.tournaments or ()
    )
    if not found:
        raise place.changed("no tournament is listed")
    return found


def days_of(raw: bytes, file_name: str = "calendar") -> tuple[date, ...]:
    """The days on which a stage has matches, by its calendar mask, in order.

    Raises:
        BadSource: it is not whole JSON.
        LayoutChanged: it is not of the shape we know.
    """
    place = Place(file_name, CALENDAR)
    days: list[date] = []
    for year, months in (document_of(raw, _Calendar, place).mask or {}).items():
        for month, marked in (months or {}).items():
            for day, mark in (marked or {}).items():
                try:
                    told = date(_number(year), _number(month) + 1, _number(day))
                except (ValueError, OverflowError) as error:
                    raise place.at(f"mask.{year}.{month}.{day}"[:60]).changed(
                        "is no day (months count from 0)"
                    ) from error
                if mark:
                    days.append(told)
    return tuple(sorted(days))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 4):
        raise ValueError(text)
    return int(text)


def months_of(raw: bytes, file_name: str = "calendar") -> tuple[str, ...]:
    """The months (YYYYMM) in which a stage has matches, by its calendar mask, in order.

    Raises:
        BadSource: it is not whole JSON.
        LayoutChanged: it is not of the shape we know.
    """
    return tuple(dict.fromkeys(f"{day.year:04}{day.month:02}" for day in days_of(raw, file_name)))


def stages_of(raw: bytes, file_name: str = "tournament") -> tuple[Stage, ...]:
    """The stages of the season that a tournament page shows, in its order.

    Args:
        file_name: `tournament/ID.html` leaves out the stages of other tournaments that the page links to.
    Raises:
        BadSource: it is empty, cut off, or not UTF-8.
        LayoutChanged: no stage is to be found in it.
    """
    place = Place(file_name, TOURNAMENT_PAGE)
    page = text_of(raw, place)
    tournament = _tournament_id(file_name)
    links = [(path, name) for path, name, _ in _options(page, "stages")]
    if not any(_STAGE.search(path) for path, _ in links):
        links = [(html.unescape(path), "") for path in _HREF.findall(page)]
    shown = next((path for path, _, selected in _options(page, "seasons") if selected), None)
    season = _SEASON.search(shown) if shown else None
    found: dict[str, Stage] = {}
    for path, name in links:
        stage, of_season = _STAGE.search(path), _SEASON.search(path)
        if stage is None or not _belongs(path, tournament):
            continue
        if of_season is not None:
            season = season or of_season
            if of_season[1] != season[1]:
                continue
        found.setdefault(stage[1], Stage(stage[1], name, path))
    if not found:
        raise place.absent(page, "no stage is linked")
    return tuple(found.values())


def seasons_of(raw: bytes, file_name: str = "tournament") -> tuple[Season, ...]:
    """The seasons that a tournament page links to, in its order (newest first).

    Args:
        file_name: `tournament/ID.html` leaves out those of other tournaments.
    Raises:
        BadSource: it is empty, cut off, or not UTF-8.
        LayoutChanged: no season is to be found in it.
    """
    place = Place(file_name, TOURNAMENT_PAGE)
    tournament = _tournament_id(file_name)
    found: dict[str, Season] = {}
    page = text_of(raw, place)
    for path, name, _ in _options(page, "seasons"):
        season = _SEASON.search(path)
        if season is not None and _belongs(path, tournament):
            found.setdefault(season[1], Season(season[1], name, path))
    if not found:
        raise place.absent(page, "no season is linked")
    return tuple(found.values())


def _tournament_id(file_name: str) -> str | None:
    folder, _, rest = file_name.rpartition("tournament/")
    digits = _DIGITS.match(rest) if folder or file_name.startswith("tournament/") else None
    return digits[0] if digits else None


def _belongs(path: str, tournament: str | None) -> bool:
    told = _TOURNAMENT.search(path)
    return tournament is None or told is None or told[1] == tournament


def _options(page: str, name: str) -> list[tuple[str, str, bool]]:
    """Path, text and whether it is the chosen one, of each option of the list with this id."""
    for start in _SELECT.finditer(page):
        if start[1].lower() != name:
            continue
        inner = page[start.end() :].partition("</select")[0]
        return [
            (html.unescape(value[1]), " ".join(html.unescape(text).split()), "selected" in attributes.lower())
            for attributes, text in _OPTION.findall(inner)
            if (value := _VALUE.search(attributes)) is not None
        ]
    return []
