"""Keys of clients, on both databases."""

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import text

from matchcast.adapters.database.api_keys import SqlApiKeys
from matchcast.adapters.database.engine import Database
from matchcast.errors import Conflict, NotFound
from tests.contract.matches import LATER, NOW

SCOPES = frozenset({"predict", "ingest"})


def test_a_new_key_is_active_and_its_text_is_not_stored(database: Database) -> None:
    made = SqlApiKeys(database).create("ui", SCOPES, NOW)
    assert list(SqlApiKeys(database).active(NOW)) == [made.key]
    assert made.text.startswith(f"mc_{made.key.key_id}_")
    assert made.key.sha256 == hashlib.sha256(made.text.encode()).hexdigest()
    with database.reading() as connection:
        stored = connection.execute(text("SELECT * FROM api_keys")).one()
    assert made.text.rsplit("_", 1)[1] not in repr(stored)


def test_no_two_keys_are_alike(database: Database) -> None:
    keys = SqlApiKeys(database)
    assert len({keys.create("ui", SCOPES, NOW).text for _ in range(20)}) == 20


def test_a_key_ends_when_it_expires(database: Database) -> None:
    keys = SqlApiKeys(database)
    made = keys.create("guest", SCOPES, NOW, LATER)
    assert list(keys.active(LATER - timedelta(microseconds=1))) == [made.key]
    assert list(keys.active(LATER)) == []
    assert list(keys.all()) == [made.key]


def test_a_revoked_key_is_listed_but_not_active(database: Database) -> None:
    keys = SqlApiKeys(database)
    made = keys.create("ui", SCOPES, NOW)
    revoked = keys.revoke(made.key.key_id, LATER)
    assert revoked.revoked_at == LATER
    assert list(keys.active(LATER)) == []
    assert keys.revoke(made.key.key_id, LATER + timedelta(days=1)).revoked_at == LATER
    assert list(keys.all()) == [revoked]


def test_an_unknown_key_cannot_be_revoked(database: Database) -> None:
    with pytest.raises(NotFound, match="matchcast keys list"):
        SqlApiKeys(database).revoke("nothing", NOW)


def test_a_rotated_key_goes_on_for_its_grace_beside_one_like_it(database: Database) -> None:
    keys = SqlApiKeys(database)
    old = keys.create("ui", SCOPES, NOW)
    new = keys.rotate(old.key.key_id, NOW, LATER)
    assert (new.key.name, new.key.scopes, new.key.expires_at) == ("ui", SCOPES, None)
    assert new.text != old.text
    assert {key.key_id for key in keys.active(LATER - timedelta(microseconds=1))} == {old.key.key_id, new.key.key_id}
    assert list(keys.active(LATER)) == [new.key]


def test_rotation_prolongs_nothing(database: Database) -> None:
    """The new key expires when the old one would have, and the old one no later than that."""
    keys = SqlApiKeys(database)
    old = keys.create("guest", SCOPES, NOW, LATER)
    new = keys.rotate(old.key.key_id, NOW, LATER + timedelta(days=1))
    assert new.key.expires_at == LATER
    assert [key.expires_at for key in keys.all()] == [LATER, LATER]


def test_a_key_that_has_ended_is_not_rotated(database: Database) -> None:
    keys = SqlApiKeys(database)
    expired, revoked = keys.create("a", SCOPES, NOW, LATER).key, keys.create("b", SCOPES, NOW).key
    keys.revoke(revoked.key_id, NOW)
    for key in (expired, revoked):
        with pytest.raises(Conflict, match="has ended; `matchcast keys create` makes another"):
            keys.rotate(key.key_id, LATER, LATER)
    with pytest.raises(NotFound, match="matchcast keys list"):
        keys.rotate("nothing", NOW, LATER)
    assert len(keys.all()) == 2
