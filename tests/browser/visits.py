"""Visits of the site by the function `scrape`, and what came of them."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx

from matchcast.adapters.browser import Browser
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import captures, match_stats, matches
from matchcast.adapters.objects_folder import FolderStore
from matchcast.adapters.sources.whoscored.visiting import WhoScoredFeed
from matchcast.domain.event import Event
from tests.browser.site import Site
from tests.entrypoints.recorder import deliver, reply_of
from tests.entrypoints.scraping import asks, function_of, rows, task
from tests.entrypoints.served import served

NOW: Final = datetime(2024, 10, 20, 9, tzinfo=UTC)
CONTACT: Final = "ops@example.org"
DAYS: Final = {"from": "2024-10-12", "to": "2024-10-20", "tournaments": []}
"""Read day by day."""
SEASON: Final = {"from": "2024-08-01", "to": "2024-12-31", "tournaments": []}
"""Read by calendars and months."""


class Outcome(NamedTuple):
    """What a delivery of the event came to.

    Attributes:
        status: of the answer to the broker.
        event: that was answered, without the common prefix; empty for none.
        task: its state.
        problem: in the task's words.
    """

    status: int
    event: str
    task: str
    problem: str
    data: dict[str, Any]


@dataclass
class Visiting:
    """The function `scrape`, served, with the site as its only source; `pauses` are those it made."""

    client: httpx.Client
    database: Database
    objects: FolderStore
    site: Site
    feed: WhoScoredFeed
    pauses: list[float] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        site: Site,
        opener: Callable[[], AbstractContextManager[Browser]],
        database: Database,
        database_url: str,
        folder: Path,
        leaving: ExitStack,
    ) -> "Visiting":
        pauses: list[float] = []
        feed = WhoScoredFeed(site.url, 4, opener, sleep=pauses.append)
        environment = {
            "MATCHCAST_DATABASE_URL": database_url,
            "MATCHCAST_OBJECTS_URL": str(folder / "objects"),
            "MATCHCAST_CACHE_DIR": str(folder / "cache"),
            "MATCHCAST_CLOCK_STARTS_AT": NOW.isoformat(),
            "MATCHCAST_HANDLER_SECONDS": "300",
            "K_SINK": "http://127.0.0.1:9",
        }
        client = leaving.enter_context(served(function_of(feed, environment)))
        client.timeout = httpx.Timeout(300)
        return cls(client, database, FolderStore(folder / "objects"), site, feed, pauses)

    def visit(self, asked: dict[str, Any] | None = None, event: Event | None = None) -> Outcome:
        """Deliver an event that asks for these days."""
        event = event or asking(asked or DAYS)
        answer = deliver(self.client, event)
        reply = reply_of(answer) if answer.status_code != 503 else None
        done = task(self.database, event.data["task_id"])
        problem = done.problem or (answer.json() if answer.status_code == 503 else {})
        return Outcome(
            answer.status_code,
            "" if reply is None else reply.type.removeprefix("org.matchcast."),
            done.state.value,
            str(problem.get("detail", "")),
            {} if reply is None else dict(reply.data),
        )

    def stored(self) -> dict[str, Any]:
        """The matches in the store, by the site's ids."""
        return {row.source_id: row for row in rows(self.database, matches)}

    def stats(self) -> dict[int, Any]:
        return {row.match_id: row for row in rows(self.database, match_stats)}

    def captured(self) -> list[Any]:
        return rows(self.database, captures)


def asking(asked: dict[str, Any]) -> Event:
    return asks("whoscored", **asked)
