"""Prove the ledger: walk both chains, and find the first row of each that is not as it was written.

Every column is covered: ids count from 1 without gaps, each row holds the hash of the one before, and its own hash follows
from all its other columns. A settlement must moreover agree with the forecast it names, which must be the last one that
counted, and its scores with its goals; a match's revisions run from 1.
What somebody with all rights could still do, cutting off the end or writing a whole chain anew, shows against a head
that was noted elsewhere.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from math import isclose
from typing import Final, NamedTuple

import numpy as np

from matchcast.domain.forecast import GENESIS_HASH, LedgerRow, Probabilities, counts
from matchcast.domain.match import MatchStatus
from matchcast.domain.settlement import Result, SettlementRow
from matchcast.model.metrics import brier_each, log_loss_each, rps_each
from matchcast.ports.chains import Chains, Settled, Unreadable

_SAME: Final = 1e-12
"""Numpy's logarithms may differ in the last bit with the number of rows."""
_SCORES: Final = ("log_loss", "rps", "brier")
_UNDER_WAY: Final = timedelta(hours=1)
"""A forecast recorded so shortly before a settlement may have been committed after it was made."""


class Broken(NamedTuple):
    """The first row of a chain that is not as it was written, and what is wrong with it."""

    row_id: int
    fault: str


class Walked(NamedTuple):
    """A chain, walked to its end or to its first broken row.

    Attributes:
        rows: how many are whole.
        head: hash of the last of them; 64 zeros for none.
    """

    rows: int
    head: str
    broken: Broken | None


class Verified(NamedTuple):
    """Both chains.

    Attributes:
        missing: noted heads that neither chain holds.
    """

    forecasts: Walked
    settlements: Walked
    missing: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return not (self.forecasts.broken or self.settlements.broken or self.missing)


def verify(chains: Chains, heads: Collection[str] = ()) -> Verified:
    """Walk both chains, in constant memory.

    Args:
        heads: hashes that were noted elsewhere: each must still be in one of the chains.
    Raises:
        Unavailable: the database is away.
    """
    missing = set(heads) - {GENESIS_HASH}
    forecasts = _walk(((row, None) for portion in chains.forecasts() for row in portion), missing)
    settlements = _walk(_settlements(chains), missing)
    return Verified(forecasts, settlements, tuple(head for head in heads if head in missing))


def _walk(rows: Iterable[tuple[LedgerRow | SettlementRow | Unreadable, str | None]], missing: set[str]) -> Walked:
    """A walk along a chain; each row comes with the fault it has beside the chain's, if any. `missing` loses what is found."""
    number, head = 0, GENESIS_HASH
    for row, other_fault in rows:
        fault = _fault(row, number + 1, head) or other_fault
        if fault is not None or isinstance(row, Unreadable):
            return Walked(number, head, Broken(_id(row), fault or ""))
        number, head = number + 1, row.hash
        missing.discard(head)
    return Walked(number, head, None)


def _fault(row: LedgerRow | SettlementRow | Unreadable, number: int, head: str) -> str | None:
    """What is wrong with the row that should be this number and follow this hash."""
    row_id = _id(row)
    if row_id != number:
        gone = f"row {number} is" if row_id == number + 1 else f"rows {number} to {row_id - 1} are"
        return f"{gone} missing before it" if row_id > number else f"it should be row {number}"
    if isinstance(row, Unreadable):
        return row.reason
    if row.previous_hash != head:
        return "previous_hash is not the hash of the row before"
    if row.hash != row.expected_hash:
        return "hash does not follow from the rest of the row: one of the two was changed"
    return None


def _settlements(chains: Chains) -> Iterator[tuple[SettlementRow | Unreadable, str | None]]:
    for portion in chains.settlements():
        proven = [row for row, *_ in portion if isinstance(row, SettlementRow) and row.hash == row.expected_hash]
        wrong = _wrong_scores(proven)
        for settled in portion:
            yield settled.row, _disagreement(settled) or wrong.get(_id(settled.row))


