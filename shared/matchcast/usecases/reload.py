"""Tell whether the champion in the object store may be served.

The pointer that is there counts, not what a notification says of it: one that comes twice, late or out of order finds
what the one before found. So a rollback is a promotion like any other: a pointer with a later `promoted_at`.
"""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote_plus

from matchcast.domain.event import Event, named_id, source_of
from matchcast.errors import BadInput, BundleBroken, MatchcastError, NotFound
from matchcast.events import ModelPromoted, ModelRejected, Payload, first_event
from matchcast.ports import ObjectStore
from matchcast.ports.events import Deadline, Inbox, Sink
from matchcast.usecases.champion import CHAMPION_KEY, ChampionPointer, champion_at, read_pointer

_SERVICE: Final = "reload"
_CREATED: Final = "s3:ObjectCreated:"
_LONGEST_REASON: Final = 2000


def tells_of_champion(notification: Any) -> bool:
    """Whether this is MinIO's notification that the pointer was put, among other things or alone."""
    return any(f"/{key}".endswith(f"/{CHAMPION_KEY}") for key in _put(notification))


def announce_champion(
    objects: ObjectStore,
    inbox: Inbox,
    sink: Sink,
    now: datetime,
    deadline: Deadline,
    tell: Callable[[], None],
) -> Event | None:
    """Check the champion that is there now, and publish model.promoted or model.rejected, once for each pointer.

    The id of the event follows from the pointer's content; it is published before that is recorded, so that whoever is
    killed in between publishes the same event again.

    Args:
        tell: warm instances, to look at the pointer; each time that the champion is good, and before anything that may
            be away.
    Returns:
        The event published; None if it was before, or there is no pointer any more.
    Raises:
        Unavailable: the store, the database or the broker is away, or the time is over before it is published.
    """
    try:
        raw = objects.get(CHAMPION_KEY)
    except NotFound:
        return None
    event = _verdict(raw, objects, now)
    if event.type == ModelPromoted.type():
        tell()
    if inbox.handled(_SERVICE, event) is not None:
        return None
    deadline.check()
    sink.publish(event)
    inbox.once(_SERVICE, event, now, lambda: None)
    return event


def _verdict(raw: bytes, objects: ObjectStore, now: datetime) -> Event:
    try:
        pointer = read_pointer(raw)
    except BundleBroken as error:
        return _event(_rejection(error), (hashlib.sha256(raw).hexdigest(),), now)
    known_by = (pointer.version, pointer.manifest_sha256, pointer.promoted_at)
    payload: Payload
    try:
        payload = _promotion(pointer)
        champion_at(pointer, objects)
    except (BundleBroken, BadInput) as error:  # a prefix that is no key is the pointer's fault, too
        payload = _rejection(error, pointer.version)
    return _event(payload, known_by, now)


def _event(payload: Payload, known_by: tuple[str, ...], now: datetime) -> Event:
    id_ = named_id(source_of(_SERVICE), payload.type(), *known_by)
    return first_event(payload, id=id_, service=_SERVICE, now=now)


def _rejection(error: MatchcastError, version: str | None = None) -> ModelRejected:
    return ModelRejected(version=version, reason=str(error)[:_LONGEST_REASON])


def _promotion(pointer: ChampionPointer) -> ModelPromoted:
    try:
        promotion = ModelPromoted(
            version=pointer.version,
            run_id=pointer.run_id,
            promoted_at=datetime.fromisoformat(pointer.promoted_at),
            reason="its hashes are right, and it gives its golden rows",
        )
        promotion.to_json()
    except ValueError as error:
        said = " ".join(str(error).split()[:40])
        raise BundleBroken(f"{CHAMPION_KEY} cannot be announced ({said}): run `matchcast promote VERSION`") from error
    return promotion


def _put(notification: Any) -> Iterator[str]:
    """Bucket and key of each object that was put."""
    records = notification.get("Records") if isinstance(notification, dict) else None
    for record in records if isinstance(records, list) else ():
        try:
            if record["eventName"].startswith(_CREATED):
                yield f"{record['s3']['bucket']['name']}/{unquote_plus(record['s3']['object']['key'])}"
        except (KeyError, TypeError, AttributeError):  # a record that is none
            continue
