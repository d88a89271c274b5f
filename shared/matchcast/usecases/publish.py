"""The published state snapshot: a file in the object store and the pointer to it."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from matchcast.errors import NotFound, SnapshotBroken, Unavailable
from matchcast.ports import ObjectStore, StateSnapshot

SNAPSHOT_KEY: Final = "snapshots/current.json"


@dataclass(frozen=True, slots=True)
class SnapshotPointer:
    """Which snapshot is served. Instants are ISO 8601 in UTC.

    Attributes:
        key: of the file; its content never changes.
        as_of: every result known by then is in the state.
        model_version, run_id: of the model that made the forecasts in it.
        sha256: of the file.
    """

    key: str
    state_hash: str
    as_of: str
    model_version: str
    run_id: str
    sha256: str
    published_at: str


class Published(NamedTuple):
    """The served snapshot, open."""

    snapshot: StateSnapshot
    pointer: SnapshotPointer


def publish_snapshot(
    objects: ObjectStore,
    content: bytes,
    *,
    state_hash: str,
    as_of: datetime,
    model_version: str,
    run_id: str,
    published_at: datetime,
) -> SnapshotPointer:
    """Put a snapshot file (as `adapters.snapshot_file.write_snapshot` made it), and last the pointer to it.

    Raises:
        Unavailable: the store refused; the snapshot before is still the one served.
    """
    pointer = pointer_to(
        content,
        state_hash=state_hash,
        as_of=as_of,
        model_version=model_version,
        run_id=run_id,
        published_at=published_at,
    )
    objects.put(pointer.key, content)
    serve_snapshot(objects, pointer)
    return pointer


def pointer_to(
    content: bytes, *, state_hash: str, as_of: datetime, model_version: str, run_id: str, published_at: datetime
) -> SnapshotPointer:
    """The pointer to a snapshot file with this content."""
    sha256 = hashlib.sha256(content).hexdigest()
    return SnapshotPointer(
        key=f"snapshots/{state_hash}-{model_version}-{sha256[:12]}.sqlite",
        state_hash=state_hash,
        as_of=as_of.astimezone(UTC).isoformat(),
        model_version=model_version,
        run_id=run_id,
        sha256=sha256,
        published_at=published_at.astimezone(UTC).isoformat(),
    )


def serve_snapshot(objects: ObjectStore, pointer: SnapshotPointer) -> None:
    """Put the pointer; its file must be there."""
    objects.put(SNAPSHOT_KEY, json.dumps(asdict(pointer), indent=1, sort_keys=True).encode())


def served_snapshot(objects: ObjectStore) -> SnapshotPointer | None:
    """The pointer in the store; None where there is none or it is damaged, and so must be written anew.

    Raises:
        Unavailable: the store is away.
    """
    try:
        pointer = SnapshotPointer(**json.loads(objects.get(SNAPSHOT_KEY)))
        datetime.fromisoformat(pointer.as_of)
    except (NotFound, ValueError, TypeError):
        return None
    return pointer


def load_snapshot(objects: ObjectStore, open_file: Callable[[str, str], StateSnapshot]) -> Published:
    """The snapshot that the pointer names.

    Args:
        open_file: opens the snapshot with this object key and SHA-256.
    Raises:
        Unavailable: there is none, or the store is away.
        SnapshotBroken: the pointer or the file is damaged, or was made by other feature code.
    """
    try:
        raw = objects.get(SNAPSHOT_KEY)
    except NotFound as error:
        raise Unavailable("no state snapshot yet: run `make demo` or the pipeline's batch_inference stage") from error
    pointer = read_snapshot_pointer(raw)
    try:
        snapshot = open_file(pointer.key, pointer.sha256)
    except NotFound as error:
        raise SnapshotBroken(
            f"{SNAPSHOT_KEY} names {pointer.key}, which is missing: run the pipeline's batch_inference stage again"
        ) from error
    if (snapshot.state_hash, snapshot.model_version) != (pointer.state_hash, pointer.model_version):
        raise SnapshotBroken(
            f"{pointer.key} is not the snapshot that {SNAPSHOT_KEY} describes: run the batch_inference stage again"
        )
    return Published(snapshot, pointer)


def read_snapshot_pointer(raw: bytes) -> SnapshotPointer:
    """The pointer in these bytes.

    Raises:
        SnapshotBroken: it cannot be read.
    """
    try:
        pointer = SnapshotPointer(**json.loads(raw))
        if not all(isinstance(value, str) and value for value in asdict(pointer).values()):
            raise ValueError("a field is empty or no text")
    except (ValueError, TypeError) as error:
        raise SnapshotBroken(
            f"{SNAPSHOT_KEY} cannot be read ({error}): run the pipeline's batch_inference stage again"
        ) from error
    return pointer
