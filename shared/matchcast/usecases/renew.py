"""Renew the forecasts of all matches to come, after new results and after a promotion.

Everything is computed anew from what is stored; nothing is kept between two renewals. One renewal runs at a time, over
all instances: it has its turn from before it looks what there is until the event is on record. So each one is made from
data read after the one before was published, its `as_of` is not before that one's, and the pointer never goes back.

What one writes, in this order: the snapshot file, the ledger's rows, the pointer, the record that the event was handled.
So whatever is shown is in the ledger, and whatever is in the ledger can be replayed. A process killed between two of
these leaves the event unhandled. When it comes again, what was recorded already says the same, so it is shown and not
added twice; a snapshot that would be the published one again is not published; and the reply has the same id.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from matchcast.domain.event import Event
from matchcast.domain.forecast import Cause, Forecast
from matchcast.errors import BadInput
from matchcast.events import ForecastsUpdated, MatchesIngested, ModelPromoted, next_event, payload_of
from matchcast.features.history import History
from matchcast.model.bundle import Bundle
from matchcast.ports import Clock, ObjectStore
from matchcast.ports.events import Deadline, Inbox
from matchcast.ports.renewal import RenewedLedger, Turns
from matchcast.usecases.batch import Batch, SnapshotWriter, cause_of, forecast_all, reconciled, says_alike, snapshot_of
from matchcast.usecases.champion import CHAMPION_KEY, load_champion
from matchcast.usecases.publish import SnapshotPointer, pointer_to, serve_snapshot, served_snapshot

WORK: Final = "renewal"
_LOG: Final = logging.getLogger("matchcast.renew")


@dataclass(frozen=True)
class Renewer:
    """Renews forecasts.

    Attributes:
        service: on whose behalf; also the consumer in the inbox.
        history: what was known at an instant, with these bookmakers' prices of matches to come.
        now: asked when it is a renewal's turn.
        tell: warm instances, to look at the snapshot's pointer.
    """

    service: str
    objects: ObjectStore
    history: Callable[[datetime, Sequence[str]], History]
    ledger: RenewedLedger
    inbox: Inbox
    turns: Turns
    write: SnapshotWriter
    code_revision: str
    now: Clock
    tell: Callable[[], None]

    def renew(self, event: Event, deadline: Deadline) -> Event | None:
        """Renew, unless this event did so before.

        The champion of the moment counts, whichever version a model.promoted names.

        Returns:
            forecasts.updated; None after new matches where there is no champion yet: its promotion will renew.
        Raises:
            BadInput: the event is neither matches.ingested nor model.promoted, or not as its schema says.
            Unavailable: something is away, also a champion that was promoted.
        """
        promoted = _is_promotion(event)
        with self.turns.turn(WORK, deadline) as still_my_turn:
            before = self.inbox.handled(self.service, event)
            if before is not None:
                return before.reply
            now = self.now()
            if not promoted and self.objects.etag(CHAMPION_KEY) is None:
                return self.inbox.once(self.service, event, now, lambda: None)
            renewed = self._renewed(now, promoted, deadline)
            still_my_turn()
            if renewed.content is not None:
                self.objects.put(renewed.pointer.key, renewed.content)
            self.ledger.append(renewed.fresh, self.now)
            if renewed.content is not None:
                still_my_turn()
                serve_snapshot(self.objects, renewed.pointer)
                self.tell()
            told = ForecastsUpdated(
                snapshot_hash=renewed.pointer.state_hash,
                model_version=renewed.pointer.model_version,
                count=renewed.forecasts,
                recorded=len(renewed.fresh),
                key=renewed.pointer.key,
            )
            reply = next_event(event, told, service=self.service, now=now)
            deadline.check()
            return self.inbox.once(self.service, event, now, lambda: reply)

    def _renewed(self, now: datetime, promoted: bool, deadline: Deadline) -> "_Renewed":
        bundle = load_champion(self.objects).bundle
        served = served_snapshot(self.objects)
        as_of = now.replace(microsecond=0)
        if served is not None:
            as_of = max(as_of, datetime.fromisoformat(served.as_of))
        deadline.check()
        known = self.history(as_of, bundle.contract.market_from)
        deadline.check()
        last = self.ledger.latest([fixture.match_id for fixture in known.to_come if fixture.match_id is not None])
        cause = Cause.NEW_MODEL if promoted else cause_of(bundle.version, last)
        batch = forecast_all(known.matches, known.to_come, bundle, as_of, code_revision=self.code_revision, cause=cause)
        deadline.check()
        batch, fresh = reconciled(batch, last, says_alike)
        if served is not None and not fresh and self._is_served(batch, known, bundle, served):
            _LOG.info("the forecasts stand: nothing changed since %s", served.as_of)
            return _Renewed(served, None, fresh, len(batch.forecasts))
        content = snapshot_of(batch, known.teams, known.other_names, bundle.version, self.write)
        deadline.check()
        pointer = pointer_to(
            content, state_hash=batch.state.hash, as_of=as_of, model_version=bundle.version, run_id=bundle.run_id,
            published_at=now,
        )  # fmt: skip
        return _Renewed(pointer, content, fresh, len(batch.forecasts))

    def _is_served(self, batch: Batch, known: History, bundle: Bundle, served: SnapshotPointer) -> bool:
        """Whether the batch, had it been made at the served snapshot's instant, is that very snapshot."""
        then = replace(batch, state=replace(batch.state, as_of=int(datetime.fromisoformat(served.as_of).timestamp())))
        if then.state.hash != served.state_hash or bundle.version != served.model_version:
            return False
        content = snapshot_of(then, known.teams, known.other_names, bundle.version, self.write)
        return hashlib.sha256(content).hexdigest() == served.sha256


class _Renewed(NamedTuple):
    """What a renewal came to; `content` is the file to publish, None if the served one stands."""

    pointer: SnapshotPointer
    content: bytes | None
    fresh: Sequence[Forecast]
    forecasts: int


def _is_promotion(event: Event) -> bool:
    """Whether the model is new rather than the matches; the event is checked."""
    if event.type == ModelPromoted.type():
        payload_of(event, ModelPromoted)
        return True
    if event.type == MatchesIngested.type():
        payload_of(event, MatchesIngested)
        return False
    raise BadInput(f"type: {event.type} renews nothing; send it to who takes it", "type")
