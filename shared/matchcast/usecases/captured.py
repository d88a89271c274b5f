"""What sources answered, kept as it was before anyone looks into it."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass

from matchcast.errors import BadSource, NotFound
from matchcast.ports import ObjectStore
from matchcast.ports.feeds import Capture, Captures, RawFile


def capture_of(source: str, file: RawFile) -> Capture:
    """The record of an answer that says when it was taken."""
    assert file.taken_at is not None
    digest = hashlib.sha256(file.content).hexdigest()
    key = f"captures/{source}/{file.taken_at.date().isoformat()}/{digest}.gz"
    validators = (file.etag, file.last_modified)
    return Capture(source, file.name, file.url, file.taken_at, file.media_type, file.status, *validators, digest, key)


@dataclass(frozen=True, slots=True)
class Archive:
    """The captures and what they hold."""

    objects: ObjectStore
    captures: Captures

    def keep(self, source: str, file: RawFile) -> None:
        """Keep an answer that was taken just now: the object first, so that whatever the record names is there.

        Raises:
            Unavailable: the object store or the database is away.
        """
        capture = capture_of(source, file)
        self.objects.put(capture.object_key, gzip.compress(file.content, mtime=0))
        self.captures.add(capture)

    def accept(self, capture: Capture) -> None:
        """Say that a capture can be read after all.

        Raises:
            Unavailable: the object store or the database is away.
        """
        self.captures.accept(capture)

    def file(self, capture: Capture) -> RawFile:
        """A capture as its source answered it.

        Raises:
            NotFound: the object is not there any more.
            BadSource: it does not hold what was captured.
            Unavailable: the object store is away.
        """
        damaged = BadSource(f"capture {capture.object_key} is damaged; restore the object, or capture it anew")
        try:
            content = gzip.decompress(self.objects.get(capture.object_key))
        except (OSError, EOFError, zlib.error) as error:
            raise damaged from error
        if hashlib.sha256(content).hexdigest() != capture.sha256:
            raise damaged
        return RawFile(
            capture.name,
            capture.url,
            capture.media_type,
            content,
            capture.status,
            capture.etag,
            capture.last_modified,
            capture.taken_at,
        )

    def latest(self, url: str) -> RawFile | None:
        """The last good answer of an address; None where there was none, or it is lost.

        Raises:
            Unavailable: the object store or the database is away.
        """
        capture = self.captures.latest(url)
        if capture is None:
            return None
        try:
            return self.file(capture)
        except (NotFound, BadSource):
            return None
