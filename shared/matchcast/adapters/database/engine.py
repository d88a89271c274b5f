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

from matchcast.adapters.database.faults import (
    CONNECT_SECONDS,
    HURRIED_CONNECT_SECONDS,
    LOCKED_SECONDS,
    SECRETS,
    SQLITE_PRAGMAS,
    check_revision,
    no_file,
    no_url,
    not_ours,
    not_supported,
    passes,
    unavailable,
)
from matchcast.adapters.database.outage import Outage
from matchcast.adapters.database.patience import Patience

_WRITES: Final = "matchcast_writes"


class Database:
    """One database; nothing is opened before the first use.

    Where it is waited for only so long, one thread tries to reach it while it is away, and everybody else is told at once.

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
        self._outage = Outage(self._reach)

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @property
    def place(self) -> str:
        """Where it is, for messages; no password."""
        shown = self.url.set(drivername=self.url.get_backend_name()).difference_update_query(SECRETS)
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
            wait = LOCKED_SECONDS if patience is None else patience.lock
            engine = create_engine(self.url, connect_args={"timeout": wait})
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        else:
            limits: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS}
            if patience is not None:
                limits = {"connect_timeout": HURRIED_CONNECT_SECONDS, "options": patience.options}
            engine = create_engine(
                self.url,
                pool_pre_ping=True,
                pool_timeout=LOCKED_SECONDS if patience is None else min(patience.lock, CONNECT_SECONDS),
                connect_args={name: limit for name, limit in limits.items() if name not in self.url.query},
            )
            if patience is not None:
                event.listen(engine, "do_connect", _impatient)
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
        """A connection of its own, never the transaction that this thread has open; for holding a lock for long.

        Between two statements it sees nothing in particular, so that it keeps no dead rows from being cleared away.

        Raises:
            Unavailable: as for `reading`, also if it breaks before the end.
        """
        with self._telling_errors(), self._opened(writes=False, keeps_view=False) as connection:
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
    def _opened(self, *, writes: bool, keeps_view: bool = True) -> Iterator[Connection]:
        if self._unchecked and self.file is not None and not self.file.exists():
            raise no_file(self.file)
        with (
            self._connected() as connection,
            connection.execution_options(**self._execution_options(writes, keeps_view)).begin(),
        ):
            if self._unchecked:
                self._check(connection)
                self._unchecked = False
            yield connection

    def _connected(self) -> Connection:
        self._outage.check()
        if self._patience is None or self.is_sqlite:
            return self.engine.connect()
        try:
            return self.engine.connect()
        except (DBAPIError, self.engine.dialect.loaded_dbapi.Error) as error:
            met = unavailable(self.place, error, is_sqlite=False)
            self._outage.begin(met)
            raise met from error

    def _reach(self) -> None:
        with self._telling_errors():
            self.engine.connect().close()

    @contextmanager
    def _telling_errors(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, self.engine.dialect.loaded_dbapi.Error) as error:
            if not self._passes(error):
                raise
            busy = isinstance(error, PoolExhausted)
            raise unavailable(self.place, error, is_sqlite=self.is_sqlite, busy=busy) from error

    def _passes(self, error: Exception) -> bool:
        """Whether the database is at fault, not what it was told to do."""
        if isinstance(error, PoolExhausted):
            return True
        cause = error.orig if isinstance(error, DBAPIError) else error
        connecting = isinstance(error, DBAPIError) and error.statement is None
        return passes(cause, self.engine.dialect.loaded_dbapi, connecting=connecting)

    def _execution_options(self, writes: bool, keeps_view: bool) -> dict[str, Any]:
        if writes or self.is_sqlite:
            return {_WRITES: writes}
        level = "REPEATABLE READ" if keeps_view else "READ COMMITTED"
        return {"isolation_level": level, "postgresql_readonly": True}

    def _check(self, connection: Connection) -> None:
        if not inspect(connection).has_table("alembic_version"):
            raise not_ours(self.place, inspect(connection).get_table_names())
        check_revision(self.place, connection.execute(text("SELECT version_num FROM alembic_version")).scalar())


def among(column: ColumnElement[str], name: str, *, sqlite: bool) -> ColumnElement[bool]:
    """That a column is one of the texts in a parameter; on PostgreSQL one statement for any number of them."""
    if sqlite:
        return column.in_(bindparam(name, expanding=True))
    return column == any_(bindparam(name, type_=ARRAY(Text)))


def _parse(text_: str) -> URL:
    try:
        url = make_url(text_)
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):  # what they quote may be a password
        raise no_url() from None
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return url.set(drivername="sqlite+pysqlite")
    raise not_supported(backend)


def _impatient(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
    from matchcast.adapters.database.impatient import Impatient

    return Impatient.connect(*arguments, **options)


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver's guess
    for pragma in SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
