"""An object store that is a bucket, or a prefix in one, on MinIO or S3."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from matchcast.adapters.objects_folder import check_size, key_segments
from matchcast.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from matchcast.adapters.objects import S3Access

_CONNECT: Final = timedelta(seconds=2)
_REQUEST: Final = timedelta(seconds=10)
_RETRIES: Final = 2
_RETRIES_BEGIN_WITHIN: Final = timedelta(seconds=5)
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
_REFUSALS: Final = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidTokenId", "ExpiredToken"}


class S3Objects:
    """The `ObjectStore` port over a bucket.

    Args:
        prefix: what all keys begin with in the bucket, without slashes at its ends; empty for none.
    """

    def __init__(self, bucket: str, prefix: str, access: "S3Access") -> None:
        self._bucket: Final = bucket
        self._prefix: Final = prefix
        self._access: Final = access
        self._endpoint: Final = access.endpoint or f"https://s3.{access.region}.amazonaws.com"

    def put(self, key: str, content: bytes) -> str:
        with self._translated(key):
            return _etag(obstore.put(self._store, _path(key), content)["e_tag"])

    def get(self, key: str, *, largest: int | None = None) -> bytes:
        with self._translated(key):
            found = obstore.get(self._store, _path(key))
            check_size(key, found.meta["size"], largest)
            return bytes(found.bytes())

    def etag(self, key: str) -> str | None:
        try:
            with self._translated(key):
                try:
                    return _etag(obstore.head(self._store, _path(key))["e_tag"])
                except FileNotFoundError:  # of what, only a GET tells
                    return _etag(obstore.get(self._store, _path(key)).meta["e_tag"])
        except NotFound:
            return None

    def keys(self, prefix: str) -> Sequence[str]:
        folder = prefix.rpartition("/")[0]
        with self._translated(prefix):
            found = [
                entry["path"] for page in obstore.list(self._store, _path(folder) if folder else None) for entry in page
            ]
        return sorted(key for key in found if key.startswith(prefix))

    @cached_property
    def _store(self) -> S3Store:
        return S3Store(
            self._bucket,
            prefix=self._prefix or None,
            endpoint=self._endpoint,
            region=self._access.region,
            access_key_id=self._access.key_id,
            secret_access_key=self._access.secret,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True, "connect_timeout": _CONNECT, "timeout": _REQUEST},
            retry_config={"max_retries": _RETRIES, "retry_timeout": _RETRIES_BEGIN_WITHIN},
        )

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        """Makes the library's errors ours."""
        try:
            yield
        except FileNotFoundError as error:
            if "<Code>NoSuchKey</Code>" not in str(error):  # no bucket, or no S3 server at all
                raise self._away(error) from error
            raise NotFound(f"there is no object {key} in {self}") from error
        except (BaseError, OSError) as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> Unavailable:
        said = str(error)
        code = match.group(1) if (match := _CODE.search(said)) else None
        if code == "NoSuchBucket":
            return Unavailable(f"{self} does not exist; make the bucket or correct MATCHCAST_OBJECTS_URL")
        if code in _REFUSALS or isinstance(error, PermissionDeniedError | UnauthenticatedError):
            return Unavailable(
                f"{self} refuses us; correct AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or the bucket's policy"
            )
        return Unavailable(f"{self} cannot be used: {code or _reason(said)}")

    def __str__(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/") + f" at {self._endpoint}"


def _path(key: str) -> str:
    return "/".join(key_segments(key))


def _reason(said: str) -> str:
    """The same for the same fault: without the request, and how long it took."""
    return said.partition("\n")[0].rpartition(" - ")[2].strip().rstrip(":")


def _etag(told: str | None) -> str:
    if told is None:
        raise Unavailable("the object store gives no ETags; it must, for changes to be seen")
    return told
