"""What the site's own lists say there is: tournaments, stages, days with matches."""

from datetime import date
from typing import NamedTuple


class Tournament(NamedTuple):
    """A tournament of the tiers list; `path` is its page on the site."""

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
    """A stage of the season that a tournament page shows."""

    id: str
    name: str
    path: str


def tournaments_of(raw: bytes, file_name: str = "tiers.json") -> tuple[Tournament, ...]:
    """The tournaments of the tiers list, in its order.

    Raises:
        LayoutChanged: it is not of the shape we know.
    """
    raise NotImplementedError


def days_of(raw: bytes, file_name: str = "calendar") -> tuple[date, ...]:
    """The days on which a stage has matches, by its calendar mask, in order.

    Raises:
        LayoutChanged: it is not of the shape we know.
    """
    raise NotImplementedError


def months_of(raw: bytes, file_name: str = "calendar") -> tuple[str, ...]:
    """The months (YYYYMM) in which a stage has matches, by its calendar mask, in order.

    Raises:
        LayoutChanged: it is not of the shape we know.
    """
    return tuple(dict.fromkeys(f"{day:%Y%m}" for day in days_of(raw, file_name)))


def stages_of(raw: bytes, file_name: str = "tournament") -> tuple[Stage, ...]:
    """The stages of the season that a tournament page shows, in its order.

    Raises:
        LayoutChanged: it is not of the shape we know.
    """
    raise NotImplementedError


def seasons_of(raw: bytes, file_name: str = "tournament") -> tuple[Season, ...]:
    """The seasons that a tournament page links to, in its order (newest first).

    Raises:
        LayoutChanged: it is not of the shape we know.
    """
    raise NotImplementedError
