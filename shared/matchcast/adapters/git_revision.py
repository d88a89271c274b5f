"""The git revision that this code was checked out at."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Final

UNKNOWN: Final = "unknown"


@cache
def git_revision() -> str:
    """The commit of the checkout this package runs from; `unknown` where it is installed or git is absent."""
    here = Path(__file__).parent
    try:
        answer = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD", "--show-prefix"],
            capture_output=True, text=True, timeout=5, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    commit, _, prefix = answer.stdout.partition("\n")
    ours = prefix.strip().rstrip("/") == "shared/matchcast/adapters"
    return commit if answer.returncode == 0 and ours else UNKNOWN
