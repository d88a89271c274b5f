"""Read a source for the matches of some days, and bring them into the store."""

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Any, Final

from matchcast.domain.competitions import COMPETITION_BY_ID
from matchcast.domain.event import Event, source_of
from matchcast.domain.match import MatchStatus, RejectedRow
from matchcast.errors import BadInput, BadSource, LayoutChanged, MatchcastError, SourceBlocked, TaskEnded, Unavailable
from matchcast.events import (
    IngestCounts,
    MatchesIngested,
    Payload,
    Problem,
    ScrapeFailed,
    ScrapeRequested,
    data_of,
    first_event,
    next_event,
)
from matchcast.ports import Clock, MatchStore, ObjectStore, Parsed, TeamAlias
from matchcast.ports.events import Deadline, Effect, Inbox, Sink, Task, Tasks, TaskState
from matchcast.ports.feeds import (
    NONE_SETTLED,
    TURNED_AWAY,
    Capture,
    Captures,
    CoolDown,
    CoolDowns,
    Feed,
    RawFile,
    Visit,
    Window,
)
from matchcast.ports.renewal import Turns
from matchcast.usecases.asking import asked_of, publish_asking
from matchcast.usecases.captured import Archive, capture_of
from matchcast.usecases.ingest import IngestReport, ParsedFile, ingest
from matchcast.usecases.scrape_due import LONGEST_WINDOW, ScrapeDue, task_id_of
from matchcast.usecases.tournaments import settled_tournaments

_SERVICE: Final = "scrape"
_KIND: Final = "scrape"
LARGEST_SCRAPE: Final = 128 * 1024 * 1024
"""Bytes that one delivery may read of a source; what was captured before does not count."""
GOES_ON_WITHIN: Final = timedelta(days=1)
"""A visit that broke off goes on where it was for so long; later it asks anew."""
FIRST_DAY: Final = date(1870, 1, 1)
FURTHEST_AHEAD: Final = timedelta(days=731)
"""No calendar of matches reaches further; a file's name tells its years by two digits only."""
LONGEST_COOL_DOWN: Final = timedelta(days=30)
_TOO_ODD: Final = 3
"""So many supplements that cannot be read, and none that can: the rest will be no better."""
_SHOWN: Final = 20
"""Of each list in a task's result."""


@dataclass(frozen=True, slots=True)
class Scraping:
    """What a scrape needs.

    Attributes:
        feeds: the sources configured, by name.
        clock: says when an answer was taken.
        kept_for: how long a task's status can be asked for.
        left_alone_for: how long a source that turns us away is left alone, if it does not say itself.
        problem_of: an error as events and tasks tell it.
        count: hears of every answer kept (`captured`) and of how every scrape ended: the source, and what it was.
    """

    feeds: Mapping[str, Feed]
    objects: ObjectStore
    inbox: Inbox
    tasks: Tasks
    store: MatchStore
    captures: Captures
    cool_downs: CoolDowns
    turns: Turns
    aliases: Callable[[], Sequence[TeamAlias]]
    clock: Clock
    kept_for: timedelta
    left_alone_for: timedelta
    problem_of: Callable[[MatchcastError], Problem]
    count: Callable[[str, str], None]


def request_scrape(
    source: str, window: Window, *, task_id: str, feeds: Mapping[str, Feed], cool_downs: CoolDowns, tasks: Tasks,
    sink: Sink, now: datetime, kept_for: timedelta,
) -> None:  # fmt: skip
    """Accept a scrape: from then on its task reaches a final state.

    Raises:
        BadInput: the window is too long or empty, or the source or a tournament is none we know; names the field.
        Unavailable: the broker or the database is away, or the source is left alone; nothing was accepted.
    """
    _check(source, window, feeds, now)
    cool_down = cool_downs.of(source, now)
    if cool_down is not None:
        raise Unavailable(_words(source, cool_down), math.ceil((cool_down.until - now).total_seconds()))
    payload = ScrapeRequested(
        task_id=task_id,
        source=source,
        first_day=window.first_day,
        last_day=window.last_day,
        tournaments=tuple(sorted(window.tournaments)),
    )
    tasks.add(_new_task(task_id, now, kept_for))
    event = first_event(payload, id=task_id, service=_SERVICE, now=now, subject=source)
    publish_asking(event, task_id, tasks, sink)


