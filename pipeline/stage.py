"""A stage as a program."""

import os
import resource
import sys
import time
from collections.abc import Callable
from datetime import datetime

from matchcast.adapters.clock import clock_from
from matchcast.adapters.git_revision import git_revision
from matchcast.errors import MatchcastError
from matchcast.settings import Settings, read_settings


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage, tell its time and peak memory; an error of ours becomes one message on standard error and exit code 1."""
    started = time.perf_counter()
    try:
        main()
    except MatchcastError as error:
        say(f"error: {error}")
        raise SystemExit(1) from error
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"{time.perf_counter() - started:.1f} s, peak memory {peak:.0f} MB")


def say(text: str) -> None:
    """Tell progress."""
    print(text, file=sys.stderr, flush=True)


def environment() -> Settings:
    """Where the database and the object store are.

    Raises:
        BadInput: a variable is invalid.
    """
    return read_settings(Settings, os.environ)


def code_revision(settings: Settings) -> str:
    """What goes on record as the code that made a model or a forecast."""
    return settings.code_revision or git_revision()


def now(settings: Settings) -> datetime:
    """The time, aware UTC."""
    return clock_from(settings.clock_starts_at)()
