"""The database by its driver alone, for what a first answer waits for: SQLAlchemy takes longer to import than that answer.

The statements are those that `api_keys` and `ledger` send by SQLAlchemy, and errors are told in the same words.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit
from weakref import finalize

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
from matchcast.errors import Unavailable

_KEPT: Final = 4
"""Connections that are kept open while nobody uses them."""
_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Statements:
    """An open transaction; parameters are `?` in order, on either database."""

    def __init__(self, connection: Any, is_sqlite: bool) -> None:
        self._connection = connection
        self._is_sqlite = is_sqlite

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What a query finds."""
        found: list[tuple[Any, ...]] = self._connection.execute(self._own(statement), values).fetchall()
        return found

    def run(self, statement: str, values: Sequence[Sequence[object]]) -> None:
        """Run a statement once for each sequence of values."""
        self._connection.cursor().executemany(self._own(statement), values)

    def _own(self, statement: str) -> str:
        return statement if self._is_sqlite else statement.replace("?", "%s")


class LightDatabase:
    """One database; nothing is opened or imported before the first use. Threads share it.

    Where it is waited for only so long, one thread tries to reach it while it is away, and everybody else is told at once.

    Args:
        url: as `engine.Database` takes it; an SQLite one names a file and has no query.
        patience: how long it is waited for; None for as long as it takes.
    Raises:
        BadInput: the URL is not of this form.
    """

    def __init__(self, url: str, *, patience: Patience | None = None) -> None:
        scheme, _, rest = url.partition(":")
        backend = scheme.partition("+")[0]
        self.is_sqlite: Final = backend == "sqlite"
        if not self.is_sqlite and backend not in ("postgresql", "postgres"):
            raise not_supported(backend)
        path = unquote(rest.removeprefix("///"))
        if self.is_sqlite and (not rest.startswith("///") or path in ("", ":memory:") or "?" in rest):
            raise no_url()
        self._file: Final = Path(path)
        self._url: Final = f"{backend}:{rest}"
        self._patience = patience
        self._idle: list[Any] = []
        self._lock = Lock()
        self._checked = False
        self._outage = Outage(self._reach)
        finalize(self, _close, self._idle)

    @property
    def place(self) -> str:
        """Where it is, for messages; no password."""
        if self.is_sqlite:
            return f"sqlite:///{self._file}"
        parts = urlsplit(self._url)
        user, _, host = parts.netloc.rpartition("@")
        name, _, password = user.partition(":")
        shown = [(key, value) for key, value in parse_qsl(parts.query) if key not in SECRETS]
        netloc = f"{name}{':***' if password else ''}@{host}" if user else host
        return f"postgresql://{netloc}{parts.path}{'?' + urlencode(shown) if shown else ''}"

    @contextmanager
    def reading(self) -> Iterator[Statements]:
        """A transaction to read in.

        Raises:
            Unavailable: the database cannot be reached, or does not hold Matchcast's tables as of this version.
        """
        with self._transaction("BEGIN" if self.is_sqlite else _READ) as statements:
            yield statements

    @contextmanager
    def writing(self) -> Iterator[Statements]:
        """A transaction to write in: committed at the end, rolled back if anything is raised.

        Raises:
            Unavailable: as for `reading`; nothing was written.
        """
        with self._transaction("BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN") as statements:
            yield statements

    def close(self) -> None:
        """Close what nobody uses; the next use opens new connections."""
        with self._lock:
            _close(self._idle)

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Statements]:
        connection = self._begun(begin)
        try:
            with self._telling_errors():
                statements = Statements(connection, self.is_sqlite)
                if not self._checked:
                    self._check(statements)
                    self._checked = True
                yield statements
                connection.execute("COMMIT")
        except BaseException:
            self._undo(connection)
            raise
        self._keep(connection)

    def _begun(self, begin: str) -> Any:
        """A connection with a new transaction: one kept before, unless the server has closed it meanwhile."""
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                break
            try:
                connection.execute(begin)
            except self._driver.Error as error:
                if self.is_sqlite:
                    self._keep(connection)
                    raise unavailable(self.place, error, is_sqlite=True) from error
                connection.close()
                self._note_silence(error)
            else:
                return connection
        self._outage.check()
        try:
            with self._telling_errors(connecting=True):
                connection = self._opened()
                try:
                    connection.execute(begin)
                except BaseException:
                    connection.close()
                    raise
        except Unavailable as error:
            if self._is_hurried:
                self._outage.begin(error)
            raise
        return connection

    @property
    def _is_hurried(self) -> bool:
        return self._patience is not None and not self.is_sqlite

    def _reach(self) -> None:
        with self._telling_errors(connecting=True):
            connection = self._opened()
        self._keep(connection)

    def _note_silence(self, error: Exception) -> None:
        """No other connection needs to find out again that the server says nothing."""
        if not self._is_hurried:
            return
        from matchcast.adapters.database.impatient import Silence

        if isinstance(error, Silence):
            met = unavailable(self.place, error, is_sqlite=False)
            self._outage.begin(met)
            self.close()

    def _opened(self) -> Any:
        if self.is_sqlite:
            if not self._checked and not self._file.exists():
                raise no_file(self._file)
            wait = LOCKED_SECONDS if self._patience is None else self._patience.lock
            connection = self._driver.connect(self._file, timeout=wait, isolation_level=None, check_same_thread=False)
            for pragma in SQLITE_PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            return connection
        limits: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS}
        kind = self._driver.Connection
        if self._patience is not None:
            from matchcast.adapters.database.impatient import Impatient

            kind = Impatient
            limits = {"connect_timeout": HURRIED_CONNECT_SECONDS, "options": self._patience.options}
        given = {name for name, _ in parse_qsl(urlsplit(self._url).query)}
        own = {name: limit for name, limit in limits.items() if name not in given}
        return kind.connect(self._url, autocommit=True, **own)

    def _check(self, statements: Statements) -> None:
        tables = (
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            if self.is_sqlite
            else "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        )
        names = [str(name) for (name,) in statements.rows(tables)]
        if "alembic_version" not in names:
            raise not_ours(self.place, names)
        found = statements.rows("SELECT version_num FROM alembic_version")
        check_revision(self.place, found[0][0] if found else None)

    @contextmanager
    def _telling_errors(self, *, connecting: bool = False) -> Iterator[None]:
        try:
            yield
        except self._driver.Error as error:
            if not passes(error, self._driver, connecting=connecting):
                raise
            self._note_silence(error)
            raise unavailable(self.place, error, is_sqlite=self.is_sqlite) from error

    def _undo(self, connection: Any) -> None:
        try:
            connection.execute("ROLLBACK")
        except self._driver.Error:  # broken: the server has rolled back by itself
            connection.close()
        else:
            self._keep(connection)

    def _keep(self, connection: Any) -> None:
        with self._lock:
            if len(self._idle) < _KEPT:
                self._idle.append(connection)
                return
        connection.close()

    @cached_property
    def _driver(self) -> Any:
        if self.is_sqlite:
            import sqlite3

            return sqlite3
        import psycopg

        return psycopg


def _close(connections: list[Any]) -> None:
    while connections:
        with suppress(Exception):
            connections.pop().close()
