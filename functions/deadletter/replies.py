"""What dead letters look like in answers."""

import json
from typing import Any

from msgspec import Raw

from matchcast.fields import Instant
from matchcast.ports.events import DeadLetter
from matchcast.web.replies import Reply


class LetterReply(Reply, frozen=True, kw_only=True):
    """An event that no try could deliver.

    `code` is the last HTTP status, -1 where there was no answer, null where the broker did not say. `replayed_at` is
    null while the letter is open.
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


class WholeLetterReply(LetterReply, frozen=True, kw_only=True):
    """A letter with all of its event."""

    event_subject: str | None
    event_extensions: dict[str, str]
    event_data: Any


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
    }
