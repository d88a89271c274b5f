"""A world of functions, one database and one object store, to which events are delivered as brokers deliver them."""

import asyncio
import gc
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import httpx
from sqlalchemy import select
from starlette.types import ASGIApp

from functions.deadletter.main import app as deadletter
from functions.drift.main import app as drift
from functions.predict_async.main import app as predict_async
from functions.reload.main import HOOK
from functions.reload.main import app as reload
from functions.scrape.main import app as scrape
from matchcast.adapters.clock import Timer
from matchcast.adapters.cloudevents import event_http
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.history import SqlHistory
from matchcast.adapters.database.inbox import SqlInbox
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.tables import (
    captures,
    dead_events,
    drift_reports,
    forecasts,
    handled_events,
    matches,
    settlements,
    tasks,
)
from matchcast.adapters.database.tasks import SqlTasks
from matchcast.adapters.database.turns import SqlTurns
from matchcast.adapters.snapshot_file import open_snapshot
from matchcast.adapters.snapshot_writer import SnapshotWriter
from matchcast.domain.event import Event
from matchcast.domain.forecast import GENESIS_HASH
from matchcast.events import (
    PING,
    AskedPairing,
    IngestCounts,
    MatchesIngested,
    ModelPromoted,
    PredictionRequested,
    ScrapeRequested,
    first_event,
)
from matchcast.ports.events import Task, TaskState
from matchcast.usecases.champion import CHAMPION_KEY
from matchcast.usecases.publish import served_snapshot
from matchcast.usecases.renew import Renewer
from tests.entrypoints import house
from tests.entrypoints.house import House
from tests.entrypoints.recorder import Recorder, checked, recording, reply_of
from tests.entrypoints.shelf import Shelf

NOW: Final = datetime(2025, 3, 15, 9, tzinfo=UTC)
"""Two matches of England were played since the last renewal; nobody has told yet."""
TOKEN: Final = "a-token-of-sixteen-letters"
RESULTS: Final = """Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR
E0,05/03/2025,15:00,Westfield Fc,East Ham Rovers,2,0,H
E0,14/03/2025,15:00,Ålmouth,Southbrook City,1,1,D
"""
SUBSCRIBERS: Final = {MatchesIngested.type(): ("predict-async", "drift"), ModelPromoted.type(): ("predict-async",)}
"""Of events that follow from others."""
LATE: Final = "late"
"""Of a prediction that a broker gave up although its function was still at work: the first to end the task has ended it."""
OPEN: Final = ("known", "pairing", "nobody", "first", "second", "elsewhere", "given up", LATE)
"""Tasks that wait for their event."""


class Delivery(NamedTuple):
    """A request that a broker (or MinIO) makes as often as it likes; told apart by name."""

    name: str
    function: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return self.name


def _delivery(name: str, function: str, event: Event, path: str = "/") -> Delivery:
    headers, body = event_http(event)
    return Delivery(name, function, path, headers, body)


def _prediction(name: str, **asked: Any) -> Delivery:
    data = {"task_id": name, **asked}
    return _delivery(f"prediction {name}", "predict-async", _event(name, PredictionRequested.type(), data))


def _scrape(name: str, first_day: str, last_day: str, source: str = "football-data") -> Delivery:
    data = {"task_id": name, "source": source, "from": first_day, "to": last_day, "tournaments": [house.ENGLAND]}
    return _delivery(f"scrape {name}", "scrape", _event(name, ScrapeRequested.type(), data, source="/matchcast/scrape"))


def _event(
    id_: str,
    type_: str,
    data: Any,
    source: str = "/matchcast/predict-async",
    extensions: Mapping[str, str] | None = None,
) -> Event:
    return Event(id_, source, type_, NOW, data, extensions=extensions or {})


def _pairing(home: str, away: str) -> dict[str, Any]:
    kickoff_at = NOW + timedelta(days=9)
    asked = AskedPairing(home_team=home, away_team=away, tournament="spain:la-liga", kickoff_at=kickoff_at)
    return {"fixture": asked.to_json()}


