"""Work that one at a time may do: an advisory lock on PostgreSQL, a locked file beside an SQLite database."""

import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import text

from matchcast.adapters.database.engine import Database
from matchcast.errors import Unavailable
from matchcast.ports.events import Deadline

_WAIT: Final = 0.05


class SqlTurns:
    """The `Turns` port. The lock is not that of a transaction that writes: others go on writing meanwhile."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def turn(self, work: str, deadline: Deadline) -> Iterator[Callable[[], None]]:
        held = self._of_postgresql(work, deadline) if self._database.file is None else self._of_file(work, deadline)
        with held as still:
            yield still

    @contextmanager
    def _of_postgresql(self, work: str, deadline: Deadline) -> Iterator[Callable[[], None]]:
        key = int.from_bytes(hashlib.blake2b(work.encode(), digest_size=8).digest(), "big", signed=True)
        # whoever has it gets it again; a parameter would make the server keep its view of the rows until the end
        taken = text(f"SELECT pg_try_advisory_xact_lock({key})")
        with self._database.aside() as connection:

            def is_mine() -> bool:
                return bool(connection.execute(taken).scalar_one())

            _wait(is_mine, deadline)

            def still() -> None:
                if not is_mine():
                    raise Unavailable(f"the turn for {work} was lost; try again")

            yield still

    @contextmanager
    def _of_file(self, work: str, deadline: Deadline) -> Iterator[Callable[[], None]]:
        database = self._database.file
        assert database is not None
        try:
            file = Path(f"{database}.{work}.lock").open("ab")  # noqa: SIM115
        except OSError as error:
            raise Unavailable(f"no lock for {work} beside {database}: {error.strerror or error}") from error
        with file:
            _wait(lambda: _locked(file.fileno()), deadline)
            yield lambda: None


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(is_mine: Callable[[], bool], deadline: Deadline) -> None:
    while not is_mine():
        deadline.check()
        time.sleep(_WAIT)
