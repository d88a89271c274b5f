"""What a database's errors mean, whichever way it is reached: by SQLAlchemy or by the driver alone."""

from collections.abc import Sequence
from typing import Any, Final

from matchcast.adapters.database.records import SCHEMA_REVISION
from matchcast.errors import BadInput, Unavailable

CONNECT_SECONDS: Final = 5
HURRIED_CONNECT_SECONDS: Final = 2
"""Where somebody waits for an answer; libpq knows no shorter time."""
LOCKED_SECONDS: Final = 30.0
SECRETS: Final = ("password", "sslpassword")
"""What a URL's query may hold that no message shows."""
SQLITE_PRAGMAS: Final = ("journal_mode=WAL", "foreign_keys=ON", "cache_size=-131072")
_URL_REMEDY: Final = "give sqlite:///path/to/file.db or postgresql://user@host/name"


def no_url() -> BadInput:
    """An address that cannot be read; it is not quoted, for it may hold a password."""
    return BadInput(f"MATCHCAST_DATABASE_URL: is not a database URL; {_URL_REMEDY}", "database_url")


def not_supported(backend: str) -> BadInput:
    """A database that is neither of ours."""
    return BadInput(f"MATCHCAST_DATABASE_URL: {backend} is not supported; {_URL_REMEDY}", "database_url")


def no_file(path: object) -> Unavailable:
    """SQLite's file is missing."""
    return Unavailable(f"there is no database at {path}; run `matchcast migrate`")


def not_ours(place: str, tables: Sequence[str]) -> Unavailable:
    """The database knows no revision.

    Args:
        tables: those it has.
    """
    what = f"holds other tables ({', '.join(sorted(tables)[:3])} …)" if tables else "is empty"
    remedy = "point MATCHCAST_DATABASE_URL elsewhere" if tables else "run `matchcast migrate`"
    return Unavailable(f"database {place} {what}; {remedy}")


def check_revision(place: str, found: str | None) -> None:
    """
    Args:
        found: the revision that the database is at.
    Raises:
        Unavailable: it is not this version's.
    """
    if found != SCHEMA_REVISION:
        remedy = "update Matchcast" if found is not None and found > SCHEMA_REVISION else "run `matchcast migrate`"
        raise Unavailable(
            f"database {place} is at version {found or 'none'}, this Matchcast at {SCHEMA_REVISION}; {remedy}"
        )


def passes(error: object, driver: Any, *, connecting: bool) -> bool:
    """Whether the database is at fault, not what it was told to do.

    Args:
        driver: the module whose error it may be.
        connecting: it came before any statement.
    """
    ours = (driver.DataError, driver.IntegrityError, driver.ProgrammingError, driver.NotSupportedError)
    return isinstance(error, driver.Error) and (connecting or not isinstance(error, ours))


def unavailable(place: str, error: BaseException, *, is_sqlite: bool, busy: bool = False) -> Unavailable:
    """What is told of an error that passes.

    Args:
        busy: no connection was free.
    """
    cause = getattr(error, "orig", None) or error
    first_line = (str(cause).strip() or type(cause).__name__).splitlines()[0]
    return Unavailable(f"database {place}: {first_line}{_remedy(str(error), is_sqlite, busy)}")


def _remedy(said: str, is_sqlite: bool, busy: bool) -> str:
    if "not a database" in said or "malformed" in said:
        return "; the file is damaged or not an SQLite database: move it away and run `matchcast migrate`"
    if busy or "lock timeout" in said or "statement timeout" in said:
        return "; others keep it busy: try again"
    if "locked" in said:
        return "; another process is writing to it: try again when it is done"
    if not is_sqlite and "connect" in said:
        return "; start PostgreSQL or correct MATCHCAST_DATABASE_URL"
    return ""
