"""The club names we know beforehand: `aliases.csv`, so that ids do not depend on which source is loaded first.

A row with source `*` means the club whichever source says it; the first such row of a club gives its usual name.
"""

import csv
from collections.abc import Sequence
from importlib import resources

from matchcast.ports import AliasStatus, TeamAlias


def committed_aliases() -> Sequence[TeamAlias]:
    """The rows of `aliases.csv`, in their order."""
    text = resources.files(__package__).joinpath("aliases.csv").read_text(encoding="utf-8")
    return [
        TeamAlias(
            row["source"], row["country"], row["name"], f"{row['country']}:{row['team_slug']}", AliasStatus.CONFIRMED
        )
        for row in csv.DictReader(text.splitlines())
    ]
