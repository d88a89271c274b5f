"""What the renewing of all forecasts needs from outside, besides events, objects and the ledger."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from matchcast.domain.forecast import Forecast, LedgerRow
from matchcast.ports import Clock
from matchcast.ports.events import Deadline


class Turns(Protocol):
    """Work that one at a time may do, over all processes that share a database."""

    def turn(self, work: str, deadline: Deadline) -> AbstractContextManager[Callable[[], None]]:
        """Wait until it is this caller's turn, and have it until the block ends; a process that dies gives it up.

        Returns:
            What says that the turn is still this caller's, or raises Unavailable.
        Raises:
            TimedOut: it did not come in time.
            Unavailable: the database is away.
        """
        ...


class RenewedLedger(Protocol):
    """The part of the ledger that renewing reads and writes."""

    def latest(self, match_ids: Sequence[int]) -> Sequence[LedgerRow]:
        """The last row of each of these matches that has any, made by whichever champion there was."""
        ...

    def append(self, forecasts: Sequence[Forecast], clock: Clock) -> Sequence[LedgerRow]:
        """As `Ledger.append`."""
        ...
