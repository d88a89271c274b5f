"""What the CSV sources share: text, header, lines, and checked values."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

from matchcast.domain.competitions import COMPETITION_BY_ID, Competition, unknown_competition
from matchcast.domain.match import MAX_GOALS, RejectedRow, SourceMatch
from matchcast.errors import BadSource

EARLIEST: Final = date(1870, 1, 1)
LATEST: Final = date(2100, 12, 31)
_SHOWN: Final = 200
_START: Final = 65_536


class Refused(Exception):
    """A row that cannot become a match; the message is the reason. Never leaves `parse`."""


class Line(NamedTuple):
    """A line that is not blank: its 1-based number, its fields, and its text."""

    number: int
    fields: Sequence[str]
    text: str

    def rejected(self, reason: str) -> RejectedRow:
        return RejectedRow(self.number, reason, self.text[:_SHOWN])


def text_of(raw: bytes, file_name: str, expected: str) -> str:
    """The file as text: UTF-8, or the Windows code page that older files are in.

    Raises:
        BadSource: it is empty, binary, or an HTML page.
    """
    name = file_name or "the file"
    if not raw.strip(b"\xef\xbb\xbf \t\r\n"):
        raise BadSource(f"{name}: the file is empty; expected {expected}; fetch it again", "file")
    if b"\0" in raw[:_START]:
        raise BadSource(f"{name}: this is not text; expected {expected}; unpack or export it as UTF-8 first", "file")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = raw.decode("cp1252")
        except UnicodeDecodeError as error:
            raise BadSource(
                f"{name}: byte {error.start} is neither UTF-8 nor Windows-1252; expected {expected}; save it as UTF-8",
                "file",
            ) from error
    start = text[:2000].lstrip().lower()
    if start.startswith(("<!doctype", "<html", "<head", "<?xml")):
        raise BadSource(f"{name}: this is a web page; expected {expected}; check the address, fetch it again", "file")
    return text


def header_of(raw: bytes, file_name: str, expected: str) -> list[str]:
    """The names in the first line that is not blank.

    Raises:
        BadSource: as `text_of`.
    """
    last_newline = raw.rfind(b"\n", 0, _START)
    text = text_of(raw[: last_newline + 1] if raw.count(b"\n", 0, _START) > 1 else raw, file_name, expected)
    return next((_split(line) for line in _lines(text) if line.strip(", \t")), [])


def table_of(raw: bytes, file_name: str, expected: str) -> tuple[list[str], Iterator[Line]]:
    """The header and the lines below it; blank ones and those of commas only are left out.

    Raises:
        BadSource: as `text_of`.
    """
    numbered = enumerate(_lines(text_of(raw, file_name, expected)), 1)
    filled = ((number, line) for number, line in numbered if line.strip(", \t"))
    _, first = next(filled, (0, ""))
    header = [name.strip() for name in _split(first)]
    return header, (Line(number, _split(line), line) for number, line in filled)


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _split(line: str) -> list[str]:
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line]), [])
    except csv.Error:  # a field beyond csv's limit: the row will be refused for its columns
        return [line]


def unknown_tournaments(rows: Iterable[SourceMatch]) -> tuple[Competition, ...]:
    """The tournaments of rows that we do not know, of a source that tells them by their codes alone."""
    told = {(row.source, row.tournament) for row in rows}
    codes = (
        (source, written.removeprefix(f"{source}:"))
        for source, written in sorted(told)
        if written not in COMPETITION_BY_ID
    )
    return tuple(found for source, code in codes if (found := unknown_competition(source, code, code, None)))


def missing(file_name: str, columns: Sequence[str], header: Sequence[str], expected: str) -> BadSource:
    """The error for a table without the columns it needs."""
    return BadSource(
        f"{file_name or 'the file'}: column {', '.join(columns)} is missing (found {', '.join(header[:8])[:200]});"
        f" expected {expected}",
        columns[0],
    )


def day_of(text: str, field: str) -> date:
    """A day written 2012-08-18, 18/08/2012 or 18/08/12 (years 70-99 are 19xx).

    Raises:
        Refused: it is none, or outside 1870..2100.
    """
    written = text.strip()
    try:
        if "/" in written:
            day, month, year = (int(part) for part in written.split("/"))
            if len(written.rsplit("/", 1)[1].strip()) <= 2:
                year += 1900 if year >= 70 else 2000
            value = date(year, month, day)
        else:
            value = date.fromisoformat(written)
    except (ValueError, OverflowError) as error:
        raise Refused(f"{field} {written[:20]!r} is not a date; write dd/mm/yyyy or yyyy-mm-dd") from error
    if not EARLIEST <= value <= LATEST:
        raise Refused(f"{field} {value.isoformat()} is not between 1870 and 2100")
    return value


def midnight(day: date) -> datetime:
    """The start of the day, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


_GOALS: Final = {written: n for n in range(MAX_GOALS + 1) for written in (str(n), f"{n}.0")}


def goals_of(text: str, field: str) -> int:
    """A score between 0 and 40, also written 1.0.

    Raises:
        Refused: it is none.
    """
    goals = _GOALS.get(text) if text in _GOALS else _GOALS.get(text.strip())
    if goals is None:
        raise Refused(
            f"{field} {text.strip()[:20]!r} is not a number of goals; write a whole number from 0 to {MAX_GOALS}"
        )
    return goals


def count_of(text: str) -> int | None:
    """A whole number from 0 on, also written 12.0; None if there is none; -1 if it is something else."""
    goals = _GOALS.get(text)
    if goals is not None:
        return goals
    written = text.strip()
    if not written:
        return None
    try:
        value = float(written)
    except ValueError:
        return -1
    return int(value) if 0 <= value < 1000 and value == int(value) else -1


def team_of(text: str, field: str) -> str:
    """A club's name, spaces put right.

    Raises:
        Refused: it is empty or longer than 80 characters.
    """
    name = " ".join(text.replace("\u0092", "'").split())
    if not name:
        raise Refused(f"{field} is empty; name the club")
    if len(name) > 80:
        raise Refused(f"{field} {name[:20]!r}… is longer than 80 characters; is the row shifted?")
    return name
