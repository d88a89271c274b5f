"""An object store that is a folder."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from matchcast.errors import BadInput, NotFound, Unavailable

_UNFINISHED: Final = ".unfinished"
"""Files being written stand here; the same file system, so that a rename puts them in place."""
_LONGEST_NAME: Final = 255
_LONGEST_KEY: Final = 900  # S3 takes 1024, a bucket's prefix included


def key_segments(key: str) -> list[str]:
    """The names that a key is made of.

    Raises:
        BadInput: it is no key that every store can hold.
    """
    segments = key.split("/")
    if (
        not key.isprintable()
        or "\\" in key
        or segments[0] == _UNFINISHED
        or any(s in ("", ".", "..") or len(s.encode()) > _LONGEST_NAME for s in segments)
        or len(key.encode()) > _LONGEST_KEY
    ):
        raise BadInput(
            f"key: {key!r} is not an object key; give printable names joined by /, none of them empty, . or .., "
            f"each of up to {_LONGEST_NAME} bytes, together up to {_LONGEST_KEY}",
            "key",
        )
    return segments


def check_size(key: str, size: int, largest: int | None) -> None:
    """Go on, if an object is no larger than `largest` bytes.

    Raises:
        BadInput: it is.
    """
    if largest is not None and size > largest:
        raise BadInput(f"key: {key} has {size} bytes, more than the {largest} allowed; put a smaller one", "key")


class FolderStore:
    """The `ObjectStore` port over a folder, which the first `put` makes.

    Args:
        lasting: whether what was put is there after the machine crashed; copies of what is elsewhere need not be.
    """

    def __init__(self, root: Path, *, lasting: bool = True) -> None:
        self._root: Final = root
        self._lasting = lasting

    def put(self, key: str, content: bytes) -> str:
        target = self._path(key)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            replace_file(target, content, self._root / _UNFINISHED, lasting=self._lasting)
        except OSError as error:
            raise self._away(error) from error
        return hashlib.sha256(content).hexdigest()

    def get(self, key: str, *, largest: int | None = None) -> bytes:
        try:
            path = self._path(key)
            check_size(key, path.stat().st_size, largest)
            return path.read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            self._check_root()
            raise NotFound(f"there is no object {key} in {self._root}") from error
        except OSError as error:
            raise self._away(error) from error

    def etag(self, key: str) -> str | None:
        """SHA-256 of the content; meant for small objects such as pointers."""
        try:
            return hashlib.sha256(self.get(key)).hexdigest()
        except NotFound:
            return None

    def keys(self, prefix: str) -> Sequence[str]:
        self._check_root()
        folder = self._root / PurePosixPath(prefix).parent if not prefix.endswith("/") else self._root / prefix
        found = (f.relative_to(self._root).as_posix() for f in folder.rglob("*") if f.is_file())
        return sorted(k for k in found if k.startswith(prefix) and not k.startswith(f"{_UNFINISHED}/"))

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*key_segments(key))

    def _check_root(self) -> None:
        if not self._root.is_dir():
            raise Unavailable(
                f"the object folder {self._root} does not exist; run `make demo` or correct MATCHCAST_OBJECTS_URL"
            )

    def _away(self, error: OSError) -> Unavailable:
        return Unavailable(f"the object folder {self._root} cannot be used: {error.strerror or error}")


def replace_file(target: Path, content: bytes, unfinished: Path, *, lasting: bool = True) -> None:
    """Write a file so that readers see the old content or the new.

    Args:
        unfinished: folder on the same file system to write in; made if need be.
        lasting: whether a crash of the machine, too, leaves the one or the other: it is then waited for the disk.
    """
    unfinished.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=unfinished)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            if lasting:
                os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if not lasting:
        return
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
