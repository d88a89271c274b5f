"""What proving the ledger needs from outside."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from matchcast.domain.forecast import LedgerRow
from matchcast.domain.settlement import SettlementRow


class Unreadable(NamedTuple):
    """A row that holds something no code of ours writes."""

    row_id: int
    reason: str


class Settled(NamedTuple):
    """A settlement, and what the rest of the ledger says of its match.

    Attributes:
        earlier: how many settlements of the match come before it in the chain.
        forecast: the one it names, as it stands in the ledger; None if there is none.
        later: forecasts of the match that follow that one and can be read.
    """

    row: SettlementRow | Unreadable
    earlier: int
    forecast: LedgerRow | Unreadable | None
    later: Sequence[LedgerRow]


class Chains(Protocol):
    """The two chains from their beginnings, some rows at a time, in order of their ids; nothing is taken for granted."""

    def forecasts(self) -> Iterator[Sequence[LedgerRow | Unreadable]]: ...

    def settlements(self) -> Iterator[Sequence[Settled]]: ...