def scrape_requested(event: Event, given: Scraping, now: datetime, deadline: Deadline) -> Event | None:
    """Do what a scrape.requested asks for. One that others than we published brings its task along.

    Raises:
        BadInput: the event is not as its schema says; the task it names has failed.
        TaskEnded: its task has its final state, or was not accepted; nothing was written.
        Unavailable: the source, the database or the object store is away.
    """
    asked = asked_of(event, ScrapeRequested, given.tasks, now, given.problem_of)
    if event.source != source_of(_SERVICE) and given.inbox.handled(_SERVICE, event) is None:
        given.tasks.add(_new_task(asked.task_id, now, given.kept_for))
    window = Window(asked.first_day, asked.last_day, frozenset(asked.tournaments))
    return _Scrape(event, asked.task_id, asked.source, window, given, now, deadline).run()


def scrape_due(event: Event, given: Scraping, now: datetime, deadline: Deadline) -> Event | None:
    """Do what a PingSource asks for; its task is made of the event.

    Raises:
        BadInput, TaskEnded, Unavailable: as for `scrape_requested`.
    """
    due = data_of(event, ScrapeDue)
    task_id, today = task_id_of(event), now.date()
    window = Window(today - timedelta(days=due.days_before), today + timedelta(days=due.days_after))
    if given.inbox.handled(_SERVICE, event) is None:
        given.tasks.add(_new_task(task_id, now, given.kept_for))
    return _Scrape(event, task_id, due.source, window, given, now, deadline).run()


def _new_task(task_id: str, now: datetime, kept_for: timedelta) -> Task:
    return Task(task_id, _KIND, TaskState.PENDING, now, now, now + kept_for)


def _check(source: str, window: Window, feeds: Mapping[str, Feed], now: datetime) -> None:
    if source not in feeds:
        known = f"take one of {', '.join(sorted(feeds))}" if feeds else "no source is; set MATCHCAST_FOOTBALL_DATA_URL"
        raise BadSource(f"source: {source[:40]!r} is not configured; {known}", "source")
    if window.first_day < FIRST_DAY:
        raise BadInput(f"from: no source tells of matches before {FIRST_DAY}; give a later day", "from")
    last_day = (now + FURTHEST_AHEAD).date()
    if window.last_day > last_day:
        raise BadInput(f"to: no source tells of matches after {last_day}; give an earlier day", "to")
    if window.last_day < window.first_day:
        raise BadInput(f"to: {window.last_day} is before from, {window.first_day}; give a later day", "to")
    if (window.last_day - window.first_day).days >= LONGEST_WINDOW:
        raise BadInput(f"to: at most {LONGEST_WINDOW} days at once; ask for the rest in further requests", "to")
    unknown = sorted(window.tournaments - COMPETITION_BY_ID.keys())
    if unknown:
        raise BadInput(
            f"tournaments: {unknown[0][:60]!r} is no tournament's id; give ids such as england:premier-league",
            "tournaments",
        )


def _words(source: str, cool_down: CoolDown) -> str:
    return f"{cool_down.reason}; {source} is left alone until {cool_down.until:%Y-%m-%d %H:%M:%S} UTC"


@contextmanager
def _closing(files: Iterable[RawFile]) -> Iterator[Iterator[RawFile]]:
    """A visit that breaks off is over at once: its browser or connection is closed."""
    try:
        yield iter(files)
    finally:
        if isinstance(files, Generator):
            files.close()


