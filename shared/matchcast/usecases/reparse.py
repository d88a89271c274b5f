"""Rebuild rows from what sources answered, without asking them again."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, NamedTuple

from matchcast.domain.match import MatchStatus
from matchcast.errors import BadSource, NotFound, SourceBlocked
from matchcast.ports import LoadReport, MatchStore, Parsed, TeamAlias, UpsertCount
from matchcast.ports.feeds import NONE_SETTLED, Capture, RawFile, Window
from matchcast.usecases.captured import Archive
from matchcast.usecases.ingest import IngestReport, ParsedFile, ingest
from matchcast.usecases.tournaments import settled_tournaments

EVERY_MATCH: Final = Window(date.min, date.max)
_GOOD: Final = 200
_LARGEST_LOAD: Final = 64 * 1024 * 1024


class Unreadable(NamedTuple):
    """A capture that gives no rows, and why."""

    capture: Capture
    reason: str


@dataclass(frozen=True, slots=True)
class Reparsed:
    """What a reparse did.

    Attributes:
        report: of all loads together; its files are named by the captures' keys.
        captures: how many were read.
        refused: how many are refusals or errors of the source; they hold no matches.
        unreadable: those that are damaged, lost, or not of the shape we know.
    """

    report: IngestReport
    captures: int
    refused: int
    unreadable: Sequence[Unreadable]


def reparse(
    captures: Iterable[Capture],
    archive: Archive,
    parse: Callable[[RawFile, datetime], Parsed],
    store: MatchStore,
    committed: Sequence[TeamAlias],
    now: datetime,
    *,
    window: Window = EVERY_MATCH,
    heard: Callable[[Capture], None] = lambda capture: None,
) -> Reparsed:
    """Load what captures tell, in the order they were taken, each read as of then.

    Captures of one day go in together as long as each is of another address: so the store sees an address's answers in
    the order in which they were given. One that cannot be read keeps no other from being loaded; one that could not be
    before and can be now is said to be good.

    Args:
        captures: of one source, oldest first.
        committed: club names known beforehand.
        window: the matches wanted.
        heard: is told of each capture before it is read.
    Raises:
        Unavailable: the store or the captures cannot be reached; what was loaded by then stays, and loading it again
            changes nothing.
    """
    reading = _Reading(archive, parse, window, lambda: settled_tournaments(store), heard)
    reports = [ingest(files, store, committed, now) for files in _loads(captures, reading)]
    return Reparsed(_all(reports), reading.read, reading.refused, reading.unreadable)


@dataclass(slots=True)
class _Reading:
    """Reads captures, and counts."""

    archive: Archive
    parse: Callable[[RawFile, datetime], Parsed]
    window: Window
    settled: Callable[[], Mapping[str, str]]
    heard: Callable[[Capture], None]
    read: int = 0
    refused: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)

    def __call__(self, capture: Capture) -> tuple[ParsedFile, int] | None:
        """The rows of a capture and its size in bytes; None where it gives none."""
        self.heard(capture)
        if capture.status != _GOOD:
            self.refused += 1
            return None
        try:
            file = self.archive.file(capture)
            found = self.parse(file, capture.taken_at)
        except SourceBlocked:
            self.refused += 1
            return None
        except (BadSource, NotFound) as error:
            self.unreadable.append(Unreadable(capture, str(error)))
            return None
        self.read += 1
        if capture.problem is not None:
            self.archive.accept(capture)
        settled = self.settled() if self.window.tournaments and found.tournaments else NONE_SETTLED
        rows = [row for row in found.rows if self.window.holds(row, settled)]
        return ParsedFile(f"{capture.object_key} ({capture.name})", found._replace(rows=rows)), len(file.content)


def _loads(
    captures: Iterable[Capture], reading: Callable[[Capture], tuple[ParsedFile, int] | None]
) -> Iterator[Sequence[ParsedFile]]:
    """The files that go in together."""
    files: list[ParsedFile] = []
    addresses: set[str] = set()
    day, size = None, 0
    for capture in captures:
        if files and (capture.url in addresses or capture.taken_at.date() != day or size > _LARGEST_LOAD):
            yield files
            files, addresses, size = [], set(), 0
        read = reading(capture)
        if read is not None:
            file, length = read
            files.append(file)
            addresses.add(capture.url)
            day, size = capture.taken_at.date(), size + length
    if files:
        yield files


def _all(reports: Sequence[IngestReport]) -> IngestReport:
    statuses: dict[int, MatchStatus] = {}
    for report in reports:
        statuses.update(report.loaded.statuses)
    held = {(name.source, name.country, name.name): name for report in reports for name in report.held}
    settled = [alias for report in reports for alias in report.settled_tournaments]
    waiting = {alias.told_as: alias for report in reports for alias in report.held_tournaments}
    loaded = LoadReport(
        _added(report.loaded.matches for report in reports),
        _added(report.loaded.stats for report in reports),
        _added(report.loaded.odds for report in reports),
        (),
        sum(report.loaded.repeated for report in reports),
        statuses,
    )
    return IngestReport(
        sum(report.rows_read for report in reports),
        loaded,
        [row for report in reports for row in report.rejected],
        [team for report in reports for team in report.new_teams],
        [name for report in reports for name in report.recognised],
        list(held.values()),
        list(dict.fromkeys(pair for report in reports for pair in report.look_alikes)),
        [name for report in reports for name in report.by_calendar],
        settled,
        [alias for told_as, alias in waiting.items() if told_as not in {found.told_as for found in settled}],
    )


def _added(counts: Iterable[UpsertCount]) -> UpsertCount:
    return UpsertCount(*(sum(kind) for kind in zip(UpsertCount(0, 0, 0), *counts, strict=True)))
