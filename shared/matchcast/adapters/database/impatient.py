"""A connection to PostgreSQL that is given up when nothing is heard of the server.

The server's own limits (`patience`) end what it works on too long. A server that is stopped, or beyond a broken network,
ends nothing: a statement would wait for it as long as TCP does.
"""

from typing import Any, ClassVar, Final

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

BEGIN_SECONDS: Final = 3.0
"""For what the server has nothing to do for."""
_GRACE_SECONDS: Final = 3.0


class Silence(psycopg.OperationalError):
    """Nothing was heard of the server; the connection is closed."""


class Impatient(psycopg.Connection[TupleRow]):
    """As psycopg's, with a limit to every wait.

    Attributes:
        limit: seconds that anything may take.
    """

    limit: ClassVar[float]

    def begin(self, statement: str) -> None:
        """Begin a transaction, which takes no time where there is a server."""
        self._within = BEGIN_SECONDS
        try:
            self.execute(statement.encode())
        finally:
            self._within = self.limit

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        limit = getattr(self, "_within", self.limit) if timeout is None else timeout
        try:
            return super().wait(gen, interval, limit)
        except psycopg.errors._WaitTimeout as error:
            self.pgconn.finish()
            raise Silence(f"connection lost: nothing was heard of the server for {limit:g} s") from error


def impatient(statement_seconds: float) -> type[Impatient]:
    """Connections to a server that ends statements after so long."""
    return type("Impatient", (Impatient,), {"limit": statement_seconds + _GRACE_SECONDS})
