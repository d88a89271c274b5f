"""How long a database is waited for."""

from typing import NamedTuple


class Patience(NamedTuple):
    """Seconds; above them PostgreSQL gives up what it was asked for. SQLite knows but the first.

    Attributes:
        lock: to wait for what another transaction holds.
        statement: that one statement may take.
        idle: that a transaction may do nothing.
    """

    lock: float
    statement: float
    idle: float

    @property
    def options(self) -> str:
        """What a session of PostgreSQL begins with."""
        names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
        return " ".join(f"-c {name}={max(1, round(seconds * 1000))}" for name, seconds in zip(names, self, strict=True))
