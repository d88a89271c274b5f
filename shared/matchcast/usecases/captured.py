"""What sources answered, kept as it was before anyone looks into it."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import msgspec

from matchcast.errors import BadSource, NotFound
from matchcast.ports import ObjectStore
from matchcast.ports.feeds import Capture, Captures, RawFile

_RECORD: Final = ".json"


def capture_of(source: str, file: RawFile) -> Capture:
    """The record of an answer that says when it was taken."""
    assert file.taken_at is not None
    digest = hashlib.sha256(file.content).hexdigest()
    key = f"captures/{source}/{file.taken_at.date().isoformat()}/{digest}.gz"
    validators = (file.etag, file.last_modified)
    return Capture(source, file.name, file.url, file.taken_at, file.media_type, file.status, *validators, digest, key)


@dataclass(frozen=True, slots=True)
class Archive:
    """The captures and what they hold: in the object store all of it, in the database what is looked up by.

    Beside each object there is a record of the capture, as JSON under the hash of its address and instant, so that
    captures outlive their database.
    """

    objects: ObjectStore
    captures: Captures

    def keep(self, source: str, file: RawFile) -> None:
        """Keep an answer that was taken just now: the object first, so that whatever a record names is there.

        Raises:
            Unavailable: the object store or the database is away.
        """
        capture = capture_of(source, file)
        self.objects.put(capture.object_key, gzip.compress(file.content, mtime=0))
        self._record(capture)
        self.captures.add(capture)

    def refuse(self, capture: Capture, problem: str) -> None:
        """Say why a capture could not be read.

        Raises:
            Unavailable: the object store or the database is away.
        """
        self._record(capture._replace(problem=problem))
        self.captures.refuse(capture, problem)

    def accept(self, capture: Capture) -> None:
        """Say that a capture can be read after all.

        Raises:
            Unavailable: the object store or the database is away.
        """
        self._record(capture._replace(problem=None))
        self.captures.accept(capture)

    def restore(self, source: str, first_day: date | None = None, last_day: date | None = None) -> Sequence[str]:
        """Bring captures of these days (UTC, both included) back into the database; those it knows stay as they are.

        Returns:
            The keys of records that are damaged.
        Raises:
            Unavailable: the object store or the database is away.
        """
        folder, damaged = f"captures/{source}/", []
        first, last = (first_day or date.min).isoformat(), (last_day or date.max).isoformat()
        for key in self.objects.keys(folder):
            if not key.endswith(_RECORD) or not first <= key.removeprefix(folder).partition("/")[0] <= last:
                continue
            try:
                told = json.loads(self.objects.get(key))
                capture = msgspec.convert([told[name] for name in Capture._fields], Capture)
            except (ValueError, LookupError, TypeError):
                damaged.append(key)
                continue
            self.captures.add(capture)
        return damaged

    def _record(self, capture: Capture) -> None:
        folder = capture.object_key.rpartition("/")[0]
        taken_at = capture.taken_at.isoformat()
        digest = hashlib.sha256(f"{capture.url} {taken_at}".encode()).hexdigest()
        record = json.dumps(capture._asdict() | {"taken_at": taken_at}, indent=1)
        self.objects.put(f"{folder}/{digest}{_RECORD}", record.encode())

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
        return self._there(self.captures.latest(url))

    def missing(self, url: str) -> RawFile | None:
        """The last answer of an address that said there is nothing; None where there was none, or it is lost.

        Raises:
            Unavailable: the object store or the database is away.
        """
        return self._there(self.captures.missing(url))

    def _there(self, capture: Capture | None) -> RawFile | None:
        if capture is None:
            return None
        try:
            return self.file(capture)
        except (NotFound, BadSource):
            return None
