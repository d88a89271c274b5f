"""Which events were handled, each recorded in the transaction of its effect."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError

from matchcast.adapters.database.engine import Database, among
from matchcast.adapters.database.tables import handled_events
from matchcast.domain.event import Event
from matchcast.errors import Unavailable
from matchcast.ports.events import Effect, Handled

_OF: Final = (
    (handled_events.c.consumer == bindparam("of_consumer"))
    & (handled_events.c.source == bindparam("of_source"))
    & (handled_events.c.id == bindparam("of_id"))
)
_FIND: Final = select(handled_events.c.reply).where(_OF)
_FIND_ALL: Final = {
    sqlite: select(handled_events.c.source, handled_events.c.id, handled_events.c.reply).where(
        (handled_events.c.consumer == bindparam("of_consumer"))
        & among(handled_events.c.source, "of_sources", sqlite=sqlite)
        & among(handled_events.c.id, "of_ids", sqlite=sqlite)
    )
    for sqlite in (False, True)
}
_ADD: Final = insert(handled_events)
_KEEP: Final = update(handled_events).where(_OF)
_CLAIM_IN_SQLITE: Final = sqlite_insert(handled_events).on_conflict_do_nothing().returning(handled_events.c.id)
_CLAIM_IN_POSTGRESQL: Final = postgresql_insert(handled_events).on_conflict_do_nothing().returning(handled_events.c.id)


class SqlInbox:
    """The `Inbox` port. A second delivery waits for the transaction of the first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def handled(self, consumer: str, event: Event) -> Handled | None:
        with self._database.reading() as connection:
            return _find(connection, consumer, event)

    def once(self, consumer: str, event: Event, now: datetime, effect: Effect) -> Event | None:
        claim = _CLAIM_IN_SQLITE if self._database.is_sqlite else _CLAIM_IN_POSTGRESQL
        row = {"consumer": consumer, "source": event.source, "id": event.id, "type": event.type, "handled_at": now}
        with self._database.writing() as connection:
            if connection.execute(claim, row).one_or_none() is None:
                before = _find(connection, consumer, event)
                assert before is not None
                return before.reply
            reply = effect()
            if reply is not None:
                connection.execute(_KEEP, {**_key(consumer, event), "reply": event_json(reply)})
        return reply

    def replies(self, consumer: str, events: Sequence[Event]) -> Mapping[tuple[str, str], Handled]:
        keys = {(event.source, event.id) for event in events}
        sources, ids = ({key[part] for key in keys} for part in (0, 1))
        those = {"of_consumer": consumer, "of_sources": sorted(sources), "of_ids": sorted(ids)}
        with self._database.reading() as connection:
            rows = connection.execute(_FIND_ALL[self._database.is_sqlite], those).all()
        return {(row.source, row.id): _handled(row.reply) for row in rows if (row.source, row.id) in keys}

    def keep(self, consumer: str, handled: Sequence[tuple[Event, Event | None]], now: datetime) -> None:
        if not handled:
            return
        rows = [
            {
                "consumer": consumer,
                "source": event.source,
                "id": event.id,
                "type": event.type,
                "handled_at": now,
                "reply": None if reply is None else event_json(reply),
            }
            for event, reply in handled
        ]
        with self._database.writing() as connection:
            try:
                connection.execute(_ADD, rows)
            except IntegrityError as error:
                raise Unavailable("one of these events was handled meanwhile; try again") from error


def event_json(event: Event) -> dict[str, Any]:
    """An event as the database holds it."""
    return {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": event.time.isoformat(),
        "data": event.data,
        "subject": event.subject,
        "extensions": dict(event.extensions),
    }


def event_from(stored: dict[str, Any]) -> Event:
    """The event that `event_json` wrote."""
    return Event(**{**stored, "time": datetime.fromisoformat(stored["time"])})


def _find(connection: Connection, consumer: str, event: Event) -> Handled | None:
    row = connection.execute(_FIND, _key(consumer, event)).one_or_none()
    return None if row is None else _handled(row.reply)


def _handled(reply: dict[str, Any] | None) -> Handled:
    return Handled(None if reply is None else event_from(reply))


def _key(consumer: str, event: Event) -> dict[str, str]:
    return {"of_consumer": consumer, "of_source": event.source, "of_id": event.id}
