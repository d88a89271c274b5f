"""Changing what must not be changed, as somebody with all rights over the database can."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

import psycopg

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.records import SETTLEMENT_COLUMNS, instant_text, settlement_values
from matchcast.domain.settlement import SettlementRow


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


def write_settlements(database: Database, rows: Sequence[SettlementRow]) -> None:
    """Put these in the place of whatever settlements there are, with or without their matches and forecasts."""
    is_sqlite = database.file is not None
    marks = ", ".join(["?" if is_sqlite else "%s"] * len(SETTLEMENT_COLUMNS))
    with unguarded(database) as connection:
        connection.execute("DELETE FROM settlements")
        stored = [
            [instant_text(v) if is_sqlite and isinstance(v, datetime) else v for v in settlement_values(row).values()]
            for row in rows
        ]
        statement = f"INSERT INTO settlements ({', '.join(SETTLEMENT_COLUMNS)}) VALUES ({marks})"
        connection.cursor().executemany(statement, stored)
