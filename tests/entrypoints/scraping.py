"""Scrapes of files of our own making, and the function that does them."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
from sqlalchemy import select

from functions.scrape.main import build
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tasks import SqlTasks
from matchcast.adapters.sources.captured import parse_captured
from matchcast.domain.event import Event
from matchcast.errors import LayoutChanged, SourceBlocked
from matchcast.events import PING, MatchesIngested, payload_of
from matchcast.ports import Clock, MatchStore, ObjectStore, Parsed
from matchcast.ports.events import Task
from matchcast.ports.feeds import Captures, Feed, RawFile, Visit, Window
from matchcast.settings import ScrapeSettings, read_settings
from matchcast.web.app import WebApp
from matchcast.web.connections import Connections
from tests.entrypoints.recorder import Recorder, deliver, reply_of

NOW: Final = datetime(2025, 3, 1, 9, tzinfo=UTC)
E0: Final = """Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR
E0,25/01/2025,15:00,Arsenal,Wolves,2,0,H
E0,22/02/2025,15:00,Fulham,Brentford,1,1,D
E0,23/02/2025,15:00,Everton,Everton,1,1,D
E0,08/03/2025,15:00,Chelsea,Arsenal,,,
"""
ASKED: Final = {
    "source": "football-data",
    "from": "2025-02-20",
    "to": "2025-03-10",
    "tournaments": ["england:premier-league"],
}
_HEADER: Final = "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR\n"
PAGES: Final = {
    "1.csv": f"{_HEADER}E0,22/02/2025,Fulham,Brentford,1,1,D\n",
    "2.csv": f"{_HEADER}E0,23/02/2025,Everton,Arsenal,0,2,A\n",
    "3.csv": f"{_HEADER}E0,24/02/2025,Chelsea,Wolves,3,1,H\n",
}
WHOLE: Final = {"inserted": 3, "updated": 0, "unchanged": 0, "rejected": 0}
"""What a scrape of them counts."""
DUE: Final = Event(
    "p1", "/apis/v1/namespaces/matchcast/pingsources/odds", PING, NOW,
    {"source": "football-data", "days_before": 9, "days_after": 10},
)  # fmt: skip


def task(database: Database, task_id: str) -> Task:
    found = SqlTasks(database).find(task_id)
    assert found is not None
    return found


def rows(database: Database, table: Any) -> list[Any]:
    with database.reading() as connection:
        return list(connection.execute(select(table)))


def accepted(scrape: httpx.Client, broker: Recorder, **changes: Any) -> Event:
    """The event of a request that was accepted."""
    answer = scrape.post("/scrape", json=ASKED | changes)
    assert answer.status_code == 202, answer.text
    return broker.events[-1]


def asks(source: str, id_: str | None = None, /, **changes: Any) -> Event:
    """An event that asks for a scrape, with its task, as a workflow publishes it."""
    id_ = id_ or str(uuid4())
    data = ASKED | {"task_id": id_, "source": source} | changes
    return Event(id_, "/airflow/dags/scrape", "org.matchcast.scrape.requested", NOW, data)


def ingested(client: httpx.Client, event: Event) -> MatchesIngested:
    reply = reply_of(deliver(client, event))
    assert reply is not None
    return payload_of(reply, MatchesIngested)


@dataclass
class Pages:
    """A source whose pages are the files of a folder, in order of their names; it is asked as sites with validators are.

    A page that begins with 403 is a block page of that status; one that begins with < has changed its layout.

    Attributes:
        before: called before a page is asked for.
        retry_after: what a block page says of it.
    """

    folder: Path
    name: str = "pages"
    before: Callable[[str], None] = lambda page: None
    retry_after: int | None = None
    visits: int = 0
    at_once: list[int] = field(default_factory=list)

    def fetch(self, window: Window, visit: Visit) -> Iterator[RawFile]:
        self.visits += 1
        self.at_once.append(self.visits)
        try:
            for path in sorted(self.folder.glob("*.csv")):
                visit.deadline.check()
                yield self._page(path, visit)
        finally:
            self.visits -= 1

    def _page(self, path: Path, visit: Visit) -> RawFile:
        url = f"pages://{self.name}/{path.name}"
        kept = visit.kept(url)
        if kept is not None and kept.taken_at is not None and kept.taken_at >= visit.since:
            return kept
        self.before(path.name)
        content = path.read_bytes()
        etag = hashlib.sha256(content).hexdigest()
        with (self.folder / "asked").open("a") as asked:
            asked.write(json.dumps([path.name, kept is not None]) + "\n")
        if kept is not None and kept.etag == etag:
            return kept
        return RawFile(path.name, url, "text/csv", content, 403 if content.startswith(b"403") else 200, etag)

    @property
    def asked(self) -> list[str]:
        """The pages asked for, by any process; with a ? where the question was whether they changed."""
        file = self.folder / "asked"
        told = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [f"{page}?" if conditional else page for page, conditional in told]

    def parse(self, file: RawFile, now: datetime) -> Parsed:
        if file.status == 403:
            raise SourceBlocked(f"source: {self.name} turns us away: 403", retry_after=self.retry_after)
        if file.content.startswith(b"<"):
            raise LayoutChanged("it begins with <, not with Div", "Div")
        return parse_captured("football-data", file, now)


def function_of(
    feed: Feed,
    environment: Mapping[str, str],
    *,
    now: Clock | None = None,
    objects: Callable[[ObjectStore], ObjectStore] = lambda store: store,
    captures: Callable[[Captures], Captures] = lambda record: record,
    store: Callable[[MatchStore], MatchStore] = lambda matches: matches,
    seconds: float | None = None,
) -> WebApp:
    """The function with this source alone; `objects`, `captures` and `store` may wrap what it writes to."""
    settings = read_settings(ScrapeSettings, environment)
    to = Connections(settings)
    return build(
        feeds={feed.name: feed},
        objects=lambda: objects(to.store),
        inbox=to.inbox,
        tasks=to.tasks,
        store=lambda: store(to.match_store()),
        captures=lambda: captures(to.captures()),
        cool_downs=to.cool_downs,
        turns=to.turns,
        sink=to.sink(settings.sink),
        terms=to.terms,
        telemetry=to.telemetry(),
        now=now or to.now,
        new_id=lambda: str(uuid4()),
        seconds=seconds or settings.handler_seconds,
        kept_for=timedelta(hours=settings.task_hours),
        left_alone_for=timedelta(hours=settings.cool_down_hours),
    )
