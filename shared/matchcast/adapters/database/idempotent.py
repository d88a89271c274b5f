"""Answers kept for requests sent again, by the driver alone: a first request may carry an Idempotency-Key."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from matchcast.adapters.database.light import LightDatabase, Statements
from matchcast.adapters.database.records import instant_text
from matchcast.ports.idempotency import Answered, Begun, InFlight, Mismatch

_WHICH: Final = "key_id = ? AND route = ? AND key = ?"
_UNDER_WAY: Final = f"WHERE {_WHICH} AND begun_at = ? AND status IS NULL"
_CLAIM: Final = (
    "INSERT INTO idempotent_answers (key_id, route, key, body_sha256, begun_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING RETURNING begun_at"
)
_CLAIM_AGAIN: Final = (
    "UPDATE idempotent_answers"
    " SET body_sha256 = ?, begun_at = ?, expires_at = ?, status = NULL, headers = NULL, body = NULL"
    f" WHERE {_WHICH} AND (expires_at <= ? OR (status IS NULL AND begun_at <= ? AND body_sha256 = ?))"
    " RETURNING begun_at"
)
_FIND: Final = f"SELECT body_sha256, status, headers, body FROM idempotent_answers WHERE {_WHICH}"
_FINISH: Final = f"UPDATE idempotent_answers SET status = ?, headers = ?, body = ? {_UNDER_WAY}"
_ABANDON: Final = f"DELETE FROM idempotent_answers {_UNDER_WAY}"


class KeptAnswers:
    """The `IdempotentAnswers` port."""

    def __init__(self, database: LightDatabase) -> None:
        self._database = database

    def begin(
        self,
        key_id: str,
        route: str,
        key: str,
        body_sha256: str,
        now: datetime,
        in_flight_for: float,
        kept_for: float,
    ) -> Begun | InFlight | Mismatch | Answered:
        which = (key_id, route, key)
        at, until, given_up = map(
            self._instant, (now, now + timedelta(seconds=kept_for), now - timedelta(seconds=in_flight_for))
        )
        with self._database.writing() as statements:
            while True:
                again = (body_sha256, at, until, *which, at, given_up, body_sha256)
                claimed = statements.rows(_CLAIM, (*which, body_sha256, at, until))
                if claimed or statements.rows(_CLAIM_AGAIN, again):
                    return Begun(now)
                found = _found(statements, which, body_sha256)
                if found is not None:  # else it was abandoned meanwhile
                    return found

    def finish(
        self, key_id: str, route: str, key: str, begun: Begun, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        values = (status, json.dumps(dict(headers)), body, key_id, route, key, self._instant(begun.at))
        with self._database.writing() as statements:
            statements.run(_FINISH, [values])

    def abandon(self, key_id: str, route: str, key: str, begun: Begun) -> None:
        with self._database.writing() as statements:
            statements.run(_ABANDON, [(key_id, route, key, self._instant(begun.at))])

    def _instant(self, instant: datetime) -> object:
        return instant_text(instant) if self._database.is_sqlite else instant


def _found(
    statements: Statements, which: tuple[str, str, str], body_sha256: str
) -> InFlight | Mismatch | Answered | None:
    rows = statements.rows(_FIND, which)
    if not rows:
        return None
    stored_sha256, status, headers, body = rows[0]
    if stored_sha256 != body_sha256:
        return Mismatch()
    return InFlight() if status is None else Answered(status, _headers(headers), bytes(body))


def _headers(stored: Any) -> dict[str, str]:
    """JSON, which PostgreSQL's driver has read already."""
    read: dict[str, str] = json.loads(stored) if isinstance(stored, str) else stored
    return read
