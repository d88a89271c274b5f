"""Which object store an address means."""

from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from matchcast.adapters.objects_folder import FolderStore
from matchcast.errors import BadInput
from matchcast.ports import ObjectStore

_REMEDY: Final = (
    "MATCHCAST_OBJECTS_URL: give a folder such as var/objects or file:///srv/matchcast/objects, "
    "or a bucket such as s3://matchcast or s3://bucket/prefix"
)


class S3Access(NamedTuple):
    """How an S3 server is reached.

    Attributes:
        endpoint: its http(s) URL; None for Amazon's.
    """

    endpoint: str | None
    key_id: str
    secret: str
    region: str = "us-east-1"


def objects_at(url: str, s3: S3Access | None = None) -> ObjectStore:
    """The store at a folder path, a `file://` URL or an `s3://bucket[/prefix]` URL; nothing is opened yet.

    Raises:
        BadInput: it is none of them, or a bucket and `s3` is missing.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3":
        prefix = parts.path.strip("/")
        if not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment or "//" in prefix:
            raise BadInput(f"{_REMEDY}; {url!r} is not supported", "objects_url")
        if s3 is None:
            raise BadInput("AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: set both for objects in S3", "objects_url")
        from matchcast.adapters.objects_s3 import S3Objects

        return S3Objects(parts.netloc, prefix, s3)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        return FolderStore(Path(unquote(parts.path)))
    if parts.scheme or not url.strip():
        raise BadInput(f"{_REMEDY}; {url!r} is not supported", "objects_url")
    return FolderStore(Path(url))
