"""The figures that outlive every process: the database's, and what the pointers in the object store say."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from matchcast.errors import NotFound, Unavailable
from matchcast.ports import Clock, ObjectStore
from matchcast.ports.metrics import (
    Counts,
    Figures,
    MetricStore,
    Model,
    Pointed,
    Queues,
    Snapshot,
    Stored,
    TriggerQueue,
)

SETTLED_WITHIN: Final = timedelta(days=30)
"""Matches whose scores are shown kicked off within so long."""
_STAGES: Final = ("champion", "challenger")


def figures_of(
    store: Callable[[], MetricStore],
    objects: Callable[[], ObjectStore],
    now: Clock,
    queues: Callable[[], Queues] | None = None,
    problems: Mapping[str, Callable[[], str | None]] | None = None,
) -> Figures:
    """What the metrics of a function read; everything is opened on first use.

    Args:
        objects: the store itself, not copies of it.
        queues: None where they are not shown.
    """

    def stored() -> Stored:
        return store().read(now(), SETTLED_WITHIN)

    def pointed() -> Pointed:
        return pointed_at(objects())

    def add(counts: Counts) -> None:
        store().add(counts)

    def read_queues() -> Sequence[TriggerQueue]:
        assert queues is not None
        return queues().read()

    reach: dict[str, Callable[[], object]] = {
        "database": lambda: store().reach(),
        "objects": lambda: objects().etag(_key(_STAGES[0])),
    }
    if queues is not None:
        reach["queues"] = read_queues
    return Figures(
        stored, pointed, add, None if queues is None else read_queues, reach, {} if problems is None else problems
    )


def pointed_at(objects: ObjectStore) -> Pointed:
    """What the pointers say.

    Raises:
        Unavailable: the store is away, or a pointer cannot be read.
    """
    from matchcast.usecases.champion import read_pointer
    from matchcast.usecases.publish import SNAPSHOT_KEY, read_snapshot_pointer

    models = []
    for stage in _STAGES:
        key = _key(stage)
        raw = _content(objects, key)
        if raw is not None:
            pointer = read_pointer(raw)
            models.append(Model(pointer.version, stage, _instant(pointer.registered_at, key)))
    raw = _content(objects, SNAPSHOT_KEY)
    if raw is None:
        return Pointed(models, None)
    served = read_snapshot_pointer(raw)
    return Pointed(models, Snapshot(*(_instant(at, SNAPSHOT_KEY) for at in (served.as_of, served.published_at))))


def _key(stage: str) -> str:
    return f"models/{stage}.json"


def _content(objects: ObjectStore, key: str) -> bytes | None:
    try:
        return objects.get(key)
    except NotFound:
        return None


def _instant(text: str, key: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Unavailable(f"{key} holds {text[:40]!r}, which is no instant; publish it again") from error
    if found.tzinfo is None:
        raise Unavailable(f"{key} holds {text[:40]!r}, which has no time zone; publish it again")
    return found
