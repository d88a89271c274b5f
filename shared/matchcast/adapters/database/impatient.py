"""A connection to PostgreSQL that is given up when nothing is heard of the server.

The server's own limits (`patience`) end what it works on too long. A server that is stopped, or beyond a broken network,
ends nothing: a statement would wait for it as long as TCP does. So a connection that hears nothing for a while asks on
another one whether the server is there.
"""

from typing import Any, Final, Self

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

SILENT_SECONDS: Final = 3.0
"""After which the server is asked."""
_PROBE_SECONDS: Final = 2


class Silence(psycopg.OperationalError):
    """Nothing was heard of the server; the connection is closed."""


class Impatient(psycopg.Connection[TupleRow]):
    """As psycopg's, but it waits for nothing that is not there."""

    _place: tuple[str, dict[str, Any]]

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        connection = super().connect(conninfo, **options)
        connection._place = conninfo, options
        return connection

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        while True:
            try:
                return super().wait(gen, interval, SILENT_SECONDS)
            except psycopg.errors._WaitTimeout:
                self._check_server()

    def _check_server(self) -> None:
        conninfo, options = self._place
        try:
            psycopg.connect(conninfo, **{**options, "connect_timeout": _PROBE_SECONDS}).close()
        except psycopg.Error as error:
            self.pgconn.finish()
            raise Silence(f"connection lost: nothing is heard of the server ({error})") from error
