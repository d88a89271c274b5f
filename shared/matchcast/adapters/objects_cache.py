"""Local copies of objects, so that an instance starts while the store is away."""

import hashlib
import time
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Final

from matchcast.adapters.objects_folder import FolderStore
from matchcast.errors import NotFound, SnapshotBroken, Unavailable
from matchcast.ports import ObjectStore

_COPIES_KEPT: Final = 2
_AWAY_SECONDS: Final = 3.0
"""So long a store that was away is not asked: many requests that wait in vain are one start."""


class CachedObjects:
    """An `ObjectStore` that keeps a copy of whatever it reads and falls back on it while the store is unavailable.

    Args:
        store: the store itself, asked first.
        folder: where the copies are.
    """

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._copies = FolderStore(folder, lasting=False)
        self._falls_back = True
        self._away = _Away()

    def anew(self) -> "CachedObjects":
        """The same, with the same copies, but what it gives is always the store's."""
        other = copy(self)
        other._falls_back = False
        return other

    def put(self, key: str, content: bytes) -> str:
        return self._store.put(key, content)

    def get(self, key: str, *, largest: int | None = None) -> bytes:
        kept, away = self._copy(key), self._away.error
        if self._falls_back and away is not None:
            if kept is None:
                raise away.with_traceback(None)
            return kept
        try:
            content = self._store.get(key, largest=largest)
        except Unavailable as error:
            self._away.note(error)
            if kept is None or not self._falls_back:
                raise
            return kept
        if kept != content:
            self._copies.put(key, content)
        return content

    def etag(self, key: str) -> str | None:
        """Always the store's."""
        error = self._away.error
        if error is not None and self._falls_back:
            raise error.with_traceback(None)
        try:
            return self._store.etag(key)
        except Unavailable as away:
            self._away.note(away)
            raise

    def keys(self, prefix: str) -> Sequence[str]:
        return self._store.keys(prefix)

    def file(self, key: str, sha256: str) -> Path:
        """A local file with an object's content; copies of others beside it are removed, but for the newest.

        Raises:
            SnapshotBroken: the object's content is not what its pointer says.
            Unavailable: the store is away and there is no good copy.
        """
        path = self._folder / key
        if path.is_file() and _sha256_of(path) == sha256:
            return path
        content = self._store.get(key)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise SnapshotBroken(
                f"object {key} was altered: its SHA-256 is not the one its pointer gives; publish the snapshot again"
            )
        self._copies.put(key, content)
        for old in sorted(path.parent.iterdir(), key=lambda f: f.stat().st_mtime_ns, reverse=True)[_COPIES_KEPT:]:
            if old != path:
                old.unlink(missing_ok=True)
        return path

    def _copy(self, key: str) -> bytes | None:
        try:
            return self._copies.get(key)
        except (NotFound, Unavailable):
            return None


class _Away:
    """Whether the store was away a moment ago, and what it said."""

    def __init__(self) -> None:
        self._said: Unavailable | None = None
        self._until = float("-inf")

    @property
    def error(self) -> Unavailable | None:
        return self._said if time.monotonic() < self._until else None

    def note(self, error: Unavailable) -> None:
        self._said, self._until = error, time.monotonic() + _AWAY_SECONDS


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
