"""Connections and transactions, and what their errors mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import local
from typing import Any, Final
from weakref import finalize

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Engine,
    Text,
    any_,
    bindparam,
    create_engine,
    event,
    inspect,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from matchcast.adapters.database.patience import Patience
from matchcast.adapters.database.tables import SCHEMA_REVISION
from matchcast.errors import BadInput, Unavailable

_LOCKED_SECONDS: Final = 30.0
_CONNECT_SECONDS: Final = 5
_WRITES: Final = "matchcast_writes"
_SECRETS: Final = ("password", "sslpassword")


class Database:
    """One database; nothing is opened before the first use.

    Args:
        url: `sqlite:///path` (relative to the current directory) or `postgresql://user@host/name`.
        checked: look at the first use whether it holds the tables of this version; only migrations do without.
        patience: how long it is waited for; None for work that may take as long as it needs.
    Raises:
        BadInput: the URL is not of this form.
    """

    def __init__(self, url: str, *, checked: bool = True, patience: Patience | None = None) -> None:
        self.url: Final = _parse(url)
        self._patience = patience
        self._unchecked = checked
        self._of_thread = local()

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @property
    def place(self) -> str:
        """Where it is, for messages; no password."""
        shown = self.url.set(drivername=self.url.get_backend_name()).difference_update_query(_SECRETS)
        return shown.render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database; None for any other, also one in memory."""
        name = self.url.database
        return Path(name) if self.is_sqlite and name and name != ":memory:" else None

    @cached_property
    def engine(self) -> Engine:
        """The engine, made on first use; it opens no connection by itself."""
        patience = self._patience
        if self.is_sqlite:
            wait = _LOCKED_SECONDS if patience is None else patience.lock
            engine = create_engine(self.url, connect_args={"timeout": wait})
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        else:
            limits = {"connect_timeout": _CONNECT_SECONDS} | (
                {} if patience is None else {"options": _options(patience)}
            )
            engine = create_engine(
                self.url,
                pool_pre_ping=True,
                pool_timeout=_LOCKED_SECONDS if patience is None else min(patience.lock, _CONNECT_SECONDS),
                connect_args={name: limit for name, limit in limits.items() if name not in self.url.query},
            )
        finalize(self, engine.dispose)
        return engine

    def close(self) -> None:
        """Give back every connection; the next use opens new ones."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read from; inside `writing` of the same thread, that transaction.

        Raises:
            Unavailable: the database cannot be reached, or does not hold Matchcast's tables as of this version.
        """
        with self._connection(writes=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: committed at the end, rolled back if anything is raised.

        Inside another one of the same thread it is part of that one, which then ends both.

        Raises:
            Unavailable: as for `reading`; nothing was written.
        """
        with self._connection(writes=True) as connection:
            yield connection

    @contextmanager
    def aside(self) -> Iterator[Connection]:
        """A connection to read from, never the transaction that this thread has open.

        Raises:
            Unavailable: as for `reading`, also if it breaks before the end.
        """
        with self._telling_errors(), self._opened(writes=False) as connection:
            yield connection

    @contextmanager
    def _connection(self, *, writes: bool) -> Iterator[Connection]:
        outer: Connection | None = getattr(self._of_thread, "transaction", None)
        with self._telling_errors():
            if outer is not None:
                yield outer
                return
            with self._opened(writes=writes) as connection:
                self._of_thread.transaction = connection if writes else None
                try:
                    yield connection
                finally:
                    self._of_thread.transaction = None

    @contextmanager
    def _opened(self, *, writes: bool) -> Iterator[Connection]:
        if self._unchecked and self.file is not None and not self.file.exists():
            raise Unavailable(f"there is no database at {self.file}; run `matchcast migrate`")
        with (
            self.engine.connect() as connection,
            connection.execution_options(**self._execution_options(writes)).begin(),
        ):
            if self._unchecked:
                self._check(connection)
                self._unchecked = False
            yield connection

    @contextmanager
    def _telling_errors(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, self.engine.dialect.loaded_dbapi.Error) as error:
            if not self._passes(error):
                raise
            raise Unavailable(f"database {self.place}: {_first_line(error)}{self._remedy(error)}") from error

    def _passes(self, error: Exception) -> bool:
        """Whether the database is at fault, not what it was told to do."""
        if isinstance(error, PoolExhausted):
            return True
        kinds = self.engine.dialect.loaded_dbapi
        cause = error.orig if isinstance(error, DBAPIError) else error
        ours = (kinds.DataError, kinds.IntegrityError, kinds.ProgrammingError, kinds.NotSupportedError)
        connecting = isinstance(error, DBAPIError) and error.statement is None
        return isinstance(cause, kinds.Error) and (connecting or not isinstance(cause, ours))

    def _execution_options(self, writes: bool) -> dict[str, Any]:
        if writes or self.is_sqlite:
            return {_WRITES: writes}
        return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

    def _check(self, connection: Connection) -> None:
        if not inspect(connection).has_table("alembic_version"):
            names = inspect(connection).get_table_names()
            what = f"holds other tables ({', '.join(sorted(names)[:3])} …)" if names else "is empty"
            remedy = "point MATCHCAST_DATABASE_URL elsewhere" if names else "run `matchcast migrate`"
            raise Unavailable(f"database {self.place} {what}; {remedy}")
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if found != SCHEMA_REVISION:
            remedy = "update Matchcast" if found is not None and found > SCHEMA_REVISION else "run `matchcast migrate`"
            raise Unavailable(
                f"database {self.place} is at version {found or 'none'}, this Matchcast at {SCHEMA_REVISION}; {remedy}"
            )

    def _remedy(self, error: Exception) -> str:
        said = str(error)
        if "not a database" in said or "malformed" in said:
            return "; the file is damaged or not an SQLite database: move it away and run `matchcast migrate`"
        if "lock timeout" in said or "statement timeout" in said or isinstance(error, PoolExhausted):
            return "; others keep it busy: try again"
        if "locked" in said:
            return "; another process is writing to it: try again when it is done"
        if not self.is_sqlite and "connect" in said:
            return "; start PostgreSQL or correct MATCHCAST_DATABASE_URL"
        return ""


def among(column: ColumnElement[str], name: str, *, sqlite: bool) -> ColumnElement[bool]:
    """That a column is one of the texts in a parameter; on PostgreSQL one statement for any number of them."""
    if sqlite:
        return column.in_(bindparam(name, expanding=True))
    return column == any_(bindparam(name, type_=ARRAY(Text)))


def _options(patience: Patience) -> str:
    """What a session of PostgreSQL begins with."""
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    return " ".join(f"-c {name}={max(1, round(seconds * 1000))}" for name, seconds in zip(names, patience, strict=True))


def _parse(text_: str) -> URL:
    remedy = "give sqlite:///path/to/file.db or postgresql://user@host/name"
    try:
        url = make_url(text_)
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):  # what they quote may be a password
        raise BadInput(f"MATCHCAST_DATABASE_URL: is not a database URL; {remedy}", "database_url") from None
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return url.set(drivername="sqlite+pysqlite")
    raise BadInput(f"MATCHCAST_DATABASE_URL: {backend} is not supported; {remedy}", "database_url")


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver's guess
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "cache_size=-131072"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
