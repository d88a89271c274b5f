"""Where things are, as the environment says; the command line reads it here and nowhere else."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matchcast.adapters.objects import S3Access
    from matchcast.ports import ObjectStore
    from matchcast.settings import Settings


def database_url() -> str:
    """`MATCHCAST_DATABASE_URL`, else the default of the settings."""
    return _settings().database_url


def objects() -> "ObjectStore":
    """The store at `MATCHCAST_OBJECTS_URL`, else at the default of the settings."""
    from matchcast.adapters.objects import objects_at

    settings = _settings()
    return objects_at(settings.objects_url, settings.s3)


def objects_bucket() -> "tuple[str, S3Access]":
    """The bucket of `MATCHCAST_OBJECTS_URL`, and how it is reached.

    Raises:
        BadInput: objects are in a folder, or no server is named.
    """
    from urllib.parse import urlsplit

    from matchcast.errors import BadInput

    settings = _settings()
    parts, access = urlsplit(settings.objects_url), settings.s3
    if parts.scheme != "s3" or access is None or access.endpoint is None:
        raise BadInput(
            "MATCHCAST_OBJECTS_URL, AWS_ENDPOINT_URL: name a bucket such as s3://matchcast, and MinIO's address",
            "objects_url",
        )
    return parts.netloc, access


def cache_directory() -> Path:
    """Where downloads are kept: `XDG_CACHE_HOME`/matchcast, else ~/.cache/matchcast."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "matchcast"


def uv_program() -> str | None:
    """The uv that runs this process, if one does: `uv run` tells it in `UV`."""
    return os.environ.get("UV") or None


def _settings() -> "Settings":
    from matchcast.settings import Settings, read_settings

    return read_settings(Settings, os.environ)
