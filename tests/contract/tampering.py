"""Changing what must not be changed, as somebody with all rights over the database can."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg

from matchcast.adapters.database.engine import Database


@contextmanager
def unguarded(database: Database) -> Iterator[Any]:
    """A driver's connection on which no trigger and no foreign key refuses anything; committed at the end."""
    database.close()
    if database.file is None:
        url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url) as server:
            server.execute("SET LOCAL session_replication_role = replica")
            yield server
        return
    with closing(sqlite3.connect(database.file)) as file, file:
        triggers = file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            file.execute(f"DROP TRIGGER {name}")
        yield file
        for _, made_by in triggers:
            file.execute(made_by)
