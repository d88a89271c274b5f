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
    """A settlement, and the forecast it names as it stands in the ledger; None if there is none."""

    row: SettlementRow | Unreadable
    forecast: LedgerRow | Unreadable | None


class Chains(Protocol):
    """The two chains from their beginnings, some rows at a time, in order of their ids; nothing is taken for granted."""

    def forecasts(self) -> Iterator[Sequence[LedgerRow | Unreadable]]: ...

    def settlements(self) -> Iterator[Sequence[Settled]]: ...