@dataclass(slots=True)
class _Scrape:
    """One delivery of an event that asks for a scrape."""

    event: Event
    task_id: str
    source: str
    window: Window
    given: Scraping
    now: datetime
    deadline: Deadline
    captures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ended: str | None = None

    def run(self) -> Event | None:
        before = self.given.inbox.handled(_SERVICE, self.event)
        if before is not None:
            return before.reply
        if not self.given.tasks.start(self.task_id, self.now):
            return self._reply_of_another_delivery()
        try:
            _check(self.source, self.window, self.given.feeds, self.now)
            self._check_cool_down()
        except BadInput as error:
            return self._once(partial(self._fail, error))
        with self.given.turns.turn(f"scrape:{self.source}", self.deadline) as still:
            before = self.given.inbox.handled(_SERVICE, self.event)
            return self._once(self._visited(still)) if before is None else before.reply

    def _once(self, effect: Effect) -> Event | None:
        reply = self.given.inbox.once(_SERVICE, self.event, self.now, effect)
        if self.ended is not None and self.source in self.given.feeds:
            self.given.count(self.source, self.ended)
        return reply

    def _reply_of_another_delivery(self) -> Event | None:
        """The reply of one that came to its end since `run` looked, whose own answer may be lost.

        Raises:
            TaskEnded: there was none.
        """
        before = self.given.inbox.handled(_SERVICE, self.event)
        if before is None:
            raise self._ended()
        return before.reply

    def _check_cool_down(self) -> None:
        cool_down = self.given.cool_downs.of(self.source, self.now)
        if cool_down is not None:
            raise SourceBlocked(_words(self.source, cool_down))

    def _visited(self, still: Callable[[], None]) -> Effect:
        """Visit the source; what is then to be done in the event's transaction."""
        try:
            self._check_cool_down()
            return partial(self._store, self._read(still))
        except Unavailable as error:
            self.given.count(self.source, "unavailable")
            self.given.tasks.note(self.task_id, self.now, self.given.problem_of(error).to_json())
            raise
        except MatchcastError as error:
            return partial(self._fail, error)

    def _read(self, still: Callable[[], None]) -> Sequence[ParsedFile]:
        """The window's matches, file by file, in the order in which their answers were taken.

        What the source answered is kept before anyone looks into it.
        """
        feed = self.given.feeds[self.source]
        archive = Archive(self.given.objects, self.given.captures)
        settled = settled_tournaments(self.given.store) if self.window.tournaments else NONE_SETTLED
        visit = Visit(self.now, self._since(), self.deadline, archive.latest, self.notes.append, archive.missing)
        found: list[tuple[datetime, ParsedFile]] = []
        odd: list[BadSource] = []
        size = good = 0
        with _closing(feed.fetch(self.window, visit)) as files:
            for file in files:
                size += len(file.content) if file.taken_at is None else 0
                if size > LARGEST_SCRAPE:
                    raise BadSource(
                        f"source: {self.source} has more than {LARGEST_SCRAPE >> 20} MiB for this window; "
                        "ask for fewer days or tournaments at once",
                        "source",
                    )
                taken_at, kept = self._kept(file, archive)
                try:
                    found.append((taken_at, self._parsed(feed, kept, archive, settled)))
                    good += file.supplement
                except SourceBlocked:
                    raise
                except BadSource as error:
                    odd.append(error)
                    if not file.supplement or (len(odd) >= _TOO_ODD and not good):
                        raise
                    found.append((taken_at, ParsedFile(file.name, Parsed([], [RejectedRow(1, str(error))]))))
                self.deadline.check()
                still()
        if odd and len(odd) >= good:
            raise odd[0]
        found.sort(key=itemgetter(0))
        return [parsed for _, parsed in found]

    def _since(self) -> datetime:
        """When this visit was first asked for; not long ago, if its event lay among the dead letters."""
        task = self.given.tasks.find(self.task_id)
        earliest = self.now - GOES_ON_WITHIN
        return self.now if task is None else max(earliest, min(task.submitted_at, self.now))

    def _kept(self, file: RawFile, archive: Archive) -> tuple[datetime, RawFile]:
        """When the answer was taken, and the answer, which is kept by then."""
        if file.taken_at is not None:
            return file.taken_at, file
        now = self.given.clock()
        file = file._replace(taken_at=now)
        archive.keep(self.source, file)
        self.given.count(self.source, "captured")
        return now, file

    def _parsed(self, feed: Feed, file: RawFile, archive: Archive, settled: Mapping[str, str]) -> ParsedFile:
        capture = capture_of(self.source, file)
        self.captures.append(capture.object_key)
        self.deadline.check()
        try:
            parsed = feed.parse(file, self.now)
        except SourceBlocked as error:
            cool_down = self._leave_alone(
                capture, error.retry_after or self.given.left_alone_for.total_seconds(), error
            )
            archive.refuse(capture, f"{TURNED_AWAY}{error}")
            raise SourceBlocked(f"{_words(self.source, cool_down)}; see {capture.object_key}") from error
        except BadSource as error:
            if isinstance(error, LayoutChanged) and error.leave_alone_for is not None:
                self._leave_alone(capture, error.leave_alone_for, error)
            archive.refuse(capture, str(error))
            raise type(error)(f"{error}; see {capture.object_key}", error.field) from error
        rows = [row for row in parsed.rows if self.window.holds(row, settled)]
        return ParsedFile(file.name, parsed._replace(rows=rows))

    def _leave_alone(self, capture: Capture, seconds: float, error: BadSource) -> CoolDown:
        cool_down = CoolDown(capture.taken_at + min(LONGEST_COOL_DOWN, timedelta(seconds=seconds)), str(error))
        self.given.cool_downs.start(self.source, *cool_down)
        return cool_down

    def _store(self, files: Sequence[ParsedFile]) -> Event:
        report = ingest(files, self.given.store, self.given.aliases(), self.now)
        told = sorted(report.loaded.statuses.items())
        payload = MatchesIngested(
            task_id=self.task_id,
            source=self.source,
            counts=IngestCounts(**report.loaded.matches._asdict(), rejected=len(report.rejected)),
            finished=tuple(match for match, status in told if status is MatchStatus.FINISHED),
            upcoming=tuple(match for match, status in told if status is MatchStatus.UPCOMING),
            captures=tuple(dict.fromkeys(self.captures)),
        )
        self.ended = "ingested"
        return self._finish(payload, result=self._result(payload, report))

    def _fail(self, error: MatchcastError) -> Event:
        problem = self.given.problem_of(error)
        self.ended = problem.type.rpartition(":")[2]
        payload = ScrapeFailed(task_id=self.task_id, source=self.source, problem=problem)
        return self._finish(payload, problem=problem.to_json())

    def _finish(
        self, payload: Payload, *, result: Mapping[str, Any] | None = None, problem: Mapping[str, Any] | None = None
    ) -> Event:
        if not self.given.tasks.finish(self.task_id, self.now, result=result, problem=problem):
            raise self._ended()
        self.deadline.check()
        return next_event(self.event, payload, service=_SERVICE, now=self.now, subject=self.source)

    def _result(self, payload: MatchesIngested, report: IngestReport) -> dict[str, Any]:
        return {
            "source": self.source,
            "from": self.window.first_day.isoformat(),
            "to": self.window.last_day.isoformat(),
            "tournaments": sorted(self.window.tournaments),
            "matches": payload.counts.to_json(),
            "finished": len(payload.finished),
            "upcoming": len(payload.upcoming),
            "new_teams": [team.team_id for team in report.new_teams[:_SHOWN]],
            "held_names": [alias.name for alias in report.held[:_SHOWN]],
            "held_tournaments": [alias.told_as for alias in report.held_tournaments[:_SHOWN]],
            "rejected": [f"{file}:{row.line}: {row.reason}" for file, row in report.rejected[:_SHOWN]],
            "notes": self.notes,
            "captures": list(payload.captures),
        }

    def _ended(self) -> TaskEnded:
        return TaskEnded(f"task {self.task_id} is unknown or has its final state")
