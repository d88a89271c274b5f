"""From bytes to checked values: JSON of a known shape, text, instants, names."""

import re
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from matchcast.adapters.sources.tabular import EARLIEST, LATEST, Refused, team_of
from matchcast.domain.competitions import COMPETITION_BY_CODE, Competition, unknown_competition
from matchcast.domain.match import MAX_GOALS
from matchcast.domain.names import fold_name
from matchcast.errors import BadSource, LayoutChanged

NAME: Final = "whoscored"

T = TypeVar("T")

_COUNTRY: Final = {"south-korea": "korea"}
_BOM: Final = b"\xef\xbb\xbf"
_HALF_A_PAIR: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_JAVASCRIPT: Final = re.compile(r"[\[,]\s{0,9}[',]")
"""Items as no list of JSON has them: in single quotes, or absent."""
_UNDECIDED: Final = frozenset(("tbc", "tbd", "tba", "to be confirmed", "to be decided", "unknown", "?", "-"))


class Place(NamedTuple):
    """Where something stands, for messages: the file, what it should be, and the path within it."""

    file: str
    what: str
    path: str = ""

    def at(self, path: str) -> "Place":
        """A place further in."""
        joint = "" if not self.path or path.startswith("[") else "."
        return self._replace(path=f"{self.path}{joint}{path}")

    def changed(self, problem: str) -> LayoutChanged:
        """The error for what is not of the shape we know."""
        where = f"{self.path}: " if self.path else ""
        return LayoutChanged(
            f"{self.file or 'the file'}: {where}{problem}; expected {self.what}; mend its parser, then read it anew",
            self.path or "file",
        )

    def absent(self, page: str, problem: str) -> BadSource:
        """The error for a web page that lacks something: because it is cut off, or of another shape than we know."""
        if is_whole(page):
            return self.changed(problem)
        where = f"{self.path}: " if self.path else ""
        return BadSource(
            f"{self.file or 'the file'}: {where}{problem}, for the page is cut off; expected {self.what}; fetch it again",
            "file",
        )


def is_whole(page: str) -> bool:
    """Whether a web page came to its end."""
    return "</html" in page[-2000:].lower()


def text_of(raw: bytes, place: Place) -> str:
    """The file as text.

    Raises:
        BadSource: it is empty or not UTF-8.
    """
    name = place.file or "the file"
    if not raw.strip(_BOM + b" \t\r\n"):
        raise BadSource(f"{name}: the file is empty; expected {place.what}; fetch it again", "file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadSource(
            f"{name}: byte {error.start} is not UTF-8; expected {place.what}; fetch it again", "file"
        ) from error


def document_of(raw: bytes, shape: type[T], place: Place) -> T:
    """The JSON document as the shape it should have. Half a surrogate pair is no character, and read as U+0000.

    Raises:
        BadSource: it is empty, not UTF-8, or not whole JSON.
        LayoutChanged: it is not of this shape; the message names the key and where it should stand.
    """
    try:
        return msgspec.json.decode(raw.removeprefix(_BOM), type=shape)
    except (ValueError, RecursionError) as error:
        paired = _HALF_A_PAIR.sub(rb"\\u0000", raw)
        if paired != raw:
            return document_of(paired, shape, place)
        plain_document(raw, place)
        raise _wrong_shape(error, place) from error


def plain_document(raw: bytes, place: Place) -> Any:
    """The JSON document, whatever its shape.

    Raises:
        BadSource: it is empty, not UTF-8, or not whole JSON.
        LayoutChanged: it is a web page, or a list of JavaScript.
    """
    text = text_of(raw, place)
    if text.lstrip()[:1] == "<":
        raise place.changed("a web page stands here")
    try:
        return msgspec.json.decode(text.encode())
    except (ValueError, RecursionError) as error:
        script = text.strip().rstrip(";")
        if script[:1] == "[" and script[-1:] == "]" and _JAVASCRIPT.search(script):
            raise place.changed("a list of JavaScript, which feeds once were, stands here instead of JSON") from error
        raise BadSource(
            f"{place.file or 'the file'}: this is not whole JSON ({error}); expected {place.what}; fetch it again",
            "file",
        ) from error


