"""Lists of tournaments that wait for a decision, as CSV or JSON."""

import csv
import io
import json
from collections.abc import Sequence

from matchcast.ports.tournaments import HeldTournament, TournamentProposal

_SHOWN = 3


def as_csv(held: Sequence[HeldTournament]) -> str:
    """One line a tournament, its proposals side by side."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    columns = ("proposal", *TournamentProposal._fields[1:])
    proposed = [f"{column}_{n}" for n in range(1, _SHOWN + 1) for column in columns]
    writer.writerow(("source", "code", "name", "country", "matches", *proposed))
    for alias, matches, proposals in held:
        cells = [cell for proposal in proposals[:_SHOWN] for cell in proposal]
        writer.writerow((alias.source, alias.code, alias.name, alias.country, matches, *cells))
    return written.getvalue()


def as_json(held: Sequence[HeldTournament]) -> str:
    """A list of objects, one a tournament."""
    told = [
        {
            "source": alias.source,
            "code": alias.code,
            "name": alias.name,
            "country": alias.country,
            "matches": matches,
            "proposals": [proposal._asdict() for proposal in proposals],
        }
        for alias, matches, proposals in held
    ]
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"