def _disagreement(settled: Settled) -> str | None:
    """Where a settlement says something else than the rest of the ledger."""
    if isinstance(settled.row, Unreadable):
        return None
    return _contradiction(settled.row, settled.earlier) or _wrong_forecast(settled.row, settled)


def _contradiction(row: SettlementRow, earlier: int) -> str | None:
    settlement = row.settlement
    if settlement.revision != earlier + 1:
        return f"revision is {settlement.revision}, but {earlier} settlements of the match are before it"
    if settlement.result is not None and settlement.status is not MatchStatus.FINISHED:
        return f"status is {settlement.status.name}, but there is a result"
    if settlement.result is None and settlement.revision == 1:
        return "it takes a result back that was never settled"
    if settlement.result is None and settlement.market is not None:
        return "there are scores of the market, but no result"
    return None


def _wrong_forecast(row: SettlementRow, settled: Settled) -> str | None:
    """What is wrong with the forecast that a settlement names; one without result names the one that counted before."""
    settlement, named = row.settlement, settled.forecast
    if not isinstance(named, LedgerRow):
        return f"forecast_id: {settlement.forecast_id} {'cannot be read' if named else 'is not in the ledger'}"
    forecast = named.forecast
    said = {
        "match_id": (settlement.match_id, forecast.fixture.match_id),
        "tournament": (settlement.tournament, forecast.fixture.tournament),
        "model_version": (settlement.model_version, forecast.model_version),
        "probabilities": (settlement.probabilities, forecast.probabilities),
    }
    for name, (here, there) in said.items():
        if here != there:
            return f"{name} is not that of forecast {settlement.forecast_id}"
    if settlement.result is None:
        return None
    kickoff = settlement.kickoff_at, settlement.kickoff_known
    if not counts(named, *kickoff):
        return f"forecast {settlement.forecast_id} was not made and recorded before kick-off, or only compared"
    until = settlement.settled_at - _UNDER_WAY
    later = [row.forecast_id for row in settled.later if counts(row, *kickoff) and row.recorded_at <= until]
    if later:
        return f"forecast {max(later)} counted when it was settled, not forecast {settlement.forecast_id}"
    return None


def _wrong_scores(rows: Sequence[SettlementRow]) -> dict[int, str]:
    """By id, of which rows the scores do not follow from probabilities and goals."""
    told = [
        (row.settlement_id, what, probabilities, _outcome(result), scores)
        for row in rows
        if (result := row.settlement.result) is not None
        for what, probabilities, scores in _scored(row)
    ]
    wrong = {
        row_id: f"{what}probabilities do not sum to 1"
        for row_id, what, chances, _, _ in told
        if not _sums_to_one(chances)
    }
    told = [one for one in told if _sums_to_one(one[2])]
    if not told:
        return wrong
    probs, outcomes = np.array([one[2] for one in told]), np.array([one[3] for one in told], dtype=np.int64)
    again = [each(probs, outcomes).tolist() for each in (log_loss_each, rps_each, brier_each)]
    for (row_id, what, _, _, scores), expected in zip(told, zip(*again, strict=True), strict=True):
        for name, recorded, recomputed in zip(_SCORES, scores, expected, strict=True):
            if not isclose(recorded, recomputed, rel_tol=_SAME, abs_tol=_SAME):
                wrong.setdefault(row_id, f"{what}{name} is {recorded!r}, goals and probabilities give {recomputed!r}")
    return wrong


def _scored(row: SettlementRow) -> Iterator[tuple[str, Probabilities, Sequence[float]]]:
    settlement = row.settlement
    if settlement.result is not None:
        yield "", settlement.probabilities, settlement.result[2:]
        if settlement.market is not None:
            yield "market_", settlement.market.probabilities, settlement.market[2:]


def _outcome(result: Result) -> int:
    return 1 + (result.away_goals > result.home_goals) - (result.home_goals > result.away_goals)


def _sums_to_one(probabilities: Probabilities) -> bool:
    return abs(sum(probabilities) - 1.0) <= 1e-6


def _id(row: LedgerRow | SettlementRow | Unreadable) -> int:
    if isinstance(row, Unreadable):
        return row.row_id
    return row.forecast_id if isinstance(row, LedgerRow) else row.settlement_id