def part_of(value: Any, shape: type[T], place: Place) -> T:
    """A part of a decoded document as the shape it should have.

    Raises:
        LayoutChanged: it is not of this shape.
    """
    try:
        return msgspec.convert(value, shape)
    except (ValueError, RecursionError) as error:
        raise _wrong_shape(error, place) from error


def _wrong_shape(error: Exception, place: Place) -> LayoutChanged:
    problem, _, path = str(error).partition(" - at `$")
    inner = path.rstrip("`").lstrip(".")
    missing = "Object missing required field `"
    if problem.startswith(missing):
        key = problem.removeprefix(missing).rstrip("`")
        inner, problem = f"{inner}.{key}".lstrip("."), "is missing"
    return (place.at(inner) if inner else place).changed(problem)


@lru_cache(maxsize=4096)
def _instant(text: str) -> datetime | None:
    if len(text) < 16 or text[10] != "T":
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def kickoff_of(text: str, place: Place, path: str, zone: tzinfo = UTC) -> datetime:
    """An instant of the form 2020-10-03T11:30:00.0000000Z, to the second.

    Args:
        place, path: where it stands, for messages.
        zone: where none is told.
    Raises:
        LayoutChanged: it is not written like this.
        Refused: it is outside 1870..2100 (year 1 stands for "not known").
    """
    told = _instant(text)
    if told is None:
        raise place.at(path).changed(f"{text[:40]!r} is not an instant like 2020-10-03T11:30:00Z")
    if not EARLIEST <= told.date() <= LATEST:
        raise Refused(f"{path.rpartition('.')[2]}: {text[:40]!r} is no day of a match; the source does not know it")
    zoned = told.replace(tzinfo=zone) if told.tzinfo is None else told
    return zoned.astimezone(UTC).replace(microsecond=0)


def club_of(told: str | None, field: str) -> str:
    """A club's name.

    Raises:
        Refused: it is empty, too long, or not decided yet.
    """
    name = team_of(told or "", field)
    if name.lower() in _UNDECIDED:
        raise Refused(f"{field} {name!r} is no club: it is not decided yet")
    if not name.isprintable():
        raise Refused(f"{field} {name[:20]!r} holds characters that cannot be printed")
    return name


def words_of(told: str | None) -> str | None:
    """A short text with its spaces put right; None where there is nothing to read."""
    text = " ".join((told or "").split())
    return text if text and text.isprintable() and len(text) <= 200 else None


def score_of(home: int | None, away: int | None, field: str) -> tuple[int, int] | None:
    """Both sides' goals; None where they are not told.

    Raises:
        Refused: they are no numbers of goals, or only one is told.
    """
    if home is None and away is None:
        return None
    if home is None or away is None:
        raise Refused(f"{field}: {home}-{away} is half a score")
    if not (0 <= home <= MAX_GOALS and 0 <= away <= MAX_GOALS):
        raise Refused(f"{field}: {home}-{away} is not a score; goals are whole numbers from 0 to {MAX_GOALS}")
    return home, away


@lru_cache(maxsize=256)
def _first_year(text: str) -> int | None:
    first, _, second = text.strip().partition("/")
    if not (len(first) == 4 and first.isascii() and first.isdecimal()):
        return None
    year = int(first)
    return year if second in ("", str(year + 1), f"{(year + 1) % 100:02}") else None


def season_of(told: str | None, competition: Competition, day: date) -> int:
    """The year in which a season written 2020/2021 or 2020 starts; told by the day where that makes no sense."""
    year = _first_year(told or "")
    return year if year is not None and 0 <= day.year - year <= 1 else competition.season_of(day)


def competition_of(tournament_id: int, region: str | None, name: str) -> Competition:
    """The competition with this id on the site; one that we do not know stands for itself, if we know its country.

    Args:
        region, name: as the source tells them.
    Raises:
        Refused: we know neither it nor its country.
    """
    competition = COMPETITION_BY_CODE.get((NAME, str(tournament_id)))
    if competition is None:
        country = fold_name(region or "?").replace(" ", "-")
        told = words_of(name) or str(tournament_id)
        competition = unknown_competition(NAME, str(tournament_id), told, _COUNTRY.get(country, country))
    if competition is None:
        where = f"{region or '?'}, {name}"
        raise Refused(
            f"tournament {tournament_id} ({where[:80]}) is none we know; add its id to domain/competitions.py"
            " if its matches are wanted"
        )
    return competition
