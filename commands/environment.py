"""Where things are, as the environment says; the command line reads it here and nowhere else."""

import os
from pathlib import Path


def database_url() -> str:
    """`MATCHCAST_DATABASE_URL`, else a file below the current directory."""
    return os.environ.get("MATCHCAST_DATABASE_URL") or "sqlite:///var/matchcast.db"


def objects_url() -> str:
    """`MATCHCAST_OBJECTS_URL`, else a folder below the current directory."""
    return os.environ.get("MATCHCAST_OBJECTS_URL") or "var/objects"


def cache_directory() -> Path:
    """Where downloads are kept: `XDG_CACHE_HOME`/matchcast, else ~/.cache/matchcast."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "matchcast"


def uv_program() -> str | None:
    """The uv that runs this process, if one does: `uv run` tells it in `UV`."""
    return os.environ.get("UV") or None
