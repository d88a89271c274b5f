"""Local copies of objects, so that an instance starts while the store is away."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matchcast.adapters.objects_folder import FolderStore
from matchcast.errors import NotFound, SnapshotBroken, Unavailable
from matchcast.ports import ObjectStore

_COPIES_KEPT: Final = 2
_AWAY_SECONDS: Final = 3.0
"""So long a store that was away is not asked for what there is a copy of: many requests that wait in vain are one start."""


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
        self._etags: dict[str, str] = {}
        self._away_until = float("-inf")

    def put(self, key: str, content: bytes) -> str:
        return self._store.put(key, content)

    def get(self, key: str, *, largest: int | None = None) -> bytes:
        copy = self._copy(key)
        if copy is not None and self._away:
            return copy
        try:
            content = self._store.get(key, largest=largest)
        except Unavailable:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            if copy is None:
                raise
            return copy
        if copy != content:
            self._copies.put(key, content)
        return content

    def etag(self, key: str) -> str | None:
        if self._away and self._copy(key) is not None:
            return self._etags.get(key) or self._copies.etag(key)
        try:
            etag = self._store.etag(key)
        except Unavailable:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            if self._copy(key) is None:
                raise
            return self._etags.get(key) or self._copies.etag(key)
        if etag is not None:
            self._etags[key] = etag
        return etag

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

    @property
    def _away(self) -> bool:
        return time.monotonic() < self._away_until

    def _copy(self, key: str) -> bytes | None:
        try:
            return self._copies.get(key)
        except (NotFound, Unavailable):
            return None


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
