"""Lists of names that wait for a decision, as CSV or JSON: written with an empty `decision`, read back with it filled in."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from matchcast.errors import BadInput
from matchcast.ports.reviews import HeldName, Proposal, Reviewed

_NEEDED: Final = ("source", "country", "name", "decision")
_EVIDENCE: Final = ("agreeing", "likely", "disputed", "against", "similarity")
_SHOWN: Final = 3
_REMEDY: Final = "write the list with `matchcast teams review --format csv` and fill in its column decision"


def as_csv(held: Sequence[HeldName]) -> str:
    """One line a name, its proposals side by side."""
    written = io.StringIO()
    proposed = [f"{column}_{n}" for n in range(1, _SHOWN + 1) for column in ("proposal", *_EVIDENCE)]
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow((*_NEEDED, "matches", *proposed))
    for name in held:
        cells = [cell for proposal in name.proposals[:_SHOWN] for cell in _cells(proposal)]
        writer.writerow((name.alias.source, name.alias.country, name.alias.name, "", name.matches, *cells))
    return written.getvalue()


def as_json(held: Sequence[HeldName]) -> str:
    """A list of objects, one a name."""
    names = [
        {
            "source": name.alias.source,
            "country": name.alias.country,
            "name": name.alias.name,
            "decision": "",
            "matches": name.matches,
            "proposals": [proposal._asdict() for proposal in name.proposals],
        }
        for name in held
    ]
    return json.dumps(names, ensure_ascii=False, indent=2) + "\n"


def read_reviewed(content: bytes, file_name: str) -> Sequence[Reviewed]:
    """The decisions of a reviewed list, CSV or JSON; columns besides those needed are ignored.

    Raises:
        BadInput: it is neither, or lacks a column.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"--file: {file_name} is not UTF-8 text; {_REMEDY}", "file") from error
    return _from_json(text, file_name) if text.lstrip()[:1] in ("[", "{") else _from_csv(text, file_name)


def _cells(proposal: Proposal) -> Sequence[str | int]:
    return (proposal.team_id, *proposal[2:])


def _from_csv(text: str, file_name: str) -> Sequence[Reviewed]:
    first = text.split("\n", 1)[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","  # as some spreadsheets save it
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        _refuse_missing(reader.fieldnames or (), file_name)
        return [_reviewed(row, reader.line_num, file_name) for row in reader]
    except csv.Error as error:
        raise BadInput(f"--file: {file_name} is not CSV ({error}); {_REMEDY}", "file") from error


def _from_json(text: str, file_name: str) -> Sequence[Reviewed]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"--file: {file_name} is not JSON ({error}); {_REMEDY}", "file") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadInput(f"--file: {file_name} is not a list of objects; {_REMEDY}", "file")
    for entry in entries:
        _refuse_missing(entry, file_name)
    return [_reviewed(entry, number, file_name) for number, entry in enumerate(entries, 1)]


def _refuse_missing(found: Any, file_name: str) -> None:
    missing = [column for column in _NEEDED if column not in found]
    if missing:
        raise BadInput(f"--file: {file_name} has no {', '.join(missing)}; {_REMEDY}", "file")


def _reviewed(row: Mapping[str, Any], line: int, file_name: str) -> Reviewed:
    values = [row[column] for column in _NEEDED]
    if not all(isinstance(value, str) for value in values[:3]) or not isinstance(values[3], str | None):
        raise BadInput(f"--file: line {line} of {file_name}: {', '.join(_NEEDED)} are not all text", "file")
    return Reviewed(line, values[0], values[1], values[2], (values[3] or "").strip())
