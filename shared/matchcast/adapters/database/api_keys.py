"""Keys of clients. The text of a key is shown once, when it is made; the database holds its SHA-256."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, insert, or_, select, update

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import api_keys
from matchcast.errors import Conflict, NotFound
from matchcast.ports import ApiKey


class NewKey(NamedTuple):
    """A key just made; `text` (`mc_<key_id>_<random>`) can never be shown again."""

    text: str
    key: ApiKey


class SqlApiKeys:
    """The `ApiKeys` port, and what the command line needs to manage keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def active(self, now: datetime) -> Sequence[ApiKey]:
        query = select(api_keys).where(
            or_(api_keys.c.revoked_at.is_(None), api_keys.c.revoked_at > now),
            or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now),
        )
        with self._database.reading() as connection:
            return [_api_key(row) for row in connection.execute(query.order_by(api_keys.c.key_id))]

    def all(self) -> Sequence[ApiKey]:
        """Every key ever made, oldest first."""
        with self._database.reading() as connection:
            query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id)
            return [_api_key(row) for row in connection.execute(query)]

    def create(self, name: str, scopes: frozenset[str], now: datetime, expires_at: datetime | None = None) -> NewKey:
        """Make a key with 256 random bits and keep its hash."""
        key_id = secrets.token_hex(6)
        shown = f"mc_{key_id}_{secrets.token_urlsafe(32)}"
        key = ApiKey(key_id, name, hashlib.sha256(shown.encode()).hexdigest(), scopes, now, expires_at, None)
        with self._database.writing() as connection:
            connection.execute(insert(api_keys), key._asdict() | {"scopes": sorted(scopes)})
        return NewKey(shown, key)

    def rotate(self, key_id: str, now: datetime, ends_at: datetime) -> NewKey:
        """Make a key with the name, scopes and expiry of an active one, which ends at `ends_at` or before.

        Raises:
            NotFound: there is no such key.
            Conflict: it is revoked or expired.
        """
        with self._database.writing() as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.key_id == key_id)).one_or_none()
            if row is None:
                raise NotFound(f"key_id: there is no key {key_id!r}; `matchcast keys list` shows them")
            old = _api_key(row)
            if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= now):
                raise Conflict(f"key_id: key {key_id} has ended; `matchcast keys create` makes another")
            made = self.create(old.name, old.scopes, now, old.expires_at)
            ends = ends_at if old.expires_at is None else min(ends_at, old.expires_at)
            connection.execute(update(api_keys).where(api_keys.c.key_id == key_id).values(expires_at=ends))
        return made

    def revoke(self, key_id: str, now: datetime) -> ApiKey:
        """Revoke a key for good; the instant of the first revocation stays.

        Raises:
            NotFound: there is no such key.
        """
        this = api_keys.c.key_id == key_id
        with self._database.writing() as connection:
            connection.execute(update(api_keys).where(this, api_keys.c.revoked_at.is_(None)).values(revoked_at=now))
            row = connection.execute(select(api_keys).where(this)).one_or_none()
        if row is None:
            raise NotFound(f"key_id: there is no key {key_id!r}; `matchcast keys list` shows them")
        return _api_key(row)


def _api_key(row: Row[Any]) -> ApiKey:
    scopes = frozenset(row.scopes)
    return ApiKey(row.key_id, row.name, row.sha256, scopes, row.created_at, row.expires_at, row.revoked_at)
