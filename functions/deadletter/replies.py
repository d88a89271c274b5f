"""What dead letters look like in answers."""

import json
from collections.abc import Sequence
from typing import Any

from msgspec import Raw

from matchcast.fields import Instant
from matchcast.ports.events import DeadLetter
from matchcast.usecases.queues import QueueState
from matchcast.web.replies import Reply


class LetterReply(Reply, frozen=True, kw_only=True):
    """An event that no try could deliver.

    `code` is the last HTTP status, -1 where there was no answer, null where the broker did not say. `replayed_at` is
    null while the letter is open. `trigger` is the one whose delivery failed, null where that was not told.
    """

    letter_id: str
    broker: str
    event_id: str
    event_source: str
    event_type: str
    event_time: Instant
    destination: str
    code: int | None
    reason: str
    died_at: Instant
    deaths: int
    replayed_at: Instant | None
    trigger: str | None


class WholeLetterReply(LetterReply, frozen=True, kw_only=True):
    """A letter with all of its event."""

    event_subject: str | None
    event_extensions: dict[str, str]
    event_data: Any


class QueueReply(Reply, frozen=True, kw_only=True):
    """The queue of a Trigger.

    `depth` is `waiting`, which nobody has fetched, and `in_delivery`, which includes events that wait for another try.
    `dying` are on their way to the dead-letter sink, `dead_letters` are there and open: null while the database is away.
    """

    broker: str
    trigger: str
    depth: int
    waiting: int
    in_delivery: int
    consumers: int
    dying: int
    dead_letters: int | None


class QueuesReply(Reply, frozen=True, kw_only=True):
    """The queues in order of broker and Trigger."""

    items: Sequence[QueueReply]


def queues_reply(states: Sequence[QueueState]) -> QueuesReply:
    """The answer that shows queues."""
    return QueuesReply(
        items=[
            QueueReply(depth=queue.waiting + queue.in_delivery, dead_letters=letters, **queue._asdict())
            for queue, letters in states
        ]
    )


def letter_reply(letter: DeadLetter) -> LetterReply:
    """The answer that shows a letter in a list."""
    return LetterReply(**_parts(letter))


def whole_letter_reply(letter: DeadLetter) -> WholeLetterReply:
    """The answer that shows one letter."""
    return WholeLetterReply(
        **_parts(letter),
        event_subject=letter.event.subject,
        event_extensions=dict(letter.event.extensions),
        event_data=Raw(
            json.dumps(letter.event.data).encode()
        ),  # may hold numbers and texts that msgspec does not write
    )


def _parts(letter: DeadLetter) -> dict[str, Any]:
    event = letter.event
    return {
        "letter_id": letter.letter_id,
        "broker": letter.broker,
        "event_id": event.id,
        "event_source": event.source,
        "event_type": event.type,
        "event_time": event.time,
        "destination": letter.destination,
        "code": letter.code,
        "reason": letter.reason,
        "died_at": letter.died_at,
        "deaths": letter.deaths,
        "replayed_at": letter.replayed_at,
        "trigger": letter.trigger,
    }