def first_deliveries() -> list[Delivery]:
    """All that follows from nothing."""
    in_spain, another = (f for f in house.fixtures() if f.tournament == house.SPAIN and f.kickoff_at > NOW)
    dead = {"knativeerrordest": "http://predict-async", "knativeerrorcode": "503", "knativeerrordata": "away"}
    given_up = _event("given up", PredictionRequested.type(), {"task_id": "given up", "match_id": 1}, extensions=dead)
    late = _event(LATE, PredictionRequested.type(), {"task_id": LATE, "match_id": another.match_id}, extensions=dead)
    notification = {
        "Records": [
            {"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": CHAMPION_KEY}}}
        ]
    }
    return [
        _prediction("known", match_id=in_spain.match_id),
        _prediction("pairing", **_pairing("Real Costa", "Atlético Río")),
        _prediction("nobody", **_pairing("Real Costa", "Nowhere")),
        _prediction(LATE, match_id=another.match_id),
        _prediction("without task", match_id=in_spain.match_id),
        _prediction("ended", match_id=in_spain.match_id),
        _prediction("malformed", match_id="many"),
        _scrape("first", "2025-03-04", "2025-03-06"),
        _scrape("second", "2025-03-13", "2025-03-14"),
        _scrape("elsewhere", "2025-03-13", "2025-03-14", "whoscored"),
        _delivery(
            "ping of odds", "scrape",
            Event(
                "ping", "/apis/v1/namespaces/matchcast/pingsources/odds", PING, NOW,
                {"source": "football-data", "days_before": 0, "days_after": 0},
            ),
        ),
        Delivery(
            "notification of MinIO", "reload", HOOK, {"Authorization": f"Bearer {TOKEN}"},
            json.dumps(notification).encode(),
        ),
        _delivery("dead letter with a task", "deadletter", given_up, "/from/inference"),
        _delivery("dead letter of the late", "deadletter", late, "/from/inference"),
        _delivery(
            "dead letter of another", "deadletter", _event("other", "com.example.other", [1, 2]), "/from/ingest"
        ),
        _delivery("unknown type", "drift", _event("strange", "com.example.strange", {"a": 1})),
        Delivery("no event", "predict-async", "/", {"Content-Type": "application/json"}, b"not even JSON"),
    ]  # fmt: skip


class Answered(NamedTuple):
    """The status of an answer, and the event in it."""

    delivery: str
    status: int
    reply: Event | None


@dataclass(frozen=True)
class DatabaseHouse(House):
    """A house whose database is anywhere."""

    url: str = ""

    @property
    def database_url(self) -> str:
        return self.url


def furnish(at: DatabaseHouse) -> None:
    """Put in what happened before the world begins.

    Forecasts by the model before are on record and shown; a new champion was promoted, which nobody has told yet.
    """
    database = Database(at.url)
    SqlMatchStore(database).load(house.resolved(), house.TEAMS, (), house.NOW)
    at.promote(1)
    renewer = Renewer(
        "predict-async", at.objects, SqlHistory(database).history, SqlLedger(database), SqlInbox(database),
        SqlTurns(database), SnapshotWriter(at.cache), "c1", lambda: house.NOW, lambda: None,
    )  # fmt: skip
    counts = IngestCounts(inserted=0, updated=0, unchanged=0, rejected=0)
    told = MatchesIngested(task_id="before", source="invented", counts=counts, finished=(), upcoming=())
    renewer.renew(first_event(told, id="before", service="scrape", now=house.NOW), Timer(60))
    at.promote(2)
    kept = SqlTasks(database)
    for task_id in (*OPEN, "ended"):
        kept.add(Task(task_id, "test", TaskState.PENDING, NOW, NOW, NOW + timedelta(days=1)))
    kept.finish("ended", NOW, result={"of": "an earlier event"})
    database.close()


