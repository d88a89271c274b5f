"""Read a source for the matches of some days, and bring them into the store."""

import gzip
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from matchcast.domain.competitions import COMPETITION_BY_ID
from matchcast.domain.event import Event, source_of
from matchcast.domain.match import MatchStatus
from matchcast.errors import BadInput, BadSource, MatchcastError, TaskEnded, Unavailable
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
from matchcast.ports import MatchStore, ObjectStore, Parsed, TeamAlias
from matchcast.ports.events import Deadline, Effect, Inbox, Sink, Task, Tasks, TaskState
from matchcast.ports.feeds import Capture, Captures, Feed, RawFile, Visit, Window
from matchcast.usecases.asking import asked_of, publish_asking
from matchcast.usecases.ingest import IngestReport, ParsedFile, ingest
from matchcast.usecases.scrape_due import LONGEST_WINDOW, ScrapeDue, task_id_of

_SERVICE: Final = "scrape"
_KIND: Final = "scrape"
LARGEST_SCRAPE: Final = 128 * 1024 * 1024
"""Bytes that one scrape may read."""
_SHOWN: Final = 20
"""Of each list in a task's result."""


@dataclass(frozen=True, slots=True)
class Scraping:
    """What a scrape needs.

    Attributes:
        feeds: the sources configured, by name.
        kept_for: how long a task's status can be asked for.
        problem_of: an error as events and tasks tell it.
    """

    feeds: Mapping[str, Feed]
    objects: ObjectStore
    inbox: Inbox
    tasks: Tasks
    store: MatchStore
    captures: Captures
    aliases: Callable[[], Sequence[TeamAlias]]
    kept_for: timedelta
    problem_of: Callable[[MatchcastError], Problem]


def request_scrape(
    source: str, window: Window, *, task_id: str, feeds: Mapping[str, Feed], tasks: Tasks, sink: Sink, now: datetime,
    kept_for: timedelta,
) -> None:  # fmt: skip
    """Accept a scrape: from then on its task reaches a final state.

    Raises:
        BadInput: the window is too long or empty, or the source or a tournament is none we know; names the field.
        Unavailable: the broker or the database is away; nothing was accepted.
    """
    _check(source, window, feeds)
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


def _check(source: str, window: Window, feeds: Mapping[str, Feed]) -> None:
    if source not in feeds:
        known = f"take one of {', '.join(sorted(feeds))}" if feeds else "no source is; set MATCHCAST_FOOTBALL_DATA_URL"
        raise BadSource(f"source: {source[:40]!r} is not configured; {known}", "source")
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
    captures: list[Capture] = field(default_factory=list)

    def run(self) -> Event | None:
        before = self.given.inbox.handled(_SERVICE, self.event)
        if before is not None:
            return before.reply
        if not self.given.tasks.start(self.task_id, self.now):
            return self._reply_of_another_delivery()
        effect: Effect
        try:
            _check(self.source, self.window, self.given.feeds)
            effect = partial(self._store, self._read())
        except Unavailable:
            raise
        except MatchcastError as error:
            effect = partial(self._fail, self.given.problem_of(error))
        return self.given.inbox.once(_SERVICE, self.event, self.now, effect)

    def _reply_of_another_delivery(self) -> Event | None:
        """The reply of one that came to its end since `run` looked, whose own answer may be lost.

        Raises:
            TaskEnded: there was none.
        """
        before = self.given.inbox.handled(_SERVICE, self.event)
        if before is None:
            raise self._ended()
        return before.reply

    def _read(self) -> Sequence[ParsedFile]:
        """The window's matches, file by file. What the source answered is kept before anyone looks into it."""
        feed = self.given.feeds[self.source]
        found, size = [], 0
        for file in feed.fetch(self.window, Visit(self.now, self.now, self.deadline, lambda url: None)):
            size += len(file.content)
            if size > LARGEST_SCRAPE:
                raise BadSource(
                    f"source: {self.source} has more than {LARGEST_SCRAPE >> 20} MiB for this window; "
                    "ask for fewer days or tournaments at once",
                    "source",
                )
            self.deadline.check()
            self._keep(file)
            self.deadline.check()
            parsed = feed.parse(file, self.now)
            rows = [row for row in parsed.rows if self.window.holds(row)]
            found.append(ParsedFile(file.name, Parsed(rows, parsed.rejected)))
        return found

    def _keep(self, file: RawFile) -> None:
        digest = hashlib.sha256(file.content).hexdigest()
        key = f"captures/{self.source}/{self.now.date().isoformat()}/{digest}.gz"
        self.given.objects.put(key, gzip.compress(file.content, mtime=0))
        self.captures.append(Capture(self.source, file.url, self.now, file.media_type, digest, key))

    def _store(self, files: Sequence[ParsedFile]) -> Event:
        report = ingest(files, self.given.store, self.given.aliases(), self.now)
        told = sorted(report.loaded.statuses.items())
        payload = MatchesIngested(
            task_id=self.task_id,
            source=self.source,
            counts=IngestCounts(**report.loaded.matches._asdict(), rejected=len(report.rejected)),
            finished=tuple(match for match, status in told if status is MatchStatus.FINISHED),
            upcoming=tuple(match for match, status in told if status is MatchStatus.UPCOMING),
            captures=tuple(dict.fromkeys(capture.object_key for capture in self.captures)),
        )
        return self._finish(payload, result=self._result(payload, report))

    def _fail(self, problem: Problem) -> Event:
        payload = ScrapeFailed(task_id=self.task_id, source=self.source, problem=problem)
        return self._finish(payload, problem=problem.to_json())

    def _finish(
        self, payload: Payload, *, result: Mapping[str, Any] | None = None, problem: Mapping[str, Any] | None = None
    ) -> Event:
        self.given.captures.add(self.captures)
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
            "rejected": [f"{file}:{row.line}: {row.reason}" for file, row in report.rejected[:_SHOWN]],
            "captures": list(payload.captures),
        }

    def _ended(self) -> TaskEnded:
        return TaskEnded(f"task {self.task_id} is unknown or has its final state")
