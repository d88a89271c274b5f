"""The JSON Schemas of the events: `python -m knative.schemas` writes them to knative/events/schemas."""

import json
from pathlib import Path
from typing import Any, Final

from msgspec.json import schema_components

from matchcast.events import PAYLOADS, Payload

FOLDER: Final = Path(__file__).parent / "events" / "schemas"
BASE_URL: Final = "https://matchcast.org/schemas/"


def schema_of(payload: type[Payload]) -> dict[str, Any]:
    """The schema of one type's data, JSON Schema 2020-12."""
    _, parts = schema_components([payload], ref_template="#/$defs/{name}")
    parts = json.loads(json.dumps(parts).replace(r"\\Z", "$"))  # in JSON Schema $ is what \Z is in Python
    whole = parts.pop(payload.__name__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{BASE_URL}{payload.NAME}.json",
        **whole,
        **payload.ALSO,
        **({"$defs": parts} if parts else {}),
    }


def schema_files() -> dict[str, str]:
    """The files by name."""
    return {
        f"{payload.NAME}.json": json.dumps(schema_of(payload), indent=2, ensure_ascii=False) + "\n"
        for payload in PAYLOADS.values()
    }


def write_schemas(folder: Path = FOLDER) -> None:
    """Bring the folder up to date; files of types that are no more go."""
    folder.mkdir(parents=True, exist_ok=True)
    files = schema_files()
    for name, text in files.items():
        (folder / name).write_text(text)
    for file in folder.glob("*.json"):
        if file.name not in files:
            file.unlink()


if __name__ == "__main__":
    write_schemas()
