"""Reading one published file, from a path or a URL."""

import gzip
import io
import zlib
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from matchcast.errors import BadSource, Unavailable

MAX_BYTES: Final = 1 << 30
"""No file of matches is larger; protects against archives that unpack without end."""

_TIMEOUT_S: Final = 60.0


class SourceFile(NamedTuple):
    """A file's bytes, gzip undone, and the name it was published under, without `.gz`."""

    name: str
    content: bytes


def read_file(place: str) -> SourceFile:
    """Read a path or an http(s) URL.

    Raises:
        BadSource: there is no such file, or it cannot be read or unpacked.
        Unavailable: the URL's server cannot be reached or fails; trying again may help.
    """
    url = urlsplit(place)
    if url.scheme in ("http", "https"):
        name, content = Path(unquote(url.path)).name, _fetch(place)
    else:
        path = Path(place)
        try:
            name, content = path.name, path.read_bytes()
        except FileNotFoundError as error:
            raise BadSource(f"{place}: there is no such file; check the path", "path") from error
        except OSError as error:
            raise BadSource(f"{place}: cannot be read ({error.strerror}); give a readable file", "path") from error
    if content[:2] == b"\x1f\x8b":
        name, content = name.removesuffix(".gz"), _gunzip(place, content)
    return SourceFile(name, content)


def _fetch(url: str) -> bytes:
    import httpx

    try:
        reply = httpx.get(url, follow_redirects=True, timeout=_TIMEOUT_S)
        reply.raise_for_status()
    except httpx.HTTPStatusError as error:
        said = f"{url}: the server answered {error.response.status_code}"
        if error.response.status_code < 500 and error.response.status_code != 429:
            raise BadSource(f"{said}; check the URL", "url") from error
        raise Unavailable(f"{said}; try again later") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(f"{url}: {error}; check the address and the network, then try again") from error
    return reply.content


def _gunzip(place: str, content: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as packed:
            unpacked = packed.read(MAX_BYTES + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise BadSource(f"{place}: the gzip file is damaged ({error}); fetch it again", "path") from error
    if len(unpacked) > MAX_BYTES:
        raise BadSource(f"{place}: unpacks to more than {MAX_BYTES >> 20} MiB; is it a file of matches?", "path")
    return unpacked