class World:
    """The functions as their environment makes them, called in this process; `deliver` is what brokers do."""

    def __init__(self, at: DatabaseHouse, source_url: str, broker: Recorder) -> None:
        self._house = at
        self._broker = broker
        environment = {
            **at.environment,
            "MATCHCAST_CLOCK_STARTS_AT": NOW.isoformat(),
            "MATCHCAST_FOOTBALL_DATA_URL": source_url,
            "MATCHCAST_FILE_SECONDS": "0",
            "MATCHCAST_HOOK_TOKEN": TOKEN,
            "MATCHCAST_INGEST_BROKER_URL": broker.url,
            "MATCHCAST_INFERENCE_BROKER_URL": broker.url,
            "K_SINK": broker.url,
        }
        makers = {
            "scrape": scrape, "predict-async": predict_async, "drift": drift, "reload": reload, "deadletter": deadletter,
        }  # fmt: skip
        self._functions: dict[str, ASGIApp] = {name: make(environment) for name, make in makers.items()}
        self.known = {delivery.name: delivery for delivery in first_deliveries()}
        self.answers: list[Answered] = []

    def deliver(self, names: Sequence[str]) -> None:
        """Deliver these at once; what follows from them can be delivered from then on."""
        answers = asyncio.run(self._at_once([self.known[name] for name in names]))
        self.answers += answers
        for answer in answers:
            self._forward(answer.delivery, answer.reply)
        for event in list(self._broker.events):
            self._forward("MinIO", event)

    async def _at_once(self, deliveries: Sequence[Delivery]) -> list[Answered]:
        return await asyncio.gather(*(self._request(delivery) for delivery in deliveries))

    async def _request(self, delivery: Delivery) -> Answered:
        transport = httpx.ASGITransport(self._functions[delivery.function])
        async with httpx.AsyncClient(transport=transport, base_url="http://function", timeout=60) as client:
            answer = await client.post(delivery.path, headers=delivery.headers, content=delivery.body)
        return Answered(delivery.name, answer.status_code, reply_of(answer) if answer.is_success else None)

    def _forward(self, cause: str, event: Event | None) -> None:
        if event is not None:
            for function in SUBSCRIBERS.get(event.type, ()):
                name = f"{event.type.removeprefix('org.matchcast.')} of {cause} to {function}"
                self.known.setdefault(name, _delivery(name, function, event))

    @property
    def delivered(self) -> Counter[str]:
        """How often, by name."""
        return Counter(answer.delivery for answer in self.answers)

    def waiting(self) -> list[str]:
        """What was not delivered yet."""
        return [name for name in self.known if name not in self.delivered]

    def replies(self) -> dict[str, set[str]]:
        """What each was answered, over all its deliveries: status and event, but for its time."""
        found = defaultdict(set)
        for delivery, status, reply in self.answers:
            told = None if reply is None else (reply.id, reply.type, reply.source, reply.data)
            found[delivery].add(_text([status, told]))
        return dict(found)

    def events(self) -> set[tuple[str, str, str]]:
        """Type, source and id of every event that was answered or published, but for the late one's."""
        answered = [a.reply for a in self.answers if a.reply is not None and a.delivery != f"prediction {LATE}"]
        return {(e.type, e.source, e.id) for e in map(checked, [*answered, *self._broker.events])}

    def contents(self) -> dict[str, Any]:
        """All that the database and the served snapshot say that no order of deliveries decides.

        Order decides, and left out are: every instant; ids, hashes and states in the ledger and so in the results of
        tasks; which results were known at a renewal, and so which forecasts of England it recorded on the way to the
        last (`stations`); how often an answer was captured, since one taken after a scrape was asked for serves that scrape
        too; whether a forecast of Spain was recorded first by a request or by a renewal, and so its cause;
        what a reply counts and scores, but not which reply it is; which end the late task came to (`late`).
        """
        found: dict[str, Any] = {
            "tasks": {
                r.task_id: (r.kind, r.state, _text(_plain(r.result)), _text(r.problem))
                for r in self._rows(tasks)
                if r.task_id != LATE
            },
            "matches": {(r.id, r.status, r.home_goals, r.away_goals) for r in self._rows(matches)},
            "captures": {(r.source, r.url, r.sha256) for r in self._rows(captures)},
            "handled": {
                (r.consumer, r.source, r.id, r.type, r.reply and (r.reply["type"], r.reply["id"]))
                for r in self._rows(handled_events)
                if r.id != LATE
            },
            "dead": {
                (r.letter_id, r.broker, _text(r.event), r.destination, r.code, r.reason, r.deaths, r.replayed_at)
                for r in self._rows(dead_events)
            },
            "settlements": {tuple(r)[1:-3] for r in self._rows(settlements)},
            "drift": self._rows(drift_reports),
        }
        ledger = [r for r in self._rows(forecasts) if r.recorded_at >= NOW]
        found["of no match"] = Counter(_said(r) for r in ledger if r.match_id is None)
        found["in Spain"] = {_said(r) for r in ledger if r.tournament == house.SPAIN}
        found["last on record"] = {r.match_id: _said(r) for r in ledger if r.match_id is not None}
        found["shown"] = self._shown()
        return found

    def late(self) -> tuple[str, int | None]:
        """State of the late task, and the row of the ledger that its result tells."""
        (task,) = (r for r in self._rows(tasks) if r.task_id == LATE)
        return task.state, None if task.result is None else task.result["forecast_id"]

    def stations(self) -> dict[int, list[Any]]:
        """The renewed forecasts of each match, in order."""
        found = defaultdict(list)
        for row in self._rows(forecasts):
            if row.recorded_at >= NOW and row.cause != "requested":
                found[row.match_id].append(_said(row))
        return dict(found)

    def assert_chained(self) -> None:
        """Each row of the ledger holds the hash of the one before."""
        previous = GENESIS_HASH
        for number, row in enumerate(SqlLedger(Database(self._house.url)).rows(), 1):
            assert (row.forecast_id, row.previous_hash) == (number, previous)
            assert row.hash == row.expected_hash
            previous = row.hash

    def _shown(self) -> dict[int, Any]:
        pointer = served_snapshot(self._house.objects)
        assert pointer is not None
        snapshot = open_snapshot(self._house.folder / "objects" / pointer.key)
        found = {}
        for fixture in house.fixtures():
            shown = None if fixture.match_id is None else snapshot.forecast(fixture.match_id)
            if shown is not None:
                found[fixture.match_id] = (tuple(shown.forecast.probabilities), shown.forecast.model_version)
        return found  # type: ignore[return-value]

    def close(self) -> None:
        """Close what the functions hold open."""
        self._functions.clear()
        gc.collect()

    def _rows(self, table: Any) -> list[Any]:
        database = Database(self._house.url)
        with database.reading() as connection:
            found = connection.execute(select(table).order_by(*table.primary_key)).all()
        database.close()
        return list(found)


@contextmanager
def world(at: DatabaseHouse, source_url: str) -> Iterator[World]:
    """A world in a furnished house."""
    with recording() as broker:
        made = World(at, source_url, broker)
        try:
            yield made
        finally:
            made.close()


def shelf() -> Shelf:
    """football-data's files."""
    return Shelf({"mmz4281/2425/E0.csv": RESULTS})


def _said(row: Any) -> tuple[Any, ...]:
    return (row.match_id, row.home_team, row.away_team, row.home_prob, row.draw_prob, row.away_prob, row.model_version)


_VARYING: Final = frozenset(("forecast_id", "as_of", "snapshot", "cause"))


def _plain(told: Any) -> Any:
    """A task's result without what order decides."""
    return {key: value for key, value in told.items() if key not in _VARYING} if isinstance(told, dict) else told


def _text(told: Any) -> str:
    return json.dumps(told, sort_keys=True)
